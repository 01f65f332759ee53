import type { CaptureState } from "../../src/db/capture.ts";
import { type Generation, newGeneration } from "../../src/generation.ts";
import { walIndex } from "../../src/position.ts";
import type { WalIndexView } from "../../src/sqlite/wal-index.ts";
import { frameEndOffset, type WalHeader } from "../../src/wal/header.ts";

export const pageSize = 4096;
export const salts = { salt1: 1, salt2: 2 };
export const otherSalts = { salt1: 9, salt2: 9 };
export const generation: Generation = newGeneration();

export function headerWith(headerSalts: typeof salts): WalHeader {
  return { pageSize, bigEndianChecksum: false, checkpointSequence: 0, salts: headerSalts, checksum: { s1: 0, s2: 0 } };
}

/** A wal-index with ten frames. */
export function view(changes: Partial<WalIndexView> = {}): WalIndexView {
  return {
    pageSize,
    bigEndianChecksum: false,
    mxFrame: 10,
    pageCount: 5,
    frameChecksum: { s1: 100, s2: 200 },
    salts,
    nBackfill: 0,
    readMarks: [],
    ...changes,
  };
}

/** The shadow WAL holds the ten frames of `view()`, as index 3. */
export function state(changes: Partial<CaptureState> = {}): CaptureState {
  const end = { offset: frameEndOffset(10, pageSize), checksum: { s1: 100, s2: 200 } };
  return { generation, index: walIndex(3), tail: { header: headerWith(salts), end }, ...changes };
}
