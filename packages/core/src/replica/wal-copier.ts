/**
 * Copies the shadow WAL to a replica, from where that ends by what it holds itself. A replica that came too late for a
 * WAL goes on with a later one behind a new snapshot; whatever does not agree with the shadow WAL ends the generation.
 */
import { errorMessage } from "../errors.ts";
import type { EmitEvent } from "../events.ts";
import type { Generation } from "../generation.ts";
import { comparePositions, type Position, type WalIndex, walIndex } from "../position.ts";
import type { WalChain } from "../wal/chain.ts";
import { formatWalHeader, frameSizeBytes, walHeaderSizeBytes } from "../wal/header.ts";
import type { SourceWal, WalSource } from "../wal-source.ts";
import { CannotGoOn } from "./cannot-go-on.ts";
import type { LayoutWriter } from "./layout-writer.ts";

/** Where the replica's own WAL ends. `chain` is undefined while the index has no file, or a useless one. */
interface Tail {
  readonly index: WalIndex;
  readonly chain: WalChain | undefined;
}

export interface WalCopierParts {
  readonly db: WalSource;
  readonly writer: () => LayoutWriter;
  readonly location: string;
  readonly emit: EmitEvent;
}

export interface CopyOptions {
  /** Where to begin if the replica holds no WAL of the generation; undefined where it holds no snapshot either. */
  readonly firstIndex: WalIndex | undefined;
  /** Called with the bytes of WAL that became durable. */
  readonly count: (sizeBytes: number) => void;
  readonly signal: AbortSignal | undefined;
}

export class WalCopier {
  readonly #parts: WalCopierParts;
  #tail: Tail | undefined;

  constructor(parts: WalCopierParts) {
    this.#parts = parts;
  }

  /** The replica is asked anew where it ends. */
  forget(): void {
    this.#tail = undefined;
  }

  /** Goes on with the beginning of a WAL, whatever the replica holds before it. */
  skipTo(index: WalIndex): void {
    this.#tail = { index, chain: undefined };
  }

  /** Has the replica's newest WAL written again, from its beginning. */
  async rewriteNewest(generation: Generation, signal: AbortSignal | undefined): Promise<void> {
    const tail = this.#tail;
    if (tail === undefined) return;
    this.skipTo(tail.index);
    await this.#parts.writer().clearWal(generation, tail.index, signal);
  }

  /**
   * Copies at least up to `until`.
   * @returns the position that is durable now
   * @throws CannotGoOn
   */
  async copyUntil(until: Position, options: CopyOptions): Promise<Position> {
    const { db, writer } = this.#parts;
    const { count, signal } = options;
    const { generation } = until;
    let tail = this.#tail ?? (await this.#reconcile(until, options));
    for (;;) {
      signal?.throwIfAborted();
      using wal = db.openWal(generation, tail.index);
      if (wal !== undefined) {
        const before = tail.chain?.end.offset ?? 0;
        const { index, chain } = tail;
        const hasAll = chain !== undefined && before === wal.endOffset;
        tail = { index, chain: hasAll ? chain : await writer().appendWal(generation, index, chain, wal, signal) };
        count((tail.chain?.end.offset ?? 0) - before);
        await this.#noteEnd(generation, tail, wal.isSealed, signal);
      } else if (db.captured()?.position.generation !== generation || tail.index < until.index) {
        throw new CannotGoOn(generation, "shadow wal lacks what the replica needs", firstAfter(tail));
      }
      this.#tail = tail;
      const position = { generation, index: tail.index, offset: tail.chain?.end.offset ?? 0 };
      // What was captured since is for the next sync: a writer that never rests would keep this one from its end.
      if (comparePositions(position, until) >= 0) return position;
      if (wal?.isSealed !== true) throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
      tail = { index: walIndex(tail.index + 1), chain: undefined };
      // Lets capture go on while a long backlog is copied.
      await new Promise((done) => setImmediate(done));
    }
  }

  /** Finds out where to go on, from what the replica itself holds, and cuts off what a crash left half written. */
  async #reconcile(until: Position, { firstIndex, signal }: CopyOptions): Promise<Tail> {
    const { db, writer } = this.#parts;
    const { generation } = until;
    const held = await writer().readTail(generation, signal);
    if (held === undefined) {
      if (firstIndex === undefined) throw new CannotGoOn(generation, "shadow wal lacks what the replica needs");
      return { index: firstIndex, chain: undefined };
    }
    if (held.index > until.index) throw new CannotGoOn(generation, "replica is ahead of the shadow wal");
    const { index, chain } = held;
    using wal = db.openWal(generation, index);
    if (wal === undefined) {
      // What is held stays a state to restore to, with nothing torn behind it.
      if (chain !== undefined && held.isTorn) await writer().cutTail(generation, index, chain, signal);
      throw new CannotGoOn(generation, "shadow wal lacks what the replica needs", firstAfter({ index, chain }));
    }
    // Not even a header arrived, or the only copy is final and there is more: all of it is copied again.
    if (chain === undefined) return { index, chain };
    const { offset } = chain.end;
    if (offset > wal.endOffset) throw new CannotGoOn(generation, "replica is ahead of the shadow wal");
    if (!endsLike(chain, wal)) throw new CannotGoOn(generation, "replica differs from the shadow wal");
    if (held.isFinal) {
      const isWhole = wal.isSealed && offset === wal.endOffset;
      return { index: isWhole ? walIndex(index + 1) : index, chain: undefined };
    }
    if (held.isTorn) await writer().cutTail(generation, index, chain, signal);
    return { index, chain };
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
    const { writer, emit, location } = this.#parts;
    try {
      await writer().noteEnd({ generation, index, header, timeMs: Date.now(), end, isSealed }, signal);
    } catch (error) {
      emit({
        type: "warning",
        message: `cannot note the time of a sync in ${location}: ${errorMessage(error)}`,
        hint: "A restore to that time gives the state before it.",
      });
    }
  }
}

/** The first index to go on with so that a WAL lies between of which the replica holds nothing. */
function firstAfter({ index, chain }: Tail): number {
  return chain === undefined ? index + 1 : index + 2;
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
