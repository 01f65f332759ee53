import { rmSync } from "node:fs";
import { LitestreamError, isLitestreamError } from "../errors.ts";
import type { EmitEvent } from "../events.ts";
import type { FileOwner } from "../file-owner.ts";
import type { GenerationReason } from "../generation-reason.ts";
import { type Generation, newGeneration } from "../generation.ts";
import { makeFolders } from "../folders.ts";
import { LocalFile } from "../local-file.ts";
import { formatPosition, type Position, walIndex, type WalIndex } from "../position.ts";
import type { CapturedPosition, SourceSnapshot, SourceWal, WalSource } from "../wal-source.ts";
import { defaultMetaPath } from "../shadow/paths.ts";
import { guardShadow } from "../shadow/shadow-error.ts";
import { ShadowWal, type ShadowWalWriter } from "../shadow/shadow-wal.ts";
import { Connection } from "../sqlite/connection.ts";
import { DbFile } from "../sqlite/db-file.ts";
import { readableWalIndex } from "../sqlite/readable-wal-index.ts";
import { ReplicatorLock } from "../sqlite/replicator-lock.ts";
import { knownSqliteProblem } from "../sqlite/version.ts";
import type { WalIndexView } from "../sqlite/wal-index.ts";
import { WalChain } from "../wal/chain.ts";
import { extendChain, proveWal, readWalHeader } from "../wal/file.ts";
import { frameEndOffset, framesIn, sameSalts, walHeaderSizeBytes } from "../wal/header.ts";
import {
  advance,
  type CaptureState,
  type CheckpointHistory,
  type CheckpointPolicy,
  checkpointDue,
  decideResume,
  decideSync,
  positionOf,
  type ShadowTail,
  wantsHandOver,
} from "./capture.ts";
import { checkpoint } from "./checkpoint.ts";
import { ReadLock } from "./read-lock.ts";
import { DbSnapshot } from "./snapshot.ts";

/** Times that one sync looks again because the WAL moved on between two looks; only possible before we are covered. */
const looksMax = 5;

export interface DbOptions {
  readonly path: string;
  /** The meta directory; `.<db>-litestream` beside the database when absent. */
  readonly metaPath?: string | undefined;
  readonly checkpoint: CheckpointPolicy;
  /** How long a lock of the database is waited for. */
  readonly busyTimeoutMs: number;
}

/** What is open while a database is replicated. */
interface OpenDb {
  readonly file: DbFile;
  readonly replicatorLock: ReplicatorLock;
  readonly shadow: ShadowWal;
  readonly lock: ReadLock;
}

/**
 * Captures the WAL of one database into its shadow WAL. Every method is synchronous, so no two of them interleave.
 * The protocol and its reasons are in docs/guarantees.md; its decisions in capture.ts.
 */
export class Db implements WalSource {
  readonly path: string;
  readonly #options: DbOptions;
  readonly #emit: EmitEvent;
  readonly #listeners = new Set<() => void>();
  #open: OpenDb | undefined;
  #writer: Connection | undefined;
  #shadowWriter: ShadowWalWriter | undefined;
  #state: CaptureState | undefined;
  /** See capture.ts. */
  #covered = false;
  /** What the shadow WAL holds has to be proven before anything is added: it was changed, or left half-way. */
  #mustProveShadow = false;
  /** Shadow WAL before this one was let go, as far as this run knows. */
  #firstHeldIndex = 0;
  #asOfMs = 0;
  #checkpoints: CheckpointHistory = { triedAtMs: 0, forcedInVainAtMs: undefined, wasComplete: true };
  #openSnapshots = 0;

