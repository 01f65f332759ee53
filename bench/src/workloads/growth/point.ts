import { join } from "node:path";
import type { Replicator } from "../../replicators/replicator.ts";
import type { Case, Measured, RunContext } from "../workload.ts";

/** What a run of a growth curve is given: ours, and a database and a replica that do not exist yet. */
export interface Point {
  readonly replicator: Replicator;
  readonly path: string;
  readonly replicaPath: string;
  readonly context: RunContext;
}

/** A case of ours alone, at `x`: how a figure grows says more than how it compares. */
export function pointAt(x: number, unit: string, quickMax: number, measure: (point: Point) => Promise<Measured>): Case {
  return {
    name: `${x} ${unit}`,
    x,
    isQuick: x <= quickMax,
    suits: ({ name }) => name === "ours",
    run: (replicator, context) => {
      if (replicator === undefined) throw new Error("a growth curve is that of a replicator");
      const [path, replicaPath] = [join(context.folder, "app.db"), join(context.folder, "replica")];
      return measure({ replicator, path, replicaPath, context });
    },
  };
}
