/**
 * Readers that keep frames from being moved, and so the WAL from being restarted. Whether somebody sits on a read mark
 * is not to be seen in the wal-index, only which marks were set; that one checkpoint after the other stops at the same
 * frame is (wal.c, walCheckpoint).
 */
import type { WalIndexView } from "../sqlite/wal-index.ts";
import { sameSalts, type Salts } from "../wal/header.ts";

export interface LongReaderNews {
  readonly isOver: boolean;
  /** The last frame that the reader sees; none after it can be moved. */
  readonly mark: number;
  /** For how long at least it has been reading. */
  readonly ageMs: number;
}

interface Suspicion {
  readonly salts: Salts;
  readonly mark: number;
  readonly sinceMs: number;
  readonly isSaid: boolean;
}

export class LongReaderWatch {
  readonly #saidAfterMs: number;
  #suspicion: Suspicion | undefined;

  /** @param saidAfterMs readers that last shorter are not worth a word */
  constructor(saidAfterMs: number) {
    this.#saidAfterMs = saidAfterMs;
  }

  /** A checkpoint was tried. @param view with what it moved */
  afterCheckpoint(
    view: Pick<WalIndexView, "salts" | "mxFrame" | "nBackfill">,
    nowMs: number,
  ): LongReaderNews | undefined {
    const over = this.afterLook(view, nowMs);
    if (view.nBackfill >= view.mxFrame) return over;
    const mark = view.nBackfill;
    const { sinceMs, isSaid } = this.#suspicion ?? { sinceMs: nowMs, isSaid: false };
    const ageMs = Math.max(0, nowMs - sinceMs);
    const isDue = !isSaid && ageMs >= this.#saidAfterMs;
    this.#suspicion = { salts: view.salts, mark, sinceMs, isSaid: isSaid || isDue };
    return isDue ? { isOver: false, mark, ageMs } : over;
  }

  /** @returns that a reader that was told of has ended */
  afterLook(view: Pick<WalIndexView, "salts" | "nBackfill">, nowMs: number): LongReaderNews | undefined {
    const before = this.#suspicion;
    if (before === undefined || (sameSalts(before.salts, view.salts) && view.nBackfill <= before.mark))
      return undefined;
    this.#suspicion = undefined;
    if (!before.isSaid) return undefined;
    return { isOver: true, mark: before.mark, ageMs: Math.max(0, nowMs - before.sinceMs) };
  }
}
