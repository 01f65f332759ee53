/**
 * A replica in a store, whatever its layout. Each commit is durable before its position is reported; a snapshot shows
 * itself only once the replica holds the WAL that makes it exact. What superseded WAL needs, later snapshots, retention
 * and validation go on beside that.
 */
import { throwIfAborted } from "../abort.ts";
import { LitestreamError } from "../errors.ts";
import type { EmitEvent } from "../events.ts";
import type { Generation } from "../generation.ts";
import { heavyWork } from "../heavy-work.ts";
import type { GenerationStats, SnapshotInfo, WalInfo } from "../layout/objects.ts";
import type { StoreReplicaReader } from "../layout/reader.ts";
import { comparePositions, type Position, samePosition, type WalIndex, walIndex } from "../position.ts";
import type { ShadowNeed } from "../shadow/release.ts";
import type { CommonReplicaOptions } from "../replica-options.ts";
import type { ReaderLeaseStore, SideFiles } from "../replica-reader.ts";
import type { LastSnapshot, RetentionResult, ValidationResult } from "../status.ts";
import { validateReplica } from "../validate/validate.ts";
import type { WalSource } from "../wal-source.ts";
import { CannotGoOn } from "./cannot-go-on.ts";
import { Finisher } from "./finisher.ts";
import type { CopyEnd, LayoutWriter } from "./layout-writer.ts";
import { newestTime } from "./newest-time.ts";
import { ReplicaLoop } from "./replica-loop.ts";
import type { Replica } from "./replica.ts";
import { enforceRetention, retentionMsDefault, type RetentionOptions } from "./retention.ts";
import { ProgressMeter } from "./progress-meter.ts";
import { SnapshotSchedule } from "./snapshot-schedule.ts";
import { type Standing, standingOf } from "./standing.ts";
import { startUpkeep } from "./start-upkeep.ts";
import type { Upkeep } from "./upkeep.ts";
import { WalCopier } from "./wal-copier.ts";

/** Generations that one sync may begin because the replica cannot go on with the current one. */
const generationsPerSyncMax = 3;

/** What a snapshot under way holds: a block of 4 MiB that is read, as it is compressed, and as it is written. */
const snapshotBufferBytes = 12 * 1024 * 1024;

/** Captured WAL that is kept for a replica that is behind, where nothing is set: no less than a snapshot would cost. */
const shadowWalSizeBytesMin = 1024 * 1024 * 1024;

export interface StoreReplicaParts {
  /** `file`, `s3` and others. */
  readonly type: string;
  /** Unique among the replicas of a database. */
  readonly name: string;
  readonly reader: StoreReplicaReader;
  /** Called once the database is there, whose mode and owner files take. */
  readonly openWriter: () => LayoutWriter;
  /** Off: `start` begins nothing by itself, the caller calls `sync`. On when absent. */
  readonly monitorEnabled?: boolean | undefined;
  readonly options: CommonReplicaOptions;
}

/** How a snapshot comes to hold the WAL that makes it exact. */
interface SnapshotRun {
  /** Of the WAL that has to be applied from its beginning, for a database copied while `index` was current. */
  readonly label: (index: WalIndex) => WalIndex;
  /** Brings the replica to where the copying ended. */
  readonly reach: (end: Position, label: WalIndex) => Promise<unknown>;
  readonly signal: AbortSignal | undefined;
}

