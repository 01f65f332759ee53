/**
 * A replica in a store, whatever its layout. Each commit is durable before its position is reported; a snapshot shows
 * itself only once the replica holds the WAL that makes it exact; what superseded WAL needs is done beside that.
 */
import { errorMessage, LitestreamError } from "../errors.ts";
import type { EmitEvent } from "../events.ts";
import type { Generation } from "../generation.ts";
import { heavyWork } from "../heavy-work.ts";
import type { GenerationStats, SnapshotInfo, WalInfo } from "../layout/objects.ts";
import type { StoreReplicaReader } from "../layout/reader.ts";
import { comparePositions, type Position, samePosition, type WalIndex, walIndex } from "../position.ts";
import type { SideFiles } from "../replica-reader.ts";
import type { WalChain } from "../wal/chain.ts";
import { formatWalHeader, frameSizeBytes, walHeaderSizeBytes } from "../wal/header.ts";
import type { SourceWal, WalSource } from "../wal-source.ts";
import { CannotGoOn } from "./cannot-go-on.ts";
import type { KnownEnd, LayoutWriter } from "./layout-writer.ts";
import { ReplicaLoop } from "./replica-loop.ts";
import type { Replica } from "./replica.ts";

/** Generations that one sync may begin because the replica cannot go on with the current one. */
const generationsPerSyncMax = 3;

/** What a snapshot under way holds: a block of 4 MiB that is read, as it is compressed, and as it is written. */
const snapshotBufferBytes = 12 * 1024 * 1024;

export interface StoreReplicaParts {
  /** `file`, `s3` and others. */
  readonly type: string;
  /** Unique among the replicas of a database. */
  readonly name: string;
  readonly reader: StoreReplicaReader;
  /** Called once the database is there, whose mode and owner files take. */
  readonly openWriter: () => LayoutWriter;
  /** Off: `start` begins no loop, the caller calls `sync`. On when absent. */
  readonly monitorEnabled?: boolean | undefined;
  /** Least time between two syncs that come by themselves; at once, coalesced, when absent. */
  readonly syncIntervalMs?: number | undefined;
}

/** Where the replica's own WAL ends. `chain` is undefined while the index has no file, or a useless one. */
interface Tail {
  readonly index: WalIndex;
  readonly chain: WalChain | undefined;
}

export class StoreReplica implements Replica<WalSource> {
  readonly type: string;
  readonly name: string;
  readonly location: string;
  readonly db: WalSource;
  readonly #emit: EmitEvent;
  readonly #reader: StoreReplicaReader;
  readonly #parts: StoreReplicaParts;
  #loop: ReplicaLoop | undefined;
  #openedWriter: LayoutWriter | undefined;
  #unsubscribe: (() => void) | undefined;
  /** Settles with the last sync that was asked for. */
  #lastSync: Promise<unknown> = Promise.resolve();
  #generation: Generation | undefined;
  #tail: Tail | undefined;
  #lastPos: Position | undefined;
  /** Superseded WAL takes its last form while new WAL goes on to be copied. Never rejects. */
  #finishing: Promise<void> | undefined;
  /** It found a WAL that is not whole: thrown by the next sync. */
  #brokenGeneration: CannotGoOn | undefined;
  /** It failed, which was said; it is tried again with each sync. */
  #finishingFails = false;
  /** Superseded WALs may not have their last form yet. */
  #mayHaveUnfinished = true;

  constructor(db: WalSource, parts: StoreReplicaParts, emit: EmitEvent) {
    this.db = db;
    this.type = parts.type;
    this.name = parts.name;
    this.location = parts.reader.location;
    this.#emit = emit;
    this.#reader = parts.reader;
    this.#parts = parts;
  }

  async start(): Promise<void> {
    await this.#writer.removeTemporaries(undefined);
    const { monitorEnabled = true, syncIntervalMs } = this.#parts;
    if (!monitorEnabled || this.#loop !== undefined) return;
    const loop = new ReplicaLoop(this.name, (signal) => this.#queueSync(signal), this.#emit, syncIntervalMs);
    this.#loop = loop;
    this.#unsubscribe = this.db.onCaptured(() => loop.wake());
    loop.start();
  }

  async stop(): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    await this.#loop?.stop();
    this.#loop = undefined;
    await this.settled();
  }

  lastPos(): Position | undefined {
    return this.#lastPos;
  }

  async calcPos(generation: Generation): Promise<Position | undefined> {
    const tail = await this.#writer.readTail(generation, undefined);
    if (tail !== undefined) return { generation, index: tail.index, offset: tail.chain?.end.offset ?? 0 };
    const index = await this.#writer.newestSnapshot(generation, undefined);
    return index === undefined ? undefined : { generation, index, offset: 0 };
  }

  sync(signal?: AbortSignal): Promise<Position> {
    return this.#queueSync(signal);
  }

  /** Resolves when superseded WAL has its last form, or that has failed, which is an event. */
  async settled(): Promise<void> {
    await this.#finishing;
    await this.#openedWriter?.close?.();
  }

  /** One at a time: a second call begins after the first has ended. Superseded WAL takes its last form later. */
  #queueSync(signal: AbortSignal | undefined): Promise<Position> {
    const sync = this.#lastSync.then(() => this.#syncOrForget(signal));
    this.#lastSync = sync.catch(() => undefined);
    return sync;
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

  walReader(generation: Generation, index: WalIndex): AsyncIterable<Uint8Array> {
    return this.#reader.walReader(generation, index);
  }

  get sideFiles(): SideFiles {
    return this.#reader.sideFiles;
  }

  /** Opened when it is needed: the mode and owner of what is written are those of a database that may come later. */
  get #writer(): LayoutWriter {
    this.#openedWriter ??= this.#parts.openWriter();
    return this.#openedWriter;
  }

