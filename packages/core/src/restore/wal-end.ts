/** Compares what was found in a WAL with what our side files say of it, and one WAL with the next. Pure. */
import { formatWalIndex, type WalIndex, walIndex } from "../position.ts";
import { sameSalts, type WalHeader } from "../wal/header.ts";
import type { WalScan } from "../wal/scan.ts";
import type { RestorePlan } from "./restore-plan.ts";

/** What a plan knows of its WALs. */
export type WalExpectations = Pick<RestorePlan, "recordedEnds" | "snapshotEnd" | "lastWalIsGrowing">;

/** What is wrong with a WAL, and from which byte on. */
export interface WalProblem {
  readonly offset: number;
  readonly why: string;
}

/**
 * True when a frame that fails in the last WAL is damage, and not the end of an append that was interrupted: other
 * right frames follow it, or our side file says that it was replicated.
 */
export function isHoleDamage(plan: WalExpectations, index: WalIndex, scan: WalScan): boolean {
  const recorded = plan.recordedEnds.get(index);
  if (!plan.lastWalIsGrowing) return true;
  if (recorded === undefined) return scan.continues;
  return scan.endOffset < recorded.offset;
}

/** @param scan of the WAL as far as the plan goes */
export function walEndProblem(plan: WalExpectations, index: WalIndex, scan: WalScan): WalProblem | undefined {
  const { commit, header } = scan;
  const { snapshotEnd } = plan;
  const recorded = plan.recordedEnds.get(index);
  if (recorded !== undefined) {
    if (header !== undefined && !sameSalts(recorded.salts, header.salts)) {
      return { offset: 16, why: "its salts are not those that its side file says: it is another WAL" };
    }
    if (commit.offset < recorded.offset) {
      return {
        offset: commit.offset,
        why: `its last commit ends there, and its side file says that it was replicated up to byte ${recorded.offset}`,
      };
    }
    if (recorded.isSealed && commit.offset > recorded.offset) {
      return { offset: recorded.offset, why: "it goes on, and its side file says that it was sealed there" };
    }
    const { s1, s2 } = recorded.checksum;
    if (commit.offset === recorded.offset && (commit.checksum.s1 !== s1 || commit.checksum.s2 !== s2)) {
      return { offset: commit.offset, why: "its running checksum is not the one that its side file says" };
    }
  }
  if (snapshotEnd?.end.index === index && commit.offset < snapshotEnd.end.offset) {
    return {
      offset: commit.offset,
      why:
        `its last commit ends there, and snapshot ${formatWalIndex(snapshotEnd.index)} is exact only together with it` +
        ` up to byte ${snapshotEnd.end.offset}`,
    };
  }
  return undefined;
}

/** How far behind salt-1 may lie to tell a row of WALs: any other pair of salts comes this close once in a million. */
const saltStepsMax = 4096;

/**
 * SQLite adds one to salt-1 whenever it begins a WAL anew in place (wal.c, walRestartHdr), so of two WALs in such a row
 * the later one has the higher. A WAL file that was deleted meanwhile begins with random salts: then nothing can be
 * told. The checkpoint sequence is of no use: each connection counts its own.
 */
export function walOrderProblem(before: WalHeader, index: WalIndex, header: WalHeader): WalProblem | undefined {
  const steps = (header.salts.salt1 - before.salts.salt1) | 0;
  if (steps > 0 || steps <= -saltStepsMax) return undefined;
  const previous = formatWalIndex(walIndex(index - 1));
  const why = steps === 0 ? `it is the same WAL as ${previous}` : `it was written before WAL ${previous}`;
  return { offset: 16, why: `${why}, by its salts: the two were exchanged, or one copied` };
}