  constructor(options: DbOptions, emit: EmitEvent) {
    this.path = options.path;
    this.#options = options;
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
    if (this.#state === undefined) return undefined;
    return { position: positionOf(this.#state), asOfMs: this.#asOfMs };
  }

  /** False once another file stands at the path. */
  isCurrent(): boolean {
    return this.#opened().file.isCurrent();
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
      const connect = (): Connection => new Connection(file.realPath, this.#options.busyTimeoutMs);
      const first = connect();
      const lock = cleanUp.adopt(new ReadLock(first, connect, () => this.#view(file)), (held) => held.close());
      const sqliteProblem = knownSqliteProblem(first.sqliteVersion());
      if (sqliteProblem !== undefined) this.#emit({ type: "warning", ...sqliteProblem });
      if (!file.header.isWal) {
        first.enableWal();
        this.#emit({ type: "warning", message: `turned on WAL mode of ${this.path}, which replication needs` });
      }
      // The first read creates the wal-index, or recovers it.
      first.beginRead();
      first.rollback();
      file.openWalIndex();
      lock.take();
      this.#open = { file, replicatorLock, shadow, lock };
      this.#checkpoints = { triedAtMs: Date.now(), forcedInVainAtMs: undefined, wasComplete: true };
      const before = shadow.currentGeneration();
      const reason = this.#resume();
      if (reason !== undefined) this.beginGeneration(reason);
      const resumed = this.#stateOrThrow().generation === before;
      this.#emit({ type: "opened", pageSize: file.header.pageSize, resumed });
      cleanUp.move();
    } catch (error) {
      this.#forget();
      cleanUp.dispose();
      throw error;
    }
  }

  /** Copies everything committed to the shadow WAL, and checkpoints when that is due. */
  sync(): void {
    const { file, lock } = this.#opened();
    this.#copy();
    const view = this.#view(file);
    if (wantsHandOver(lock.onLockZero, view)) lock.handOver(() => this.#copy());
    if (this.#openSnapshots > 0) return;
    const mode = checkpointDue(view, this.#options.checkpoint, this.#checkpoints, Date.now());
    if (mode !== undefined) this.#checkpoint(mode);
  }

  /** Begins a generation with all of the WAL as it is now. Needs a new snapshot in each replica. */
  beginGeneration(reason: GenerationReason): void {
    const { shadow, lock } = this.#opened();
    if (!lock.isHeld) lock.take();
    const generation = newGeneration();
    this.#closeShadowWriter();
    this.#mustProveShadow = true;
    shadow.beginGeneration(generation);
    this.#mustProveShadow = false;
    this.#state = { generation, index: walIndex(0), tail: undefined };
    this.#firstHeldIndex = 0;
    // A snapshot comes after this, and holds whatever was in the database file when the lock was taken.
    this.#covered = true;
    this.#emit({ type: "generation", generation, reason });
    this.#copy();
    for (const listener of this.#listeners) listener();
  }

  onCaptured(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  openWal(generation: Generation, index: WalIndex): SourceWal | undefined {
    const state = this.#state;
    if (state === undefined || state.generation !== generation || index > state.index) return undefined;
    const isSealed = index < state.index;
    if (!isSealed && state.tail === undefined) return undefined;
    const file = this.#opened().shadow.openForReading(generation, index);
    if (file === undefined) return undefined;
    return {
      path: file.path,
      endOffset: isSealed ? file.sizeBytes : (state.tail?.end.offset ?? 0),
      isSealed,
      readAt: (buffer, offset) => file.readAt(buffer, offset),
      [Symbol.dispose]: () => file.close(),
    };
  }

  beginSnapshot(): SourceSnapshot {
    const { file } = this.#opened();
    const connection = new Connection(file.realPath, this.#options.busyTimeoutMs);
    try {
      connection.beginRead();
      this.#copy();
      const { generation, index } = this.#stateOrThrow();
      this.#openSnapshots += 1;
      return new DbSnapshot({
        file,
        connection,
        generation,
        index,
        capture: () => {
          this.#copy();
          return positionOf(this.#stateOrThrow());
        },
        onClose: () => {
          this.#openSnapshots -= 1;
        },
      });
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Lets go of shadow WAL files that every replica has. One more is kept, as Litestream does. */
  releaseWalBefore(position: Position): void {
    if (this.#state?.generation !== position.generation || position.index - 1 <= this.#firstHeldIndex) return;
    const first = walIndex(position.index - 1);
    this.#opened().shadow.deleteBefore(position.generation, first);
    this.#firstHeldIndex = first;
  }

  /** Closes connections first, then the descriptors of the database, so that no lock is lost while it is needed. */
  close(): void {
    const open = this.#open;
    if (open === undefined) return;
    this.#forget();
    open.lock.close();
    open.replicatorLock.release();
    open.file.close();
  }

  #forget(): void {
    this.#writer?.close();
    this.#writer = undefined;
    this.#closeShadowWriter();
    this.#state = undefined;
    this.#covered = false;
    this.#mustProveShadow = false;
    this.#firstHeldIndex = 0;
    this.#open = undefined;
  }

  #closeShadowWriter(): void {
    this.#shadowWriter?.close();
    this.#shadowWriter = undefined;
  }

  #opened(): OpenDb {
    if (this.#open === undefined) throw new Error(`${this.path} is used before it was opened`);
    return this.#open;
  }

  #view(file: DbFile): WalIndexView {
    return readableWalIndex(file, this.#options.busyTimeoutMs);
  }

  #stateOrThrow(): CaptureState {
    if (this.#state === undefined) throw new Error(`${this.path} has no generation`);
    return this.#state;
  }

  /**
   * Takes over what an earlier run, or Litestream, left, if every byte of its newest shadow WAL is the WAL's.
   * @returns why not, or undefined
   */
  #resume(): GenerationReason | undefined {
    const { file, shadow } = this.#opened();
    this.#closeShadowWriter();
    this.#mustProveShadow = true;
    const generation = shadow.currentGeneration();
    if (generation === undefined) return "no generation exists";
    const index = shadow.indexes(generation).at(-1);
    if (index === undefined) return "no shadow wal";
    using shadowFile = shadow.openForReading(generation, index);
    if (shadowFile === undefined) return "no shadow wal";
    let tail: ShadowTail;
    try {
      tail = proveWal(shadowFile);
    } catch (error) {
      if (isLitestreamError(error, "FORMAT_INVALID")) return "shadow wal damaged";
      throw error;
    }
    const reason = decideResume(tail, this.#view(file));
    if (reason !== undefined) return reason;
    if (!sameContent(tail, shadowFile, file.walPath)) return "wal overwritten by another process";
    this.#state = { generation, index, tail };
    this.#shadowWriter = shadow.resumeIndex(generation, index, tail.end.offset);
    this.#mustProveShadow = false;
    this.#copy();
    // The salts held while the lock was taken and everything since is copied, or another generation has begun.
    return undefined;
  }

  /** Brings the shadow WAL up to the end of the WAL; begins the next index or another generation where that is due. */
  #copy(): void {
    const { file, lock } = this.#opened();
    if (!lock.isHeld) {
      this.#covered = false;
      lock.take();
    }
    if (this.#mustProveShadow) {
      const reason = this.#resume();
      if (reason !== undefined) this.beginGeneration(reason);
      return;
    }
    for (let look = 0; look < looksMax; look++) {
      const state = this.#stateOrThrow();
      const asOfMs = Date.now();
      const view = this.#view(file);
      const decision = decideSync(state, view, this.#covered);
      if (decision.kind === "new-generation") {
        this.beginGeneration(decision.reason);
        return;
      }
      if (decision.kind === "nothing" || this.#copyFrames(state, decision, view)) {
        this.#covered = true;
        this.#asOfMs = asOfMs;
        return;
      }
    }
    throw new LitestreamError(
      "DATABASE_BUSY",
      `the WAL of ${this.path} changed during each of ${looksMax} looks at it`,
      {
        path: file.walPath,
        hint: "It is tried again at the next sync.",
      },
    );
  }

  /** @returns false when the WAL was restarted since `view` was read */
  #copyFrames(
    state: CaptureState,
    decision: { kind: "copy" } | { kind: "begin-index"; index: WalIndex },
    view: WalIndexView,
  ): boolean {
    const { file, shadow } = this.#opened();
    const startedAtMs = performance.now();
    using wal = LocalFile.openToRead(file.walPath);
    const tail = decision.kind === "copy" ? state.tail : undefined;
    const header = tail?.header ?? readWalHeader(wal);
    if (!sameSalts(header.salts, view.salts) || header.pageSize !== view.pageSize) {
      return this.#isStale(view) ? false : this.#fail(state, "its header does not belong to its wal-index");
    }
    const index = decision.kind === "copy" ? state.index : decision.index;
    const chain = new WalChain(header, tail?.end);
    const fromOffset = chain.end.offset;
    // The file of an index is durable before the next one exists, so that a crash can cut only the newest.
    if (index !== state.index) this.#shadowWriter?.sync();
    const writer =
      tail === undefined ? shadow.createIndex(state.generation, index, header) : this.#currentShadowWriter();
    try {
      const untilOffset = frameEndOffset(view.mxFrame, view.pageSize);
      const stop = extendChain(chain, wal, untilOffset, ({ bytes, offset }) => writer.append(bytes, offset));
      const { s1, s2 } = chain.end.checksum;
      const isProven = stop === "end" && s1 === view.frameChecksum.s1 && s2 === view.frameChecksum.s2;
      if (!isProven && !this.#isStale(view)) {
        this.#fail(state, `its frames do not match its wal-index (${stop} at offset ${chain.end.offset})`);
      }
      if (!isProven) {
        this.#takeBack(writer, tail === undefined, fromOffset);
        return false;
      }
    } catch (error) {
      if (isLitestreamError(error, "SHADOW_DAMAGED")) {
        // It is somebody else's work by now: nothing is taken back.
        this.#mustProveShadow = true;
        if (writer !== this.#shadowWriter) writer.close();
      } else {
        this.#takeBack(writer, tail === undefined, fromOffset);
      }
      throw error;
    }
    if (writer !== this.#shadowWriter) this.#closeShadowWriter();
    this.#shadowWriter = writer;
    this.#state = advance(state, index, header, chain.end, view);
    const bytes = chain.end.offset - (tail === undefined ? 0 : fromOffset);
    this.#emit({
      type: "sync",
      position: positionOf(this.#state),
      frames: view.mxFrame - framesIn(fromOffset, header.pageSize),
      bytes,
      durationMs: performance.now() - startedAtMs,
    });
    for (const listener of this.#listeners) listener();
    return true;
  }

  #currentShadowWriter(): ShadowWalWriter {
    if (this.#shadowWriter === undefined) throw new Error("an index that has frames has a shadow WAL file");
    return this.#shadowWriter;
  }

  #takeBack(writer: ShadowWalWriter, isNew: boolean, offset: number): void {
    if (!isNew) {
      writer.truncate(offset);
      return;
    }
    writer.close();
    const { generation } = this.#stateOrThrow();
    rmSync(this.#opened().shadow.paths.wal(generation, writer.index), { force: true });
  }

  #isStale(view: WalIndexView): boolean {
    const now = this.#view(this.#opened().file);
    return !sameSalts(now.salts, view.salts) || now.mxFrame < view.mxFrame;
  }

  #fail(state: CaptureState, why: string): never {
    const { walPath } = this.#opened().file;
    throw new LitestreamError("DATABASE_INVALID", `cannot copy the WAL ${walPath}: ${why}`, {
      path: walPath,
      position: formatPosition(positionOf(state)),
      hint: "Nothing was copied; check the disk, and the database with PRAGMA integrity_check.",
    });
  }

  #checkpoint(mode: "PASSIVE" | "FORCED"): void {
    const { file, lock } = this.#opened();
    const startedAtMs = performance.now();
    const walFrames = this.#view(file).mxFrame;
    this.#writer ??= new Connection(file.realPath, 0);
    const forcedInVainAtMs = mode === "FORCED" ? Date.now() : this.#checkpoints.forcedInVainAtMs;
    this.#checkpoints = { triedAtMs: Date.now(), forcedInVainAtMs, wasComplete: false };
    try {
      const outcome = checkpoint(mode, {
        lock,
        writer: this.#writer,
        busyTimeoutMs: this.#options.busyTimeoutMs,
        copy: () => this.#copy(),
        flush: () => {
          using wal = LocalFile.openToRead(file.walPath);
          wal.sync();
          file.sync();
        },
      });
      this.#checkpoints = {
        triedAtMs: Date.now(),
        forcedInVainAtMs: outcome.complete ? undefined : forcedInVainAtMs,
        wasComplete: outcome.complete,
      };
      this.#emit({ type: "checkpoint", mode, ...outcome, walFrames, durationMs: performance.now() - startedAtMs });
    } finally {
      if (!lock.isHeld) this.#covered = false;
    }
  }
}

function prepareFolder(shadow: ShadowWal, file: DbFile): void {
  guardShadow("create the meta directory", shadow.paths.root, () => {
    makeFolders(shadow.paths.root, file.owner);
    rmSync(`${shadow.paths.generationName}.tmp`, { force: true });
  });
}

/** True when the shadow WAL up to its end is byte for byte the WAL at `walPath`. */
function sameContent(tail: ShadowTail, shadowFile: LocalFile, walPath: string): boolean {
  using wal = LocalFile.openToRead(walPath);
  const chain = new WalChain(tail.header);
  let isSame = Buffer.compare(read(wal, 0, walHeaderSizeBytes), read(shadowFile, 0, walHeaderSizeBytes)) === 0;
  const stop = extendChain(chain, wal, tail.end.offset, ({ bytes, offset }) => {
    isSame &&= Buffer.compare(bytes, read(shadowFile, offset, bytes.byteLength)) === 0;
  });
  return isSame && stop === "end";
}

function read(file: LocalFile, offset: number, size: number): Uint8Array {
  const buffer = new Uint8Array(size);
  return buffer.subarray(0, file.readAt(buffer, offset));
}
