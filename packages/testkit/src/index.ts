/**
 * WAL-heavy SQLite fixtures and the oracles to judge what became of them. Depends on no other package of this
 * project, so that its checksums and digests are a second opinion.
 */
export {
  type BuiltFrame,
  type BuiltWal,
  buildWal,
  describeWal,
  seededPage,
  walFrameHeaderBytes,
  walHeaderBytes,
  type WalOptions,
  type WalPage,
  type WalTransaction,
} from "./wal/builder.ts";
export { type WalChecksum, walChecksum } from "./wal/checksum.ts";
export { buildWalIndexHeader, readMarkNotUsed, walIndexHeaderBytes, type WalIndexOptions } from "./wal/wal-index.ts";
export { integrityCheck, rowsDigest, rowsDigestOf, type SchemaEntry, schemaOf } from "./database/digest.ts";
export { TempFolder, tempFolder } from "./database/temp-folder.ts";
export { TempDatabase, tempDatabase, type TempDatabaseOptions } from "./database/temp-db.ts";
export { SeededRandom } from "./seeded-random.ts";
export { Workload, type WorkloadOptions } from "./workload/workload.ts";
export { committedPrefix, expectedState, verifyWorkload } from "./workload/oracle.ts";
export { type Acknowledgement, readAcknowledgements } from "./workload/acknowledgement-log.ts";
export { spawnWriter, type WriterExit, type WriterOptions, WriterProcess } from "./workload/writer.ts";
export { canMakeUnwritable, makeUnwritable } from "./fault/unwritable.ts";
export { generateDatabase, type GenerateOptions } from "./database/generate-database.ts";
