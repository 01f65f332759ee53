import type { SeededRandom } from "@litestream/testkit";

/** What one of the other connections does. A connection that is not in the state for it does nothing. */
export type NeighbourOperation =
  | { readonly do: "write"; readonly rows: number }
  | { readonly do: "begin write"; readonly rows: number }
  | { readonly do: "commit" | "roll back" }
  | { readonly do: "begin read" | "end read" }
  | { readonly do: "delete" | "vacuum" | "reopen" }
  | { readonly do: "checkpoint"; readonly mode: "PASSIVE" | "FULL" | "RESTART" | "TRUNCATE" };

export interface NeighbourTurn {
  readonly neighbour: number;
  readonly operation: NeighbourOperation;
}

/** What happens before the n-th step of ours, from 0 on: turns of others, and whether the step then fails. */
export type Interruptions = Readonly<Record<number, readonly (NeighbourTurn | "fail")[]>>;

export type OurOperation =
  | { readonly do: "sync"; readonly interruptions: Interruptions }
  /** Begins a snapshot, or reads the next part of the one that is under way, or ends it when all was read. */
  | { readonly do: "snapshot"; readonly interruptions: Interruptions }
  | { readonly do: "restart" }
  /** One more sync, which nobody interrupts; then the copy is compared with the database. */
  | { readonly do: "compare" }
  | { readonly do: "begin generation"; readonly interruptions: Interruptions };

export type Turn = OurOperation | NeighbourTurn;

/** A sequence of turns on a fresh database, which always gives the same. */
export interface History {
  readonly pageSize: number;
  readonly autoVacuum: "NONE" | "FULL" | "INCREMENTAL";
  readonly neighbours: number;
  /** Frames from which our syncs make a checkpoint. */
  readonly minPageCount: number;
  readonly turns: readonly Turn[];
}

export function randomHistory(random: SeededRandom): History {
  const neighbours = 1 + random.below(3);
  const context = { random, neighbours };
  const turns: Turn[] = [];
  const count = 10 + random.below(40);
  for (let i = 0; i < count; i++) turns.push(randomTurn(context));
  return {
    pageSize: pick(random, [512, 512, 1024, 4096, 65536]),
    autoVacuum: pick(random, ["NONE", "NONE", "FULL", "INCREMENTAL"]),
    neighbours,
    minPageCount: pick(random, [1, 1, 20, 1e9]),
    turns,
  };
}

interface Context {
  readonly random: SeededRandom;
  readonly neighbours: number;
}

function randomTurn(context: Context): Turn {
  const { random } = context;
  const choice = random.below(100);
  if (choice < 55) return randomNeighbourTurn(context);
  if (choice < 78) return { do: "sync", interruptions: randomInterruptions(context) };
  if (choice < 88) return { do: "compare" };
  if (choice < 95) return { do: "snapshot", interruptions: randomInterruptions(context) };
  if (choice < 98) return { do: "restart" };
  return { do: "begin generation", interruptions: randomInterruptions(context) };
}

function randomInterruptions(context: Context): Interruptions {
  const { random } = context;
  const interruptions: Record<number, (NeighbourTurn | "fail")[]> = {};
  if (random.below(3) === 0) return interruptions;
  for (let step = 0; step < 16; step++) {
    if (random.below(3) > 0) continue;
    const turns = Array.from({ length: 1 + random.below(3) }, () => randomNeighbourTurn(context));
    interruptions[step] = random.below(8) === 0 ? [...turns, "fail"] : turns;
  }
  return interruptions;
}

function randomNeighbourTurn({ random, neighbours }: Context): NeighbourTurn {
  return { neighbour: random.below(neighbours), operation: randomOperation(random) };
}

function randomOperation(random: SeededRandom): NeighbourOperation {
  const choice = random.below(100);
  if (choice < 35) return { do: "write", rows: 1 + random.below(5) };
  // More than the cache holds: the transaction spills into the WAL before it is committed, or rolled back.
  if (choice < 40) return { do: "begin write", rows: random.below(4) === 0 ? 60 : 3 };
  if (choice < 46) return { do: "commit" };
  if (choice < 49) return { do: "roll back" };
  if (choice < 55) return { do: "begin read" };
  if (choice < 63) return { do: "end read" };
  if (choice < 66) return { do: "delete" };
  if (choice < 68) return { do: "vacuum" };
  if (choice < 71) return { do: "reopen" };
  return { do: "checkpoint", mode: pick(random, ["PASSIVE", "PASSIVE", "FULL", "RESTART", "TRUNCATE", "TRUNCATE"]) };
}

function pick<T>(random: SeededRandom, values: readonly [T, ...T[]]): T {
  return values[random.below(values.length)] ?? values[0];
}
