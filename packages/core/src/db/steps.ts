import { LitestreamError, isLitestreamError } from "../errors.ts";
import type { EmitEvent } from "../events.ts";
import { faultPoint } from "../fault-point.ts";
import type { GenerationReason } from "../generation-reason.ts";
import { type Generation, newGeneration } from "../generation.ts";
import { LocalFile, removeFile } from "../local-file.ts";
import { formatPosition, walIndex } from "../position.ts";
import { guardShadow } from "../shadow/shadow-error.ts";
import type { ShadowWal, ShadowWalWriter } from "../shadow/shadow-wal.ts";
import { sleepSync } from "../sleep.ts";
import { Connection } from "../sqlite/connection.ts";
import { databaseError, type DbFile } from "../sqlite/db-file.ts";
import { readableWalIndex } from "../sqlite/readable-wal-index.ts";
import type { WalIndexView } from "../sqlite/wal-index.ts";
import { WalChain } from "../wal/chain.ts";
import { extendChain, proveWal, readWalHeader } from "../wal/file.ts";
import { frameEndOffset, framesIn, sameSalts, type WalHeader, walHeaderSizeBytes } from "../wal/header.ts";
import { advance, type CaptureState, decideResume, positionOf, type ShadowTail } from "./capture.ts";
import type { CheckpointMode } from "./checkpoint-policy.ts";
import type { CopyStep, Outcome, Protocol, Step } from "./protocol.ts";
import { endTransaction, ReadLocks } from "./read-locks.ts";

/** How long a checkpoint that is not forced waits for the write lock: the next one is never far. */
const writeLockWaitMs = 50;
/** How long a checkpoint of the application's own is waited for while we hold the write lock; they are that short. */
const otherCheckpointWaitMs = 10;
/** Pause between two tries while a reader, or another checkpoint, is in the way. */
const retryMs = 0.5;

export interface CaptureFiles {
  /** With its wal-index open. */
  readonly file: DbFile;
  readonly shadow: ShadowWal;
  /** A connection to begin with; it is closed with the steps. */
  readonly connection: Connection;
  readonly busyTimeoutMs: number;
}

/** What became of the checkpoint of the last plan that had one. */
export interface CheckpointOutcome {
  readonly complete: boolean;
  readonly walFrames: number;
  readonly backfilledFrames: number;
  /** How long writers were kept out; 0 when the write lock could not be had. */
  readonly writeLockMs: number;
}

/** Does the steps of the protocol: all of capture's I/O. */
export class CaptureSteps {
  readonly #files: CaptureFiles;
  readonly #emit: EmitEvent;
  readonly #locks: ReadLocks;
  /** Both are there during a checkpoint only: see Connection. A transaction on one forbids a checkpoint on it. */
  #writer: Connection | undefined;
  #checkpointer: Connection | undefined;
  #shadowWriter: ShadowWalWriter | undefined;
  /** The shadow WAL may not be what it was: it was changed by somebody else, or left half-way. */
  #isShadowInDoubt = false;
  #lockedAtMs = 0;
  #checkpoint: CheckpointOutcome = { complete: false, walFrames: 0, backfilledFrames: 0, writeLockMs: 0 };

