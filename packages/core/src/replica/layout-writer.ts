/**
 * How the objects of one layout are written. A replica decides what comes next (store-replica.ts); a writer knows names
 * and forms. The rules of all of them:
 *
 * - What a call made is durable when it resolves; what it did not finish is no object, or is cut off by the next life.
 * - Calls come one at a time, except `finishBefore`, which leaves the newest WAL alone, and `putSnapshot` where the
 *   generation has a snapshot already: these go on beside the others.
 * - After an error a writer is used on; the replica asks it anew where it stands.
 */
import type { Generation } from "../generation.ts";
import type { Position, WalIndex } from "../position.ts";
import type { SourceWal } from "../wal-source.ts";
import type { WalChain, WalChainEnd } from "../wal/chain.ts";
import type { WalHeader } from "../wal/header.ts";

/** The newest WAL of a generation, read back: a tail is not to be believed after a crash, only its proven commits. */
export interface HeldWal {
  readonly index: WalIndex;
  /** Ends with the last whole commit; undefined where not even the WAL's header is right. */
  readonly chain: WalChain | undefined;
  /** Something lies behind the end of `chain`, and has to be cut off before more is added. */
  readonly isTorn: boolean;
  /** In a form to which nothing can be added: where there is more, the WAL is written again from its beginning. */
  readonly isFinal: boolean;
}

/** Up to where a WAL is durable. */
export interface DurableEnd {
  readonly generation: Generation;
  readonly index: WalIndex;
  readonly header: WalHeader;
  /** Milliseconds since 1970, after it was durable. */
  readonly timeMs: number;
  readonly end: WalChainEnd;
  /** Another WAL follows: it ends here. */
  readonly isSealed: boolean;
}

/** A superseded WAL that took its last form. */
export interface FinishedWal {
  readonly index: WalIndex;
  readonly sizeBytes: number;
}

/** Where a WAL has to end, where that is known. */
export type KnownEnd = (generation: Generation, index: WalIndex) => number | undefined;

/** Where the copying of a snapshot ended. */
export interface CopyEnd {
  /** Of the WAL that makes it exact. */
  readonly end: Position;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
}

export interface LayoutWriter {
  /** Removes what an earlier life left half-written; before anything is written. */
  removeTemporaries(signal: AbortSignal | undefined): Promise<void>;

  /**
   * Stores a snapshot, compressed, and its side file (put-snapshot.ts). It is visible only once `content` has ended;
   * until then `appendWal` is called, of a first snapshot out of `content`, for the WAL that makes it exact. A
   * generation that was not there before appears with both, as nearly at once as the store allows.
   * @param endOf where the copying ended; asked for when `content` was read
   * @throws what `content` throws, and nothing is visible then
   */
  putSnapshot(
    generation: Generation,
    index: WalIndex,
    content: AsyncIterable<Uint8Array>,
    endOf: () => CopyEnd,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly sizeBytes: number }>;

  /**
   * The end of the newest WAL; undefined where there is no WAL of the generation.
   * @throws CannotGoOn when it is damaged, and is not to be mended by cutting or by writing it again
   */
  readTail(generation: Generation, signal: AbortSignal | undefined): Promise<HeldWal | undefined>;

  /** Cuts off what lies behind the end of `chain`, of a WAL that `readTail` found torn. */
  cutTail(generation: Generation, index: WalIndex, chain: WalChain, signal: AbortSignal | undefined): Promise<void>;

  /**
   * Brings the replica's copy of a WAL up to the end of `wal`.
   * @param chain where the copy ends, which may be extended in place; where undefined the copy is made, or replaced
   * @returns the chain at the new end, which is durable
   * @throws CannotGoOn when `wal` is not whole
   */
  appendWal(
    generation: Generation,
    index: WalIndex,
    chain: WalChain | undefined,
    wal: SourceWal,
    signal: AbortSignal | undefined,
  ): Promise<WalChain>;

  /** Notes up to where a WAL is durable, in its side file. What cannot be noted costs points in time, and no state. */
  noteEnd(durable: DurableEnd, signal: AbortSignal | undefined): Promise<void>;

  /**
   * Gives each WAL before `position`'s its last form.
   * @throws CannotGoOn when one is not whole; it stays as it is
   */
  finishBefore(
    position: Position,
    knownEnd: KnownEnd,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<FinishedWal, void, undefined>;

  /** Lets others write: called when replication ends. Never rejects. Writing afterwards is allowed all the same. */
  close?(): Promise<void>;

  /** Makes room for a WAL that is going to be written again from its beginning. */
  clearWal(generation: Generation, index: WalIndex, signal: AbortSignal | undefined): Promise<void>;

  /** Deletes objects of a generation, in any order. One that is already gone is not an error. */
  deleteObjects(generation: Generation, keys: readonly string[], signal: AbortSignal | undefined): Promise<void>;

  /**
   * Deletes a whole generation: at once where the store can do that, else group after group.
   * @param groups all of its objects
   */
  deleteGeneration(
    generation: Generation,
    groups: readonly (readonly string[])[],
    signal: AbortSignal | undefined,
  ): Promise<void>;
}