  #forget(): void {
    this.#generation = undefined;
    this.#tail = undefined;
    this.#lastPos = undefined;
    this.#mayHaveUnfinished = true;
  }

  async #syncOrForget(signal: AbortSignal | undefined): Promise<Position> {
    try {
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
    const broken = this.#brokenGeneration;
    this.#brokenGeneration = undefined;
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
    const count = (size: number): void => {
      bytes += size;
    };
    if (this.#generation !== generation) {
      this.#forget();
      const hasSnapshot = (await this.#writer.newestSnapshot(generation, signal)) !== undefined;
      if (!hasSnapshot) {
        const request = { db: this.db.path, bufferBytes: snapshotBufferBytes, signal };
        await heavyWork.run(request, () => this.#snapshot(generation, count, signal));
      }
      this.#generation = generation;
    }
    const position = await this.#replicateWal(captured.position, count, signal);
    const isNews = this.#lastPos === undefined || !samePosition(this.#lastPos, position);
    this.#lastPos = position;
    if (isNews) {
      const durationMs = performance.now() - startedAtMs;
      // More may have been captured, and copied, since this sync began.
      const newest = this.db.captured();
      const hasNewest = newest !== undefined && samePosition(newest.position, position);
      const { asOfMs } = hasNewest ? newest : captured;
      this.#emit({ type: "replica-sync", replica: this.name, position, bytes, asOfMs, durationMs });
    }
    this.#startFinishing(position, signal);
    return position;
  }

  /** Copies the database. The snapshot is visible only once the replica holds the WAL that makes it exact. */
  async #snapshot(
    generation: Generation,
    count: (size: number) => void,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const startedAtMs = performance.now();
    using snapshot = this.db.beginSnapshot();
    if (snapshot.generation !== generation) throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
    const { index } = snapshot;
    let bytes = 0;
    let end: Position = { generation, index, offset: 0 };
    const replicateWal = (until: Position): Promise<Position> => this.#replicateWal(until, count, signal, index);
    async function* content(): AsyncIterable<Uint8Array> {
      for await (const chunk of snapshot.content()) {
        signal?.throwIfAborted();
        bytes += chunk.byteLength;
        yield chunk;
      }
      end = snapshot.end();
      if (end.generation !== generation) throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
      await replicateWal(end);
    }
    const { sizeBytes } = await this.#writer.putSnapshot(generation, index, content(), () => end, signal);
    const durationMs = performance.now() - startedAtMs;
    this.#emit({ type: "snapshot", replica: this.name, generation, index, bytes, sizeBytes, durationMs });
  }

  /**
   * Copies the shadow WAL from where the replica's own ends, at least to `until`.
   * @param firstIndex where to begin if the replica holds nothing of the generation
   * @returns the position that is durable now
   */
  async #replicateWal(
    until: Position,
    count: (size: number) => void,
    signal: AbortSignal | undefined,
    firstIndex?: WalIndex,
  ): Promise<Position> {
    const { generation } = until;
    let tail = this.#tail ?? (await this.#reconcile(until, firstIndex, signal));
    for (;;) {
      signal?.throwIfAborted();
      using wal = this.db.openWal(generation, tail.index);
      if (wal !== undefined) {
        const before = tail.chain?.end.offset ?? 0;
        tail = { index: tail.index, chain: await this.#copyWal(generation, tail, wal, signal) };
        count((tail.chain?.end.offset ?? 0) - before);
        await this.#noteEnd(generation, tail, wal.isSealed, signal);
      } else if (this.db.captured()?.position.generation !== generation || tail.index < until.index) {
        throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
      }
      this.#tail = tail;
      const position = { generation, index: tail.index, offset: tail.chain?.end.offset ?? 0 };
      // What was captured since is for the next sync: a writer that never rests would keep this one from its end.
      if (comparePositions(position, until) >= 0) return position;
      if (wal?.isSealed !== true) throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
      tail = { index: walIndex(tail.index + 1), chain: undefined };
      this.#mayHaveUnfinished = true;
      // Lets capture go on while a long backlog is copied.
      await new Promise((done) => setImmediate(done));
    }
  }

  async #copyWal(
    generation: Generation,
    { index, chain }: Tail,
    wal: SourceWal,
    signal: AbortSignal | undefined,
  ): Promise<WalChain> {
    if (chain !== undefined && chain.end.offset === wal.endOffset) return chain;
    return await this.#writer.appendWal(generation, index, chain, wal, signal);
  }

  /** What cannot be noted costs points in time, and no state: replication goes on. */
  async #noteEnd(
    generation: Generation,
    { index, chain }: Tail,
    isSealed: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (chain === undefined) return;
    const { header, end } = chain;
    try {
      await this.#writer.noteEnd({ generation, index, header, timeMs: Date.now(), end, isSealed }, signal);
    } catch (error) {
      this.#emit({
        type: "warning",
        message: `cannot note the time of a sync in ${this.location}: ${errorMessage(error)}`,
        hint: "A restore to that time gives the state before it.",
      });
    }
  }

  /** Finds out where to go on, from what the replica itself holds, and cuts off what a crash left half written. */
  async #reconcile(until: Position, firstIndex: WalIndex | undefined, signal: AbortSignal | undefined): Promise<Tail> {
    const { generation } = until;
    const held = await this.#writer.readTail(generation, signal);
    if (held === undefined) {
      const index = firstIndex ?? (await this.#writer.newestSnapshot(generation, signal));
      if (index === undefined) throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
      return { index, chain: undefined };
    }
    if (held.index > until.index) throw new CannotGoOn(generation, "replica is ahead of the shadow wal");
    using wal = this.db.openWal(generation, held.index);
    if (wal === undefined) throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
    // Not even a header arrived, or the only copy is final and there is more: all of it is copied again.
    if (held.chain === undefined) return { index: held.index, chain: undefined };
    const { offset } = held.chain.end;
    if (offset > wal.endOffset) throw new CannotGoOn(generation, "replica is ahead of the shadow wal");
    if (!endsLike(held.chain, wal)) throw new CannotGoOn(generation, "replica differs from the shadow wal");
    if (held.isFinal) {
      const isWhole = wal.isSealed && offset === wal.endOffset;
      return isWhole ? { index: walIndex(held.index + 1), chain: undefined } : { index: held.index, chain: undefined };
    }
    if (held.isTorn) await this.#writer.cutTail(generation, held.index, held.chain, signal);
    return { index: held.index, chain: held.chain };
  }

  #startFinishing(position: Position, signal: AbortSignal | undefined): void {
    if (!this.#mayHaveUnfinished || this.#finishing !== undefined) return;
    this.#mayHaveUnfinished = false;
    const finish = async (): Promise<void> => {
      try {
        for await (const { index, sizeBytes } of this.#writer.finishBefore(position, this.#capturedEnd, signal)) {
          this.#emit({ type: "wal-compressed", replica: this.name, generation: position.generation, index, sizeBytes });
        }
        this.#finishingFails = false;
      } catch (error) {
        this.#mayHaveUnfinished = true;
        if (signal?.aborted === true) return;
        if (error instanceof CannotGoOn) {
          this.#brokenGeneration = error;
          this.#loop?.wake();
        } else if (!this.#finishingFails) {
          // The WAL is there all the same: no sync fails for this.
          this.#finishingFails = true;
          this.#emit({ type: "error", operation: "compress wal", replica: this.name, error });
        }
      } finally {
        this.#finishing = undefined;
      }
    };
    this.#finishing = finish();
  }

  /** Where a WAL of the source ends, as long as the source holds it. */
  readonly #capturedEnd: KnownEnd = (generation, index) => {
    using wal = this.db.openWal(generation, index);
    return wal?.endOffset;
  };
}

/** True when the source's WAL has the chain's salts, and at its end the chain's checksum: so all of it is the same. */
function endsLike(chain: WalChain, wal: SourceWal): boolean {
  const header = new Uint8Array(walHeaderSizeBytes);
  wal.readAt(header, 0);
  if (Buffer.compare(header, formatWalHeader(chain.header)) !== 0) return false;
  const { offset, checksum } = chain.end;
  if (offset === walHeaderSizeBytes) return true;
  const frame = new Uint8Array(24);
  if (wal.readAt(frame, offset - frameSizeBytes(chain.header.pageSize)) < frame.byteLength) return false;
  const view = new DataView(frame.buffer);
  return view.getInt32(16) === checksum.s1 && view.getInt32(20) === checksum.s2;
}