export class StoreReplica implements Replica<WalSource> {
  readonly type: string;
  readonly name: string;
  readonly location: string;
  readonly db: WalSource;
  readonly #emit: EmitEvent;
  readonly #reader: StoreReplicaReader;
  readonly #parts: StoreReplicaParts;
  readonly #copier: WalCopier;
  readonly #finisher: Finisher;
  #loop: ReplicaLoop | undefined;
  #upkeep: Upkeep | undefined;
  #openedWriter: LayoutWriter | undefined;
  #unsubscribe: (() => void) | undefined;
  /** Settles with the last sync that was asked for, or other work that is done while nothing else is written. */
  #lastWork: Promise<unknown> = Promise.resolve();
  /** Settles with the last snapshot that was asked for. */
  #lastSnapshotWork: Promise<unknown> = Promise.resolve();
  /** What an earlier life left is not cleared yet. */
  #hasLeftovers = true;
  /** The generation in which the replica is known to stand well. */
  #generation: Generation | undefined;
  #lastPos: Position | undefined;
  /** The last position that was durable, also after an error. */
  #heldPos: Position | undefined;
  /** Where the WAL begins that the snapshot under way needs. */
  #copiedFrom: Position | undefined;
  #lastSnapshot: LastSnapshot | undefined;
  /** When anything in the replica was last written: milliseconds since 1970. Not known before it is needed. */
  #newestMs: number | undefined;
  readonly #schedule: SnapshotSchedule;
  /** This replica has a turn of heavy work already, and must not wait for another one. */
  #hasTurn = false;