  constructor(files: CaptureFiles, emit: EmitEvent) {
    this.#files = files;
    this.#emit = emit;
    const { file, connection, busyTimeoutMs } = files;
    this.#locks = new ReadLocks(
      connection,
      () => new Connection(file.realPath, busyTimeoutMs, "read"),
      () => this.look(),
    );
  }

  get lastCheckpoint(): CheckpointOutcome {
    return this.#checkpoint;
  }

  get isShadowInDoubt(): boolean {
    return this.#isShadowInDoubt;
  }

  look(): WalIndexView {
    return readableWalIndex(this.#files.file, this.#files.busyTimeoutMs);
  }

  do(step: Step, state: Protocol): Outcome {
    faultPoint(() => ({ kind: "step", step: step.do }));
    switch (step.do) {
      case "begin read":
        return { of: step.do, lock: this.#locks.begin() };
      case "end read":
        this.#locks.endOldest();
        return { of: step.do };
      case "take back read":
        this.#locks.endNewest();
        return { of: step.do };
      case "prove shadow":
        return { of: step.do, ...this.#proveShadow() };
      case "look": {
        const atMs = Date.now();
        return { of: step.do, view: this.look(), atMs };
      }
      case "copy":
        return { of: step.do, captured: this.#copy(step, capturedOf(state)) };
      case "begin generation":
        return { of: step.do, captured: this.#beginGeneration(step.reason) };
      case "move bulk": {
        const { walFrames, backfilledFrames } = this.#checkpointConnection().checkpointPassive();
        this.#checkpoint = { complete: false, walFrames, backfilledFrames, writeLockMs: 0 };
        return { of: step.do };
      }
      case "flush": {
        using wal = openWal(this.#files.file.walPath);
        wal.sync();
        this.#files.file.sync();
        return { of: step.do };
      }
      case "keep writers out":
        return { of: step.do, isLocked: this.#keepWritersOut(step.mode) };
      case "move rest":
        this.#moveRest(step.mode);
        return { of: step.do };
      case "flush shadow":
        this.#shadowWriter?.sync();
        return { of: step.do };
      case "let writers in":
        this.#letWritersIn();
        return { of: step.do };
    }
  }

  /** To be called when a checkpoint is over, whatever came of it. */
  closeWriters(): void {
    this.#writer?.close();
    this.#writer = undefined;
    this.#checkpointer?.close();
    this.#checkpointer = undefined;
  }

  close(): void {
    this.#closeShadowWriter();
    this.closeWriters();
    this.#locks.close();
  }

  /** Takes over what an earlier run, or Litestream, left, if every byte of its newest shadow WAL is the WAL's. */
  #proveShadow(): { captured: CaptureState } | { captured: undefined; reason: GenerationReason } {
    const { file, shadow } = this.#files;
    const no = (reason: GenerationReason): { captured: undefined; reason: GenerationReason } => {
      return { captured: undefined, reason };
    };
    this.#closeShadowWriter();
    this.#isShadowInDoubt = true;
    const generation = shadow.currentGeneration();
    if (generation === undefined) return no("no generation exists");
    const index = shadow.newestIndex(generation);
    if (index === undefined) return no("no shadow wal");
    using shadowFile = shadow.openForReading(generation, index);
    if (shadowFile === undefined) return no("no shadow wal");
    let tail: ShadowTail;
    try {
      tail = proveWal(shadowFile);
    } catch (error) {
      if (isLitestreamError(error, "FORMAT_INVALID")) return no("shadow wal damaged");
      throw error;
    }
    const reason = decideResume(tail, this.look());
    if (reason !== undefined) return no(reason);
    if (!sameContent(tail, shadowFile, file.walPath)) return no("wal overwritten by another process");
    this.#shadowWriter = shadow.resumeIndex(generation, index, tail.end.offset);
    this.#isShadowInDoubt = false;
    return { captured: { generation, index, tail } };
  }

  #beginGeneration(reason: GenerationReason): CaptureState {
    const generation: Generation = newGeneration();
    this.#closeShadowWriter();
    this.#isShadowInDoubt = true;
    this.#files.shadow.beginGeneration(generation);
    this.#isShadowInDoubt = false;
    this.#emit({ type: "generation", generation, reason });
    return { generation, index: walIndex(0), tail: undefined };
  }

  /** @returns undefined when the WAL was restarted since `step.view` was read */
  #copy(step: CopyStep, captured: CaptureState): CaptureState | undefined {
    const { file } = this.#files;
    const { view, index, isNewIndex } = step;
    const startedAtMs = performance.now();
    using wal = openWal(file.walPath);
    const tail = isNewIndex ? undefined : captured.tail;
    const header = tail?.header ?? this.#headerOf(wal, view);
    if (header === undefined || !sameSalts(header.salts, view.salts) || header.pageSize !== view.pageSize) {
      if (!this.#isStale(view)) this.#fail(captured, "its header does not belong to its wal-index");
      return this.#lookAgain(step);
    }
    const chain = new WalChain(header, tail?.end);
    const fromOffset = chain.end.offset;
    // The file of an index is durable before the next one exists, so that a crash can cut only the newest.
    if (index !== captured.index) this.#shadowWriter?.sync();
    const writer =
      tail === undefined
        ? this.#files.shadow.createIndex(captured.generation, index, header)
        : this.#currentShadowWriter();
    try {
      const untilOffset = frameEndOffset(view.mxFrame, view.pageSize);
      const stop = extendChain(chain, wal, untilOffset, ({ bytes, offset }) => writer.append(bytes, offset));
      const { s1, s2 } = chain.end.checksum;
      const isProven = stop === "end" && s1 === view.frameChecksum.s1 && s2 === view.frameChecksum.s2;
      if (!isProven && !this.#isStale(view)) {
        this.#fail(captured, `its frames do not match its wal-index (${stop} at offset ${chain.end.offset})`);
      }
      if (!isProven) {
        this.#takeBack(writer, captured.generation, isNewIndex, fromOffset);
        return this.#lookAgain(step);
      }
    } catch (error) {
      if (!isLitestreamError(error, "SHADOW_DAMAGED")) {
        this.#takeBack(writer, captured.generation, isNewIndex, fromOffset);
      } else {
        // It is somebody else's work by now: nothing is taken back.
        this.#isShadowInDoubt = true;
        if (writer !== this.#shadowWriter) writer.close();
      }
      throw error;
    }
    if (writer !== this.#shadowWriter) this.#closeShadowWriter();
    this.#shadowWriter = writer;
    const advanced = advance(captured, index, header, chain.end, view);
    this.#emit({
      type: "sync",
      position: positionOf(advanced),
      frames: view.mxFrame - framesIn(fromOffset, header.pageSize),
      bytes: chain.end.offset - (tail === undefined ? 0 : fromOffset),
      durationMs: performance.now() - startedAtMs,
    });
    return advanced;
  }

  /** Undefined where a neighbour truncated the WAL since it was looked at. */
  #headerOf(wal: LocalFile, view: WalIndexView): WalHeader | undefined {
    try {
      return readWalHeader(wal);
    } catch (error) {
      if (isLitestreamError(error, "FORMAT_INVALID") && this.#isStale(view)) return undefined;
      throw error;
    }
  }

  #lookAgain({ looksLeft }: CopyStep): undefined {
    if (looksLeft > 0) return undefined;
    const { file } = this.#files;
    throw new LitestreamError("DATABASE_BUSY", `the WAL of ${file.path} changed each time that it was looked at`, {
      path: file.walPath,
      hint: "It is tried again at the next sync.",
    });
  }

  #currentShadowWriter(): ShadowWalWriter {
    if (this.#shadowWriter === undefined) throw new Error("an index that has frames has a shadow WAL file");
    return this.#shadowWriter;
  }

  #takeBack(writer: ShadowWalWriter, generation: Generation, isNewIndex: boolean, offset: number): void {
    const wasInDoubt = this.#isShadowInDoubt;
    this.#isShadowInDoubt = true;
    if (isNewIndex) {
      writer.close();
      const path = this.#files.shadow.paths.wal(generation, writer.index);
      guardShadow("remove", path, () => removeFile(path));
    } else {
      writer.truncate(offset);
    }
    this.#isShadowInDoubt = wasInDoubt;
  }

  #closeShadowWriter(): void {
    this.#shadowWriter?.close();
    this.#shadowWriter = undefined;
  }

  #isStale(view: WalIndexView): boolean {
    const now = this.look();
    return !sameSalts(now.salts, view.salts) || now.mxFrame < view.mxFrame;
  }

  #fail(captured: CaptureState, why: string): never {
    const { walPath } = this.#files.file;
    throw new LitestreamError("DATABASE_INVALID", `cannot copy the WAL ${walPath}: ${why}`, {
      path: walPath,
      position: formatPosition(positionOf(captured)),
      hint: "Nothing was copied; check the disk, and the database with PRAGMA integrity_check.",
    });
  }

  #checkpointConnection(): Connection {
    const { file, busyTimeoutMs } = this.#files;
    this.#checkpointer ??= new Connection(file.realPath, busyTimeoutMs, "write");
    return this.#checkpointer;
  }

  #keepWritersOut(mode: CheckpointMode): boolean {
    const { file, busyTimeoutMs } = this.#files;
    this.#writer ??= new Connection(file.realPath, 0, "write");
    const waitMs = mode === "FORCED" ? busyTimeoutMs : Math.min(writeLockWaitMs, busyTimeoutMs);
    const isLocked = this.#writer.tryBeginImmediate(waitMs);
    this.#lockedAtMs = performance.now();
    return isLocked;
  }

  #moveRest(mode: CheckpointMode): void {
    const startedAtMs = performance.now();
    for (;;) {
      const { isBusy, ...result } = this.#checkpointConnection().checkpointPassive();
      this.#checkpoint = { ...result, writeLockMs: 0 };
      const waitMs = mode === "FORCED" ? this.#files.busyTimeoutMs : isBusy ? otherCheckpointWaitMs : 0;
      if (result.complete || performance.now() - startedAtMs >= waitMs) return;
      sleepSync(retryMs);
    }
  }

  #letWritersIn(): void {
    if (this.#writer !== undefined && !endTransaction(this.#writer)) this.#writer = undefined;
    this.#checkpoint = { ...this.#checkpoint, writeLockMs: performance.now() - this.#lockedAtMs };
  }
}

function capturedOf({ captured }: Protocol): CaptureState {
  if (captured === undefined) throw new Error("frames are copied to a generation");
  return captured;
}

/** @throws LitestreamError DATABASE_UNAVAILABLE, as all that is done with the file */
function openWal(walPath: string): LocalFile {
  return LocalFile.openToRead(walPath, databaseError);
}

/** True when the shadow WAL up to its end is byte for byte the WAL at `walPath`. */
function sameContent(tail: ShadowTail, shadowFile: LocalFile, walPath: string): boolean {
  using wal = openWal(walPath);
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
