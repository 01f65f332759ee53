import { LitestreamError } from "../errors.ts";
import type { EmitEvent, LitestreamEventBody } from "../events.ts";
import { faultPoint } from "../fault-point.ts";
import type { FileOwner } from "../file-owner.ts";
import type { GenerationReason } from "../generation-reason.ts";
import type { Generation } from "../generation.ts";
import { makeFolders } from "../folders.ts";
import { removeFile } from "../local-file.ts";
import { type Position, samePosition, walIndex, type WalIndex } from "../position.ts";
import type { CapturedPosition, SourceWal, WalSource } from "../wal-source.ts";
import { firstToKeep, type ShadowNeed } from "../shadow/release.ts";
import { defaultMetaPath } from "../shadow/paths.ts";
import { guardShadow } from "../shadow/shadow-error.ts";
import { ShadowWal } from "../shadow/shadow-wal.ts";
import { Connection } from "../sqlite/connection.ts";
import { DbFile } from "../sqlite/db-file.ts";
import { ReplicatorLock } from "../sqlite/replicator-lock.ts";
import { knownSqliteProblem } from "../sqlite/version.ts";
import type { WalIndexView } from "../sqlite/wal-index.ts";
import { type CaptureState, positionOf } from "./capture.ts";
import {
  checkpointDue,
  type CheckpointHistory,
  type CheckpointMode,
  type CheckpointPace,
  type CheckpointPolicy,
} from "./checkpoint-policy.ts";
import { afterFailure, afterStep, begin, type Goal, nextStep, nothingHeld, type Protocol } from "./protocol.ts";
import { type LongReaderNews, LongReaderWatch } from "./long-reader.ts";
import { DbSnapshot } from "./snapshot.ts";
import { defaultSpoolPolicy, type SpoolPolicy } from "./spool.ts";
import { DbState } from "./state.ts";
import { CaptureSteps, type CheckpointOutcome } from "./steps.ts";

const snapshotChunkSizeBytes = 1 << 20;

/** Times that it is tried to begin to read between two commits; one of two goes well with 5000 commits a second. */
const readTriesMax = 100;

export interface DbOptions {
  readonly path: string;
  /** The meta directory; `.<db>-litestream` beside the database when absent. */
  readonly metaPath?: string | undefined;
  readonly checkpoint: CheckpointPolicy;
  /** How long a lock of the database is waited for. */
  readonly busyTimeoutMs: number;
  /** Readers that keep the WAL from being restarted for so long are told of; a minute when absent. */
  readonly longReaderMs?: number | undefined;
}

/** Undefined while the database is not open. */
export interface DbSizes {
  readonly pageSize: number | undefined;
  readonly dbSizeBytes: number | undefined;
  readonly walSizeBytes: number | undefined;
  readonly shadowWalSizeBytes: number | undefined;
}

interface HeldShadow {
  readonly generation: Generation;
  readonly first: number;
  readonly sizes: Map<number, number>;
}

/** What is open while a database is replicated. */
interface OpenDb {
  readonly file: DbFile;
  readonly replicatorLock: ReplicatorLock;
  readonly shadow: ShadowWal;
  readonly steps: CaptureSteps;
}

/**
 * Captures the WAL of one database into its shadow WAL. Every method is synchronous, so no two of them interleave.
 * The protocol is in protocol.ts, its reasons in docs/capture.md; what each of its steps does is in steps.ts.
 */
export class Db implements WalSource {
  readonly path: string;
  readonly #options: DbOptions;
  readonly #emit: EmitEvent;
  readonly #listeners = new Set<() => void>();
  #open: OpenDb | undefined;
  #protocol: Protocol = nothingHeld;
  /** Events of the steps under way: nobody is told of anything while writers are kept out. */
  readonly #events: LitestreamEventBody[] = [];
  /** The shadow WAL that was not let go yet: its lowest index, and the sizes of those that are superseded. */
  #held: HeldShadow | undefined;
  #checkpoints: CheckpointHistory = { triedAtMs: 0, forcedInVainAtMs: undefined, wasComplete: true };
  /** Those that read the database file: our own checkpoints would take their transactions away. */
  readonly #readers = new Set<Disposable>();
  /** When it was found that nothing is new, since the last look; milliseconds since 1970. */
  #unchangedAtMs: number | undefined;
  #wasReplaced = false;
  #longReaders: LongReaderWatch;

  constructor(options: DbOptions, emit: EmitEvent) {
    this.path = options.path;
    this.#options = options;
    this.#longReaders = new LongReaderWatch(options.longReaderMs ?? 60_000);
    this.#emit = emit;
  }

  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  get owner(): FileOwner {
    return this.#opened().file.owner;
  }

