import type { History, Interruptions, Turn } from "./history.ts";

/** The smallest history to be had from `history` by leaving out turns for which `fails` still holds. */
export async function shrink(history: History, fails: (history: History) => Promise<boolean>): Promise<History> {
  let smallest = history;
  for (let changed = true; changed;) {
    changed = false;
    for (const smaller of smallerThan(smallest)) {
      if (!(await fails(smaller))) continue;
      smallest = smaller;
      changed = true;
      break;
    }
  }
  return smallest;
}

function* smallerThan(history: History): Generator<History> {
  const { turns } = history;
  for (let size = turns.length >> 1; size > 0; size >>= 1) {
    for (let at = 0; at + size <= turns.length; at += size) yield { ...history, turns: turns.toSpliced(at, size) };
  }
  for (const [at, turn] of turns.entries()) {
    for (const simpler of simplerThan(turn)) yield { ...history, turns: turns.toSpliced(at, 1, simpler) };
  }
}

function* simplerThan(turn: Turn): Generator<Turn> {
  if (!("interruptions" in turn)) return;
  for (const step of Object.keys(turn.interruptions).map(Number)) {
    const others: Interruptions = Object.fromEntries(
      Object.entries(turn.interruptions).filter(([at]) => Number(at) !== step),
    );
    yield { ...turn, interruptions: others };
    const between = turn.interruptions[step] ?? [];
    if (between.length === 1) continue;
    for (let at = 0; at < between.length; at++) {
      yield { ...turn, interruptions: { ...turn.interruptions, [step]: between.toSpliced(at, 1) } };
    }
  }
}
