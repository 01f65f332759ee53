/**
 * Litestream for Bun: continuous, point-in-time backup of SQLite databases. The names below come in the order in which
 * data flows: database, capture, replica, restore.
 */
export { Litestream, type LitestreamOptions, type ReplicaOptions } from "./litestream.ts";
export { openReplica } from "./open-replica.ts";
export { restore, type RestoreOptions, type RestoreProgress, type RestoreResult } from "./restore/restore.ts";

export { type ErrorCode, type ErrorDetails, errorMessage, isLitestreamError, LitestreamError } from "./errors.ts";
export type { LitestreamEvent } from "./events.ts";
export { type Generation, isGeneration, parseGeneration } from "./generation.ts";
export type { GenerationReason } from "./generation-reason.ts";
export {
  comparePositions,
  formatPosition,
  formatWalIndex,
  parsePosition,
  parseWalIndex,
  type Position,
  samePosition,
  type WalIndex,
  walIndex,
  walIndexMax,
} from "./position.ts";

export type { GenerationStats, SnapshotInfo, WalInfo } from "./layout/objects.ts";
export type { ReplicaReader } from "./replica-reader.ts";
export type { Replica } from "./replica/replica.ts";
export type { FileReplica } from "./replica/file-replica.ts";
export type { WalSource } from "./wal-source.ts";

export { compressLz4 } from "./lz4/frame-writer.ts";
export { decompressLz4 } from "./lz4/frame-reader.ts";
export { WalChain, type WalChainEnd, type WalFrame, type WalStop } from "./wal/chain.ts";
export { formatWalHeader, frameSizeBytes, parseWalHeader, type Salts, type WalHeader } from "./wal/header.ts";
export { parseWalIndex as parseWalIndexHeader, type WalIndexView } from "./sqlite/wal-index.ts";
