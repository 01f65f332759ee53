/**
 * A replica in a folder, in the layout of Litestream 0.3.4 (`whole`, docs/formats/whole.md): the newest WAL grows in
 * place, each commit fsynced before its position is reported; superseded ones are compressed.
 */
import { accessSync, constants, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { errorMessage, LitestreamError, systemErrorCode } from "../errors.ts";
import type { EmitEvent } from "../events.ts";
import type { Generation } from "../generation.ts";
import type { GenerationStats, SnapshotInfo, WalInfo } from "../layout/objects.ts";
import { StoreReplicaReader } from "../layout/reader.ts";
import type { LocalFile } from "../local-file.ts";
import { comparePositions, type Position, samePosition, type WalIndex, walIndex } from "../position.ts";
import { FileStore } from "../store/file.ts";
import { WalChain } from "../wal/chain.ts";
import { extendChain, readWalHeader } from "../wal/file.ts";
import { formatWalHeader, frameSizeBytes, walHeaderSizeBytes } from "../wal/header.ts";
import type { SourceWal, WalSource } from "../wal-source.ts";
import { CannotGoOn } from "./cannot-go-on.ts";
import { ReplicaLoop } from "./replica-loop.ts";
import type { SideFiles } from "../replica-reader.ts";
import type { Replica } from "./replica.ts";
import { WholeFolder } from "./whole-folder.ts";

/** Generations that one sync may begin because the replica cannot go on with the current one. */
const generationsPerSyncMax = 3;

export interface FileReplicaOptions {
  /** The folder. It is created when its parent exists. */
  readonly path: string;
  /** Unique among the replicas of a database; `file` when absent. */
  readonly name?: string | undefined;
  /** Off: `start` begins no loop, the caller calls `sync`. On when absent. */
  readonly monitorEnabled?: boolean | undefined;
}

/** Where the replica's own WAL ends. `chain` is undefined while the index has no file, or a useless one. */
interface Tail {
  readonly index: WalIndex;
  readonly chain: WalChain | undefined;
}

export class FileReplica implements Replica<WalSource> {
  readonly type = "file";
  readonly name: string;
  readonly location: string;
  readonly db: WalSource;
  readonly #emit: EmitEvent;
  readonly #reader: StoreReplicaReader;
  readonly #monitorEnabled: boolean;
  #loop: ReplicaLoop | undefined;
  #opened: WholeFolder | undefined;
  #unsubscribe: (() => void) | undefined;
  /** Settles with the last sync that was asked for. */
  #lastSync: Promise<unknown> = Promise.resolve();
  #generation: Generation | undefined;
  #tail: Tail | undefined;
  #lastPos: Position | undefined;
  /** Superseded WAL is compressed while new WAL goes on to be copied. Never rejects. */
  #compressing: Promise<void> | undefined;
  /** It found a WAL that is not whole: thrown by the next sync. */
  #brokenGeneration: CannotGoOn | undefined;
  /** It failed, which was said; it is tried again with each sync. */
  #compressionFails = false;
  /** Superseded WAL files may lie about uncompressed. */
  #mayHaveSuperseded = true;

  constructor(db: WalSource, options: FileReplicaOptions, emit: EmitEvent) {
    this.db = db;
    this.location = resolve(options.path);
    this.name = options.name ?? this.type;
    this.#emit = emit;
    this.#reader = new StoreReplicaReader(new FileStore(this.location), { name: this.name, type: this.type });
    this.#monitorEnabled = options.monitorEnabled ?? true;
  }

  /**
   * Looks whether the folder is there or can be created, and can be written; changes nothing.
   * @throws LitestreamError REPLICA_UNAVAILABLE
   */
  check(): void {
    const unavailable = (why: string, hint: string, cause?: unknown): LitestreamError =>
      new LitestreamError("REPLICA_UNAVAILABLE", `cannot replicate to ${this.location}: ${why}`, {
        path: this.location,
        hint,
        cause,
      });
    const parent = dirname(this.location);
    const folder = kindOf(this.location) === "nothing" ? parent : this.location;
    const kind = kindOf(folder);
    if (kind === "nothing") {
      throw unavailable(`${parent} does not exist`, "Create that folder, or mount the disk it belongs to.");
    }
    if (kind === "file") throw unavailable("there is a file at or above it", "Name a folder.");
    try {
      accessSync(folder, constants.W_OK | constants.X_OK);
    } catch (error) {
      if (systemErrorCode(error) === "EROFS") {
        throw unavailable("the file system is read-only", "Mount it writable, or name another folder.", error);
      }
      throw unavailable("the folder cannot be written", "Give its user permission, or name another folder.", error);
    }
  }

  async start(): Promise<void> {
    await this.#folder.removeTemporaries();
    if (!this.#monitorEnabled || this.#loop !== undefined) return;
    const loop = new ReplicaLoop(this.name, (signal) => this.#queueSync(signal), this.#emit);
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
    const tail = await this.#folder.readTail(generation);
    if (tail !== undefined) return { generation, index: tail.index, offset: tail.chain?.end.offset ?? 0 };
    const index = await this.#folder.newestSnapshot(generation);
    return index === undefined ? undefined : { generation, index, offset: 0 };
  }

  sync(signal?: AbortSignal): Promise<Position> {
    return this.#queueSync(signal);
  }

  /** Resolves when superseded WAL is compressed, or that has failed, which is an event. */
  async settled(): Promise<void> {
    await this.#compressing;
  }

  /** One at a time: a second call begins after the first has ended. Superseded WAL is compressed later. */
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
  get #folder(): WholeFolder {
    this.#opened ??= new WholeFolder(new FileStore(this.location, { owner: this.db.owner }));
    return this.#opened;
  }

  #forget(): void {
    this.#generation = undefined;
    this.#tail = undefined;
    this.#lastPos = undefined;
    this.#mayHaveSuperseded = true;
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
      const hasSnapshot = (await this.#folder.newestSnapshot(generation)) !== undefined;
      if (!hasSnapshot) await this.#snapshot(generation, count, signal);
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
    this.#startCompressing(position, signal);
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
    const { sizeBytes } = await this.#folder.putSnapshot(generation, index, content(), () => end, signal);
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
    let tail = this.#tail ?? (await this.#reconcile(until, firstIndex));
    for (;;) {
      signal?.throwIfAborted();
      using wal = this.db.openWal(generation, tail.index);
      if (wal !== undefined) {
        const before = tail.chain?.end.offset ?? 0;
        tail = { index: tail.index, chain: this.#copyWal(generation, tail, wal) };
        count((tail.chain?.end.offset ?? 0) - before);
        this.#notePoint(generation, tail, wal.isSealed);
      } else if (this.db.captured()?.position.generation !== generation || tail.index < until.index) {
        throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
      }
      this.#tail = tail;
      const position = { generation, index: tail.index, offset: tail.chain?.end.offset ?? 0 };
      // What was captured since is for the next sync: a writer that never rests would keep this one from its end.
      if (comparePositions(position, until) >= 0) return position;
      if (wal?.isSealed !== true) throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
      tail = { index: walIndex(tail.index + 1), chain: undefined };
      this.#mayHaveSuperseded = true;
      // Lets capture go on while a long backlog is copied.
      await new Promise((done) => setImmediate(done));
    }
  }

  /** What cannot be noted costs points in time, and no state: replication goes on. */
  #notePoint(generation: Generation, { index, chain }: Tail, isSealed: boolean): void {
    if (chain === undefined) return;
    const point = { timeMs: Date.now(), ...chain.end };
    try {
      this.#folder.notePoint({ header: chain.header, point, isSealed }, generation, index);
    } catch (error) {
      this.#emit({
        type: "warning",
        message: `cannot note the time of a sync in ${this.location}: ${errorMessage(error)}`,
        hint: "A restore to that time gives the state before it.",
      });
    }
  }

  /** Brings the replica's file of one index up to the captured end, durably. */
  #copyWal(generation: Generation, tail: Tail, wal: SourceWal): WalChain {
    const offset = tail.chain?.end.offset ?? 0;
    if (tail.chain !== undefined && offset === wal.endOffset) return tail.chain;
    const chain = tail.chain ?? new WalChain(readWalHeader(wal));
    const append = (file: LocalFile): void => {
      const stop = extendChain(chain, wal, wal.endOffset, (chunk) => file.writeAt(chunk.bytes, chunk.offset));
      if (stop !== "end" || chain.commit.offset !== wal.endOffset) {
        throw new CannotGoOn(generation, "shadow wal damaged");
      }
    };
    if (tail.chain === undefined) {
      this.#folder.createWal(generation, tail.index, (file) => {
        file.writeAt(formatWalHeader(chain.header), 0);
        append(file);
      });
      return chain;
    }
    using file = this.#folder.openWal(generation, tail.index);
    append(file);
    file.sync();
    return chain;
  }

  /** Finds out where to go on, from what the replica itself holds, and cuts off what a crash left half written. */
  async #reconcile(until: Position, firstIndex: WalIndex | undefined): Promise<Tail> {
    const { generation } = until;
    const held = await this.#folder.readTail(generation);
    if (held === undefined) {
      const index = firstIndex ?? (await this.#folder.newestSnapshot(generation));
      if (index === undefined) throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
      return { index, chain: undefined };
    }
    if (held.index > until.index) throw new CannotGoOn(generation, "replica is ahead of the shadow wal");
    using wal = this.db.openWal(generation, held.index);
    if (wal === undefined) throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
    // Not even a header arrived, or the only copy is compressed and there is more: all of it is copied again.
    if (held.chain === undefined) return { index: held.index, chain: undefined };
    const { offset } = held.chain.end;
    if (offset > wal.endOffset) throw new CannotGoOn(generation, "replica is ahead of the shadow wal");
    if (!endsLike(held.chain, wal)) throw new CannotGoOn(generation, "replica differs from the shadow wal");
    if (held.isCompressed) {
      const isWhole = wal.isSealed && offset === wal.endOffset;
      return isWhole ? { index: walIndex(held.index + 1), chain: undefined } : { index: held.index, chain: undefined };
    }
    if (held.sizeBytes > offset) {
      using file = this.#folder.openWal(generation, held.index);
      file.truncate(offset);
      file.sync();
    }
    return { index: held.index, chain: held.chain };
  }

  #startCompressing(position: Position, signal: AbortSignal | undefined): void {
    if (!this.#mayHaveSuperseded || this.#compressing !== undefined) return;
    this.#mayHaveSuperseded = false;
    const compress = async (): Promise<void> => {
      try {
        for await (const { index, sizeBytes } of this.#folder.compressBefore(position, this.#capturedEnd, signal)) {
          this.#emit({ type: "wal-compressed", replica: this.name, generation: position.generation, index, sizeBytes });
        }
        this.#compressionFails = false;
      } catch (error) {
        this.#mayHaveSuperseded = true;
        if (signal?.aborted === true) return;
        if (error instanceof CannotGoOn) {
          this.#brokenGeneration = error;
          this.#loop?.wake();
        } else if (!this.#compressionFails) {
          // The WAL is there all the same: no sync fails for this.
          this.#compressionFails = true;
          this.#emit({ type: "error", operation: "compress wal", replica: this.name, error });
        }
      } finally {
        this.#compressing = undefined;
      }
    };
    this.#compressing = compress();
  }

  /** Where a WAL of the source ends, as long as the source holds it. */
  readonly #capturedEnd = (generation: Generation, index: WalIndex): number | undefined => {
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

function kindOf(path: string): "folder" | "file" | "nothing" {
  try {
    return statSync(path).isDirectory() ? "folder" : "file";
  } catch (error) {
    // A file stands where a folder above it would have to be.
    if (systemErrorCode(error) === "ENOTDIR") return "file";
    return "nothing";
  }
}