  get metaPath(): string {
    return this.#options.metaPath ?? defaultMetaPath(this.path);
  }

  captured(): CapturedPosition | undefined {
    const { captured, asOfMs } = this.#protocol;
    if (captured === undefined) return undefined;
    return { position: positionOf(captured), asOfMs: this.#unchangedAtMs ?? asOfMs };
  }

  /** Whether a paced `sync` has anything to do. Much cheaper than to find out by one. */
  needsSync(): boolean {
    faultPoint(() => ({ kind: "step", step: "poll" }));
    const { view, isProven, covered } = this.#protocol;
    if (this.#open === undefined || view === undefined || !isProven || !covered) return true;
    const nowMs = Date.now();
    if (!this.#open.file.isUnchangedSince(view)) return true;
    this.#unchangedAtMs = nowMs;
    return this.#checkpointDue(view, "paced", nowMs) !== undefined;
  }

  sizeBytes(): number {
    const { file } = this.#opened();
    return file.sizeBytes + file.walSizeBytes;
  }

  /** Bytes on disk, as far as the database is open. */
  sizes(): DbSizes {
    const { captured } = this.#protocol;
    const open = this.#open;
    return {
      pageSize: open?.file.header.pageSize,
      dbSizeBytes: open?.file.sizeBytes,
      walSizeBytes: open?.file.walSizeBytes,
      shadowWalSizeBytes: captured === undefined ? undefined : open?.shadow.sizeBytes(captured.generation),
    };
  }

  /** Bytes of WAL that were captured after `position`; undefined where the shadow WAL does not hold them. */
  capturedBytesAfter(position: Position): number | undefined {
    const { captured } = this.#protocol;
    if (captured === undefined || captured.generation !== position.generation) return undefined;
    let bytes = -position.offset;
    for (let index = position.index; index < captured.index; index++) {
      const sizeBytes = this.#opened().shadow.indexSizeBytes(captured.generation, walIndex(index));
      if (sizeBytes === undefined) return undefined;
      bytes += sizeBytes;
    }
    return Math.max(0, bytes + positionOf(captured).offset);
  }

  /** What was removed, or replaced by another, since it was opened. */
  lost(): "database" | "meta directory" | undefined {
    const { file, replicatorLock } = this.#opened();
    if (!file.isCurrent()) return "database";
    return replicatorLock.isInPlace() ? undefined : "meta directory";
  }

  /**
   * Takes the read lock and goes on with the generation of an earlier run, if its shadow WAL proves whole, else begins
   * one. Nothing is changed on disk unless the database can be replicated.
   * @throws LitestreamError DATABASE_MISSING, DATABASE_INVALID, DATABASE_IN_USE, DATABASE_BUSY or DATABASE_UNAVAILABLE
   */
  open(): void {
    if (this.#open !== undefined) return;
    const cleanUp = new DisposableStack();
    try {
      const file = cleanUp.adopt(DbFile.open(this.path), (opened) => opened.close());
      const shadow = new ShadowWal(this.metaPath, file.owner);
      prepareFolder(shadow, file);
      const replicatorLock = cleanUp.adopt(new ReplicatorLock(shadow.paths.lock, this.path), (held) => held.release());
      shadow.removeSpools();
      const connection = cleanUp.use(new Connection(file.realPath, this.#options.busyTimeoutMs, "read"));
      const sqliteProblem = knownSqliteProblem(connection.sqliteVersion());
      if (sqliteProblem !== undefined) this.#emit({ type: "warning", ...sqliteProblem });
      if (!file.header.isWal) {
        using writer = new Connection(file.realPath, this.#options.busyTimeoutMs, "write");
        writer.enableWal();
        this.#emit({ type: "warning", message: `turned on WAL mode of ${this.path}, which replication needs` });
      }
      // The first read creates the wal-index, or recovers it.
      connection.beginRead();
      connection.rollback();
      file.openWalIndex();
      const { busyTimeoutMs } = this.#options;
      const collect: EmitEvent = (event) => this.#events.push(event);
      const steps = new CaptureSteps({ file, shadow, connection, busyTimeoutMs }, collect);
      cleanUp.defer(() => steps.close());
      this.#open = { file, replicatorLock, shadow, steps };
      this.#checkpoints = { triedAtMs: Date.now(), forcedInVainAtMs: undefined, wasComplete: true };
      const before = shadow.currentGeneration();
      if (this.#wasReplaced) this.#run({ to: "begin generation", reason: "database replaced" });
      else this.#run({ to: "capture" });
      this.#wasReplaced = false;
      const resumed = this.#captured().generation === before;
      this.#emit({ type: "opened", pageSize: file.header.pageSize, resumed });
      cleanUp.move();
    } catch (error) {
      this.#forget();
      cleanUp.dispose();
      throw error;
    }
  }

  /**
   * Copies everything committed to the shadow WAL, and checkpoints when that is due.
   * @param pace `paced` for one sync after another, as commits come
   */
  sync(pace: CheckpointPace = "at once"): void {
    this.#run({ to: "sync" });
    const { view } = this.#protocol;
    if (view !== undefined) this.#tellOfLongReader(this.#longReaders.afterLook(view, Date.now()));
    const mode = view === undefined ? undefined : this.#checkpointDue(view, pace, Date.now());
    if (view !== undefined && mode !== undefined) this.#checkpoint(mode, view.mxFrame);
  }

  /** Begins a generation with all of the WAL as it is now. Needs a new snapshot in each replica. */
  beginGeneration(reason: GenerationReason): void {
    this.#run({ to: "begin generation", reason });
  }

  onCaptured(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  openWal(generation: Generation, index: WalIndex): SourceWal | undefined {
    const { captured } = this.#protocol;
    if (captured === undefined || captured.generation !== generation || index > captured.index) return undefined;
    const isSealed = index < captured.index;
    if (!isSealed && captured.tail === undefined) return undefined;
    const file = this.#opened().shadow.openForReading(generation, index);
    if (file === undefined) return undefined;
    return {
      path: file.path,
      endOffset: isSealed ? file.sizeBytes : positionOf(captured).offset,
      isSealed,
      readAt: (buffer, offset) => file.readAt(buffer, offset),
      [Symbol.dispose]: () => file.close(),
    };
  }

  beginSnapshot(
    chunkSizeBytes: number = snapshotChunkSizeBytes,
    spoolPolicy: SpoolPolicy = defaultSpoolPolicy,
  ): DbSnapshot {
    const { file, shadow } = this.#opened();
    const connection = new Connection(file.realPath, this.#options.busyTimeoutMs, "read");
    try {
      connection.beginRead();
      this.#run({ to: "capture" });
      const { generation, index } = this.#captured();
      const snapshot: DbSnapshot = new DbSnapshot({
        file,
        connection,
        generation,
        index,
        chunkSizeBytes,
        spoolPolicy,
        spoolPath: shadow.paths.spool(crypto.randomUUID()),
        freeBytes: () => shadow.freeBytes(),
        capture: () => {
          this.#run({ to: "capture" });
          return positionOf(this.#captured());
        },
        onEnd: () => this.#readers.delete(snapshot),
      });
      this.#readers.add(snapshot);
      return snapshot;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  beginState(): DbState {
    const { file } = this.#opened();
    const connection = new Connection(file.realPath, this.#options.busyTimeoutMs, "read");
    try {
      const position = this.#beginReadAt(connection);
      const wal = this.openWal(position.generation, position.index);
      const state: DbState = new DbState({
        file,
        connection,
        position,
        wal,
        onClose: () => this.#readers.delete(state),
      });
      this.#readers.add(state);
      return state;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /**
   * Begins to read. What is captured before and after that is the same, unless somebody committed in between: then it
   * is begun again. So no lock is needed to know which position is read.
   */
  #beginReadAt(connection: Connection): Position {
    for (let tries = 0; tries < readTriesMax; tries++) {
      this.#run({ to: "capture" });
      const before = positionOf(this.#captured());
      connection.beginRead();
      this.#run({ to: "capture" });
      const position = positionOf(this.#captured());
      if (samePosition(before, position)) return position;
      connection.rollback();
    }
    throw new LitestreamError("DATABASE_BUSY", `${this.path} is written to without a moment's rest`, {
      path: this.path,
      hint: "It is tried again later.",
    });
  }

  /** Lets go of shadow WAL files that no replica needs any more, or that are too many to be kept for one. */
  releaseWal(needs: readonly ShadowNeed[]): void {
    const { captured } = this.#protocol;
    if (captured === undefined) return;
    const { generation, index } = captured;
    const { shadow } = this.#opened();
    if (this.#held?.generation !== generation) {
      this.#held = { generation, first: shadow.indexes(generation)[0] ?? index, sizes: new Map() };
    }
    const { first, sizes } = this.#held;
    const sizeOf = (at: number): number => {
      if (at === index) return positionOf(captured).offset;
      const known = sizes.get(at);
      if (known !== undefined) return known;
      const sizeBytes = shadow.indexSizeBytes(generation, walIndex(at)) ?? 0;
      sizes.set(at, sizeBytes);
      return sizeBytes;
    };
    const kept = firstToKeep({ generation, index }, first, needs, sizeOf);
    if (kept <= first) return;
    shadow.deleteBefore(generation, walIndex(kept));
    for (let at = first; at < kept; at++) sizes.delete(at);
    this.#held = { generation, first: kept, sizes };
  }

  /** As `close`; what is opened next at the path is another database, whatever its WAL looks like. */
  closeReplaced(): void {
    this.#wasReplaced = true;
    this.close();
  }

  /** Closes connections first, then the descriptors of the database, so that no lock is lost while it is needed. */
  close(): void {
    const open = this.#open;
    if (open === undefined) return;
    for (const reader of this.#readers) reader[Symbol.dispose]();
    this.#forget();
    open.steps.close();
    open.replicatorLock.release();
    open.file.close();
  }

  #forget(): void {
    this.#protocol = nothingHeld;
    this.#events.length = 0;
    this.#held = undefined;
    this.#unchangedAtMs = undefined;
    this.#open = undefined;
  }

  #opened(): OpenDb {
    if (this.#open === undefined) throw new Error(`${this.path} is used before it was opened`);
    return this.#open;
  }

  #captured(): CaptureState {
    const { captured } = this.#protocol;
    if (captured === undefined) throw new Error(`${this.path} has no generation`);
    return captured;
  }

  /**
   * Does the protocol's steps until `goal` is reached. Where one fails, what was begun is taken back first.
   * @throws the error of the first step that failed
   */
  #run(goal: Goal): void {
    const { steps } = this.#opened();
    const before = this.#protocol.captured;
    this.#unchangedAtMs = undefined;
    this.#protocol = begin(this.#protocol, goal);
    let failure: { readonly error: unknown } | undefined;
    for (;;) {
      const step = nextStep(this.#protocol);
      if (step === undefined) break;
      try {
        this.#protocol = afterStep(this.#protocol, steps.do(step, this.#protocol));
      } catch (error) {
        failure ??= { error };
        this.#protocol = afterFailure(this.#protocol, !steps.isShadowInDoubt);
      }
    }
    for (const event of this.#events.splice(0)) this.#emit(event);
    if (this.#protocol.captured !== before) for (const listener of this.#listeners) listener();
    if (failure !== undefined) throw failure.error;
  }

  #checkpointDue(view: WalIndexView, pace: CheckpointPace, nowMs: number): CheckpointMode | undefined {
    if (this.#readers.size > 0) return undefined;
    return checkpointDue(view, this.#options.checkpoint, this.#checkpoints, pace, nowMs);
  }

  #checkpoint(mode: CheckpointMode, walFrames: number): void {
    const { steps } = this.#opened();
    const startedAtMs = performance.now();
    const forcedInVainAtMs = mode === "FORCED" ? Date.now() : this.#checkpoints.forcedInVainAtMs;
    this.#checkpoints = { triedAtMs: Date.now(), forcedInVainAtMs, wasComplete: false };
    const before = steps.lastCheckpoint;
    const tell = (outcome: CheckpointOutcome, failure?: { readonly error: unknown }): void => {
      this.#emit({
        type: "checkpoint",
        mode,
        ...outcome,
        walFrames,
        durationMs: performance.now() - startedAtMs,
        ...failure,
      });
    };
    try {
      this.#run({ to: "checkpoint", mode });
    } catch (error) {
      const nothing = { walFrames: 0, backfilledFrames: 0, writeLockMs: 0 };
      tell({ ...(steps.lastCheckpoint === before ? nothing : steps.lastCheckpoint), complete: false }, { error });
      throw error;
    } finally {
      steps.closeWriters();
    }
    const outcome = steps.lastCheckpoint;
    this.#checkpoints = {
      triedAtMs: Date.now(),
      forcedInVainAtMs: outcome.complete ? undefined : forcedInVainAtMs,
      wasComplete: outcome.complete,
    };
    tell(outcome);
    const { view } = this.#protocol;
    if (view === undefined) return;
    const moved = { salts: view.salts, mxFrame: outcome.walFrames, nBackfill: outcome.backfilledFrames };
    this.#tellOfLongReader(this.#longReaders.afterCheckpoint(moved, Date.now()));
  }

  #tellOfLongReader(news: LongReaderNews | undefined): void {
    if (news === undefined) return;
    this.#emit({ type: "long-reader", ...news, walSizeBytes: this.#opened().file.walSizeBytes });
  }
}

function prepareFolder(shadow: ShadowWal, file: DbFile): void {
  guardShadow("create the meta directory", shadow.paths.root, () => {
    makeFolders(shadow.paths.root, file.owner);
    removeFile(`${shadow.paths.generationName}.tmp`);
  });
}
