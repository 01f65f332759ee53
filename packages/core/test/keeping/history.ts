import type { SeededRandom } from "@litestream/testkit";

/** What happens to a database and its two replicas. */
export type Event =
  | { readonly do: "commit"; readonly transactions: number }
  /** `late`: what the replica has not yet may have been let go. */
  | { readonly do: "sync" | "snapshot" | "validate"; readonly replica: number }
  | { readonly do: "retention"; readonly replica: number; readonly graceMs: number }
  | { readonly do: "release"; readonly sizeBytesMax: number }
  | { readonly do: "time"; readonly minutes: number }
  /** The replicator dies, and another one takes over. */
  | { readonly do: "restart"; readonly generation: "same" | "other" }
  /** It dies in the middle of the next event that writes to a replica, after so many operations on its files. */
  | { readonly do: "die in next"; readonly afterOperations: number };

export interface History {
  readonly seed: number;
  readonly retentionMinutes: number;
  readonly events: readonly Event[];
}

const retentionMinutes = 40;

export function randomHistory(random: SeededRandom, eventCount: number): History {
  const seed = random.uint32();
  return { seed, retentionMinutes, events: Array.from({ length: eventCount }, () => randomEvent(random)) };
}

function randomEvent(random: SeededRandom): Event {
  const replica = random.below(2);
  switch (random.below(18)) {
    case 0:
    case 1:
    case 2:
      return { do: "commit", transactions: 1 + random.below(4) };
    case 3:
    case 4:
    case 5:
    case 6:
      return { do: "sync", replica };
    case 7:
      return { do: "snapshot", replica };
    case 8:
    case 9:
    case 10:
      return { do: "retention", replica, graceMs: random.below(2) * 600_000 };
    case 11:
      return { do: "release", sizeBytesMax: random.below(3) * 40_000 };
    case 12:
    case 16:
    case 17:
      return { do: "time", minutes: random.below(12) === 0 ? -30 : 5 + random.below(50) };
    case 13:
      return { do: "restart", generation: random.below(3) === 0 ? "other" : "same" };
    case 14:
      return { do: "validate", replica };
    default:
      return { do: "die in next", afterOperations: random.below(40) };
  }
}
