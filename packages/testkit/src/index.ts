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
  type WalOptions,
  type WalPage,
  type WalTransaction,
} from "./wal/builder.ts";
export { type WalChecksum, walChecksum } from "./wal/checksum.ts";
export { type WalHeader, walHeaderBytes } from "./wal/header.ts";
export { type WalEnd, type WalEndReason, walFrameHeaderBytes } from "./wal/sound-frames.ts";
export { readWalSummary, type WalCommit, walCommits, type WalFrame, WalReader, type WalSummary } from "./wal/reader.ts";
export { type RewriteOptions, rewriteWal } from "./wal/rewrite.ts";
export { type ReplayOptions, WalReplay } from "./wal/replay.ts";
export { pagesDigest } from "./wal/database-pages.ts";
export {
  buildWalIndex,
  buildWalIndexHeader,
  readMarkNotUsed,
  walIndexBlockBytes,
  walIndexHeaderBytes,
  type WalIndexOptions,
  type WholeWalIndexOptions,
} from "./wal/wal-index.ts";
export { damageFile, type DamageKind, damageKinds, type DamageRecord, dropFile } from "./damage/damage-file.ts";
export type { DamageOptions } from "./damage/stretch.ts";
export {
  damageReplica,
  type DamageReplicaOptions,
  type ReplicaObject,
  replicaObjects,
} from "./damage/damage-replica.ts";
export { fileSha256 } from "./damage/file-sha256.ts";
export { integrityCheck, rowsDigest, rowsDigestOf, type SchemaEntry, schemaOf } from "./database/digest.ts";
export { TempFolder, tempFolder } from "./database/temp-folder.ts";
export { TempDb, tempDb, type TempDbOptions } from "./database/temp-db.ts";
export { ConnectionProcess, spawnConnection, type SpawnConnectionOptions, SqlError } from "./database/connection.ts";
export type { SqlChanges, SqlParameters, SqlRow, SqlValue } from "./database/connection-protocol.ts";
export type { AutoVacuum, ConnectionOptions, CreationOptions } from "./database/open-database.ts";
export { SeededRandom } from "./seeded-random.ts";
export { Workload } from "./workload/workload.ts";
export { type ProfileName, type WorkloadOptions } from "./workload/options.ts";
export { profiles } from "./workload/profiles/profiles.ts";
export { type Profile } from "./workload/profiles/profile.ts";
export { LoadSchedule, type LoadShape, transactionsDue } from "./workload/load-shape.ts";
export { type RunOptions, runWorkload } from "./workload/run-workload.ts";
export { committedPrefix, expectedState, requirePrefix, verifyWorkload } from "./workload/oracle.ts";
export { type Acknowledgement, readAcknowledgements } from "./workload/acknowledgement-log.ts";
export { spawnWriter, type WriterExit, type WriterOptions, WriterProcess } from "./workload/writer.ts";
export {
  canMountSmallFileSystem,
  SmallFileSystem,
  smallFileSystem,
  type SmallFileSystemOptions,
} from "./fault/small-file-system.ts";
export { canMakeUnwritable, makeUnwritable } from "./fault/unwritable.ts";
export {
  type FaultyTarget,
  type StoreFault,
  StoreFaults,
  type StoreOperation,
  type StoreOperationKind,
  withFaults,
} from "./fault/store.ts";
export {
  FaultProxy,
  type FaultProxyOptions,
  type HttpFault,
  misbehaviour,
  type MisbehaviourOptions,
  type ProxiedRequest,
  startFaultProxy,
} from "./fault/http-proxy.ts";
export {
  ObservedProcess,
  type ProcessExit,
  type ProcessOptions,
  runProcess,
  type RunProcessOptions,
  spawnProcess,
} from "./fault/process.ts";
export {
  canUseSyscallShim,
  createSyscallShim,
  type ReachedSyscall,
  SyscallShim,
  syscallShimObstacle,
  type SyscallShimOptions,
} from "./fault/syscall-shim.ts";
export type {
  Syscall,
  SyscallAction,
  SyscallCounts,
  SyscallFault,
  SyscallFile,
  SyscallTarget,
} from "./fault/syscall-control.ts";
export { generateDatabase, type GenerateOptions } from "./database/generate-database.ts";
export { catalogue, type CatalogueEntry, findCatalogueEntry } from "./fixture/catalogue.ts";
export { createFixture, type CreateFixtureOptions, type FixtureProgress } from "./fixture/create-fixture.ts";
export { createNamedFixture } from "./fixture/named-fixture.ts";
export { damageFixture, type DamageFixtureOptions } from "./fixture/damage-fixture.ts";
export type { FileDigest } from "./fixture/file-digest.ts";
export {
  type FixtureCommit,
  type FixtureManifest,
  type FixtureState,
  type FixtureWal,
  readManifest,
} from "./fixture/manifest.ts";
export type { FixtureOptions, FixtureProfile, FixtureTail, ResolvedFixtureOptions } from "./fixture/options.ts";
export type { FixtureFinding } from "./fixture/finding.ts";
export { type FixtureReport, verifyFixture, type VerifyOptions } from "./fixture/verify-fixture.ts";