  constructor(db: WalSource, parts: StoreReplicaParts, emit: EmitEvent) {
    this.db = db;
    this.type = parts.type;
    this.name = parts.name;
    this.location = parts.reader.location;
    this.#emit = emit;
    this.#reader = parts.reader;
    this.#parts = parts;
    this.#schedule = new SnapshotSchedule(parts.options);
    const { name, location } = this;
    const writer = (): LayoutWriter => this.#writer;
    this.#copier = new WalCopier({ db, writer, location, emit });
    this.#finisher = new Finisher({
      name,
      writer,
      // As long as the source holds it.
      knownEnd: (generation, index) => {
        using wal = db.openWal(generation, index);
        return wal?.endOffset;
      },
      onBroken: () => this.#loop?.wake(),
      emit,
    });
  }

  /** Touches nothing in the replica: one that cannot be reached keeps nobody from starting. */
  async start(): Promise<void> {
    const { monitorEnabled = true, options } = this.#parts;
    this.#hasLeftovers = true;
    if (!monitorEnabled || this.#loop !== undefined) return;
    const loop = new ReplicaLoop(this.name, (signal) => this.sync(signal), this.#emit, options.syncIntervalMs);
    this.#loop = loop;
    this.#unsubscribe = this.db.onCaptured(() => loop.wake());
    loop.start();
    this.#upkeep = startUpkeep(this, this.#schedule, options, this.#emit);
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    await Promise.all([this.#loop?.stop(), this.#upkeep?.stop()]);
    this.#loop = undefined;
    this.#upkeep = undefined;
    await this.settled();
  }

  lastPos(): Position | undefined {
    return this.#lastPos;
  }

  shadowNeed(): ShadowNeed {
    const { shadowWalSizeBytesMax } = this.#parts.options;
    const sizeBytesMax = (): number => {
      return shadowWalSizeBytesMax ?? Math.max(shadowWalSizeBytesMin, this.db.sizeBytes());
    };
    return { position: this.#heldPos, snapshot: this.#copiedFrom, sizeBytesMax };
  }

  async calcPos(generation: Generation): Promise<Position | undefined> {
    const tail = await this.#writer.readTail(generation, undefined);
    if (tail !== undefined) return { generation, index: tail.index, offset: tail.chain?.end.offset ?? 0 };
    const { newestSnapshot } = await this.#standing(generation);
    return newestSnapshot === undefined ? undefined : { generation, index: newestSnapshot, offset: 0 };
  }

  /** One at a time: a second call begins after the first has ended. Superseded WAL takes its last form later. */
  sync(signal?: AbortSignal): Promise<Position> {
    return this.#whileNothingIsWritten(() => this.#syncOrForget(signal));
  }

  /**
   * Takes a snapshot in the current generation, while WAL goes on to be copied. Where the generation has none yet, its
   * first one is the answer.
   * @throws LitestreamError GENERATION_BROKEN when another generation began meanwhile, and what `sync` throws
   */
  snapshot(signal?: AbortSignal): Promise<LastSnapshot> {
    const work = this.#lastSnapshotWork.then(async () => {
      const before = this.#lastSnapshot;
      const { generation } = await this.sync(signal);
      const first = this.#lastSnapshot;
      if (first !== undefined && first !== before && first.generation === generation) return first;
      const reach = (end: Position): Promise<void> => this.#reach(end, signal);
      try {
        return await this.#takeSnapshot(generation, { label: (index) => index, reach, signal });
      } catch (error) {
        throw error instanceof CannotGoOn ? this.#overtaken() : error;
      }
    });
    this.#lastSnapshotWork = work.catch(() => undefined);
    return work;
  }

  /** Deletes what the replica no longer needs; of a dry run the result says what that is. */
  async enforceRetention(options: RetentionOptions): Promise<RetentionResult> {
    const { retentionMs = retentionMsDefault, isDeleteFree = false } = this.#parts.options;
    const result = await enforceRetention(
      {
        name: this.name,
        reader: this.#reader,
        writer: () => this.#writer,
        retentionMs,
        isDeleteFree,
        position: () => this.#lastPos ?? this.db.captured()?.position,
        sync: (signal) => this.sync(signal),
        snapshot: (signal) => this.snapshot(signal),
        settled: () => this.#finisher.settled(),
        whileNothingIsWritten: (work) =>
          this.#whileNothingIsWritten(async () => {
            await this.#finisher.settled();
            await work();
          }),
      },
      options,
    );
    this.#emit({ type: "retention", ...result });
    return result;
  }

  /**
   * Restores the replica aside and compares it with the database at the same position. Where it is found damaged or
   * different, its newest WAL is written again, and a new snapshot is taken.
   * @throws LitestreamError ABORTED; whatever else goes wrong is a result
   */
  async validate(signal: AbortSignal = new AbortController().signal): Promise<ValidationResult> {
    const { validationTimeoutMs, validationPollIntervalMs } = this.#parts.options;
    const progress = new ProgressMeter(this.#emit, this.name, "validation");
    const { result, needsRepair } = await validateReplica(this.db, this, {
      signal,
      onProgress: (doneBytes, totalBytes) => progress.update(doneBytes, totalBytes),
      timeoutMs: validationTimeoutMs,
      pollIntervalMs: validationPollIntervalMs,
    });
    this.#emit({ type: "validation", ...result });
    if (needsRepair) await this.#repair(signal);
    return result;
  }

  /** So that the latest state comes from what is written now, and from nothing that was there before. */
  async #repair(signal: AbortSignal): Promise<void> {
    try {
      await this.#whileNothingIsWritten(async () => {
        const { generation } = await this.#syncOrForget(signal);
        await this.#copier.rewriteNewest(generation, signal);
        await this.#syncOrForget(signal);
      });
      await this.snapshot(signal);
    } catch (error) {
      throwIfAborted(signal, "the repair");
      this.#emit({ type: "error", operation: "repair", replica: this.name, error });
    }
  }

  /** Resolves when superseded WAL has its last form, or that has failed, which is an event. */
  async settled(): Promise<void> {
    await this.#finisher.settled();
    await this.#openedWriter?.close?.();
  }

  generations(): Promise<Generation[]> {
    return this.#reader.generations();
  }

  generationStats(generation: Generation): Promise<GenerationStats> {
    return this.#reader.generationStats(generation);
  }

  snapshots(): Promise<SnapshotInfo[]> {
    return this.#reader.snapshots();
  }

  wals(): Promise<WalInfo[]> {
    return this.#reader.wals();
  }

  snapshotReader(generation: Generation, index: WalIndex): AsyncIterable<Uint8Array> {
    return this.#reader.snapshotReader(generation, index);
  }

  walReader(generation: Generation, index: WalIndex, fromOffset?: number): AsyncIterable<Uint8Array> {
    return this.#reader.walReader(generation, index, fromOffset);
  }

  get sideFiles(): SideFiles {
    return this.#reader.sideFiles;
  }

  get leases(): ReaderLeaseStore | undefined {
    return this.#reader.leases;
  }

  /** Opened when it is needed: the mode and owner of what is written are those of a database that may come later. */
  get #writer(): LayoutWriter {
    this.#openedWriter ??= this.#parts.openWriter();
    return this.#openedWriter;
  }

  #whileNothingIsWritten<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#lastWork.then(work);
    this.#lastWork = done.catch(() => undefined);
    return done;
  }

  #forget(): void {
    this.#generation = undefined;
    this.#lastPos = undefined;
    this.#copier.forget();
    this.#finisher.forget();
  }

  async #syncOrForget(signal: AbortSignal | undefined): Promise<Position> {
    try {
      if (this.#hasLeftovers) await this.#writer.removeTemporaries(signal);
      this.#hasLeftovers = false;
      for (let tries = 1; ; tries++) {
        try {
          return await this.#sync(signal);
        } catch (error) {
          if (!(error instanceof CannotGoOn)) throw error;
          if (tries === generationsPerSyncMax) {
            throw new LitestreamError("GENERATION_BROKEN", `cannot replicate ${this.db.path}: ${error.reason}, again`, {
              path: this.location,
              hint: "Check the disks of the database and of the replica.",
              cause: error,
            });
          }
          this.#forget();
          if (await this.#resumeBehindGap(error, signal)) continue;
          // Another generation may have begun meanwhile, which this sync did not know of.
          if (this.db.captured()?.position.generation === error.generation) this.db.beginGeneration(error.reason);
        }
      }
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  async #sync(signal: AbortSignal | undefined): Promise<Position> {
    const broken = this.#finisher.takeBroken();
    if (broken !== undefined) throw broken;
    const startedAtMs = performance.now();
    const captured = this.db.captured();
    if (captured === undefined) {
      throw new LitestreamError("DATABASE_UNAVAILABLE", `${this.db.path} has no generation yet`, {
        path: this.db.path,
      });
    }
    const { generation } = captured.position;
    let bytes = 0;
    const count = (sizeBytes: number): void => {
      bytes += sizeBytes;
    };
    let firstIndex: WalIndex | undefined;
    if (this.#generation !== generation) {
      this.#forget();
      const standing = await this.#standing(generation);
      firstIndex = standing.newestSnapshot;
      this.#schedule.stands(standing);
      if (!standing.isWhole) {
        const reach = (end: Position, label: WalIndex): Promise<Position> => {
          return this.#copier.copyUntil(end, { firstIndex: label, count, signal });
        };
        await this.#takeSnapshot(generation, { label: (index) => index, reach, signal });
      }
      this.#generation = generation;
    }
    const position = await this.#copier.copyUntil(captured.position, { firstIndex, count, signal });
    this.#schedule.copied(bytes);
    const isNews = this.#lastPos === undefined || !samePosition(this.#lastPos, position);
    this.#lastPos = position;
    this.#heldPos = position;
    if (this.#newestMs !== undefined) this.#newestMs = Math.max(this.#newestMs, Date.now());
    if (isNews) {
      const durationMs = performance.now() - startedAtMs;
      // More may have been captured, and copied, since this sync began.
      const newest = this.db.captured();
      const hasNewest = newest !== undefined && samePosition(newest.position, position);
      const { asOfMs } = hasNewest ? newest : captured;
      this.#emit({ type: "replica-sync", replica: this.name, position, bytes, asOfMs, durationMs });
    }
    this.#finisher.start(position, signal);
    return position;
  }

  /**
   * The generation updated last is the one that is restored: one that begins while the clock is set back must not seem
   * older than those that it follows. So a snapshot's time lies behind all that is in the replica already.
   */
  async #knowNewestTime(): Promise<void> {
    this.#newestMs ??= await newestTime(this.#reader);
  }

  async #standing(generation: Generation): Promise<Standing> {
    const { snapshots, wals } = await this.#reader.generationObjects(generation);
    return standingOf(snapshots, wals);
  }

  /**
   * Shadow WAL was let go before this replica had it: it goes on behind a new snapshot, in the same generation. States
   * from before the gap stay; none are in it. The snapshot goes by the WAL before the current one, so that the replica
   * has a WAL of its index at once: with none, and older ones there, Litestream 0.3 panics.
   * @returns false where another generation has to begin
   */
  async #resumeBehindGap({ generation, resumeFrom }: CannotGoOn, signal: AbortSignal | undefined): Promise<boolean> {
    const captured = this.db.captured()?.position;
    if (resumeFrom === undefined || captured?.generation !== generation || captured.index - 1 < resumeFrom)
      return false;
    using before = this.db.openWal(generation, walIndex(captured.index - 1));
    if (before === undefined) return false;
    this.#emit({
      type: "warning",
      message: `${this.location} came too late for WAL that was let go: it goes on behind a new snapshot`,
      hint: "States of the time between cannot be restored from it.",
    });
    const label = (index: WalIndex): WalIndex => walIndex(index - 1);
    const reach = (end: Position, index: WalIndex): Promise<Position> => {
      this.#copier.skipTo(index);
      return this.#copier.copyUntil(end, { firstIndex: index, count: () => undefined, signal });
    };
    await this.#takeSnapshot(generation, { label, reach, signal });
    this.#generation = generation;
    return true;
  }

  /** Lets WAL be copied up to `end`, where the same generation goes on. */
  async #reach(end: Position, signal: AbortSignal | undefined): Promise<void> {
    const position = await this.sync(signal);
    if (position.generation !== end.generation || comparePositions(position, end) < 0) throw this.#overtaken();
  }

  #overtaken(): LitestreamError {
    return new LitestreamError("GENERATION_BROKEN", "another generation began while a snapshot was taken", {
      path: this.location,
      hint: "The new one has a snapshot of its own.",
    });
  }

  /** Copies the database. The snapshot is visible only once the replica holds the WAL that makes it exact. */
  #takeSnapshot(generation: Generation, run: SnapshotRun): Promise<LastSnapshot> {
    // A snapshot that waits for its WAL, which a sync cannot copy without another one.
    if (this.#hasTurn) return this.#copyDatabase(generation, run);
    const request = { db: this.db.path, bufferBytes: snapshotBufferBytes, signal: run.signal };
    return heavyWork.run(request, async () => {
      this.#hasTurn = true;
      try {
        return await this.#copyDatabase(generation, run);
      } finally {
        this.#hasTurn = false;
      }
    });
  }

  async #copyDatabase(generation: Generation, { label, reach, signal }: SnapshotRun): Promise<LastSnapshot> {
    const startedAtMs = performance.now();
    await this.#knowNewestTime();
    using snapshot = this.db.beginSnapshot();
    if (snapshot.generation !== generation) throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
    const index = label(snapshot.index);
    let bytes = 0;
    let end: Position = { generation, index, offset: 0 };
    this.#copiedFrom = end;
    using _ = {
      [Symbol.dispose]: () => {
        this.#copiedFrom = undefined;
      },
    };
    const progress = new ProgressMeter(this.#emit, this.name, "snapshot");
    const totalBytes = this.db.sizeBytes();
    async function* content(): AsyncIterable<Uint8Array> {
      for await (const chunk of snapshot.content()) {
        signal?.throwIfAborted();
        bytes += chunk.byteLength;
        progress.update(bytes, totalBytes);
        yield chunk;
      }
      end = snapshot.end();
      if (end.generation !== generation) throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
      await reach(end, index);
    }
    const endOf = (): CopyEnd => {
      const timeMs = Math.max(Date.now(), (this.#newestMs ?? 0) + 1);
      this.#newestMs = timeMs;
      return { end, timeMs };
    };
    const { sizeBytes } = await this.#writer.putSnapshot(generation, index, content(), endOf, signal);
    const durationMs = performance.now() - startedAtMs;
    const taken: LastSnapshot = { generation, index, takenAtMs: Date.now(), sizeBytes };
    this.#lastSnapshot = taken;
    this.#schedule.taken(taken.takenAtMs, bytesBetween(end, this.#lastPos));
    this.#emit({ type: "snapshot", replica: this.name, generation, index, bytes, sizeBytes, durationMs });
    return taken;
  }
}

/** About how many bytes of WAL lie between; 0 where `b` is unknown. */
function bytesBetween(a: Position, b: Position | undefined): number {
  if (b?.generation !== a.generation || comparePositions(a, b) >= 0) return 0;
  return b.index === a.index ? b.offset - a.offset : b.offset + 1;
}
