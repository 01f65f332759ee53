/**
 * Litestream for Bun: continuous, point-in-time backup of SQLite databases. The names below come in the order in which
 * data flows: database, capture, replica, restore.
 */
export { type EngineKind, Litestream } from "./litestream.ts";
export type { LitestreamOptions } from "./litestream-options.ts";
export type { OfReplica, RetentionRun, Waiting } from "./host/database-engine.ts";
export type {
  CommonReplicaOptions,
  FileReplicaOptions,
  ReplicaOptions,
  S3ReplicaOptions,
  UrlReplicaOptions,
} from "./replica-options.ts";
export { parseReplicaUrl } from "./store/replica-url.ts";
export { openReplica } from "./open-replica.ts";
export { registeredSchemes, registerStore, type StoreContext, type StoreFactory } from "./store/registry.ts";
export { openStore, type OpenStoreOptions } from "./store/open-store.ts";
export type { RequestRecord } from "./store/s3/client.ts";
export type { ConditionalStore, PutOptions, ReadableStore, ReadOptions, Store, StoreEntry } from "./store/store.ts";
export { MemoryStore } from "./store/memory.ts";
export {
  amazonPrices,
  estimateMonth,
  type MonthlyEstimate,
  type SettingsToEstimate,
  type StorePrices,
  type UsageToEstimate,
} from "./replica/estimate.ts";
export {
  type LtxRestoreResult,
  planRestore,
  restore,
  type RestoredDatabase,
  type RestoreEvent,
  type RestoreOptions,
  type RestorePointOptions,
  type RestoreResult,
  type WalRestoreResult,
} from "./restore/restore.ts";
export { follow, type FollowEvent, type FollowOptions, formatFollowedState } from "./restore/follow.ts";
export type { FollowedLtx, FollowedState, FollowedWal } from "./restore/follow-state.ts";
export type { AnyPlan, LtxLayoutPlan, WalLayoutPlan } from "./restore/any-plan.ts";
export type { RestorePlan } from "./restore/restore-plan.ts";
export { snapshotIndexAt, snapshotIndexByIndex, walIndexAt } from "./restore/index-at.ts";
export {
  type GenerationReport,
  type LtxReport,
  type ObjectProblem,
  type ReplicaReport,
  type RestorableRange,
  verifyReplica,
  type VerifyOptions,
} from "./restore/verify.ts";
export {
  type RestorableGeneration,
  restorableGenerations,
  type RestorableSnapshot,
  type RestorableWindow,
} from "./restore/restorable.ts";
export { formatTimestamp, parseTimestamp } from "./restore/timestamp.ts";

export {
  type ErrorCode,
  type ErrorDetails,
  errorMessage,
  isDiskFull,
  isLitestreamError,
  LitestreamError,
} from "./errors.ts";
export type { LitestreamEvent } from "./events.ts";
export type {
  DatabaseStatus,
  LastSnapshot,
  PageDifference,
  ReplicaFailure,
  ReplicaStatus,
  RetentionResult,
  ValidationResult,
  RetentionObject,
} from "./status.ts";
export { type Generation, isGeneration, parseGeneration } from "./generation.ts";
export { type GenerationReason, generationReasons } from "./generation-reason.ts";
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
export { readerGraceMs, readerLeaseMs, type ReaderLeases, readerLeases } from "./layout/reader-lease.ts";
export type { ReplicaReader } from "./replica-reader.ts";
export type { Replica } from "./replica/replica.ts";
export type { FileReplica } from "./replica/file-replica.ts";
export type { WalSource } from "./wal-source.ts";

/** Replicas of Litestream 0.5: which files make a state, and what is in them. */
export {
  ltxFileSizeBytesMin,
  type LtxInfo,
  ltxInfo,
  ltxKey,
  ltxLevelKey,
  type LtxLevelStyle,
  type LtxName,
  type LtxObstacle,
  type LtxPlan,
  type LtxRange,
  ltxSnapshotLevel,
  type LtxState,
  ltxStates,
  type LtxTarget,
  parseLtxKey,
  planLtx,
} from "./layout/ltx.ts";
export { LtxDecoder, type LtxDecoderOptions, type LtxPage } from "./ltx/decoder.ts";
export { type LtxHeader, parseLtxHeader } from "./ltx/header.ts";
export type { LtxTrailer } from "./ltx/trailer.ts";
export { compareTxids, formatTxid, parseTxid, type Txid, txid, txidMax } from "./ltx/txid.ts";

export { compressLz4 } from "./lz4/frame-writer.ts";
export { decompressLz4 } from "./lz4/frame-reader.ts";
export { WalChain, type WalChainEnd, type WalFrame, type WalStop } from "./wal/chain.ts";
export { formatWalHeader, frameSizeBytes, parseWalHeader, type Salts, type WalHeader } from "./wal/header.ts";
export { parseWalIndex as parseWalIndexHeader, type WalIndexView } from "./sqlite/wal-index.ts";
