import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { waitUntil } from "@litestream/e2e/wait-until";
import type { Replicator } from "../replicators/replicator.ts";
import type { RunningReplicator } from "../replicators/running.ts";

const deadlineMs = 120_000;

/** Resolves once the folder holds a whole state of the database: the first snapshot has its name. */
export async function untilReplicated(
  replicator: Replicator,
  replicaPath: string,
  running: RunningReplicator,
  pollMs = 20,
): Promise<void> {
  const isThere = replicator.fileLayout === "ltx" ? hasLtxState : hasSnapshot;
  await waitUntil(
    `the first snapshot of ${replicator.name}`,
    () => {
      running.requireRunning();
      return isThere(replicaPath);
    },
    deadlineMs,
    pollMs,
  );
}

function hasSnapshot(replicaPath: string): boolean {
  const generations = join(replicaPath, "generations");
  return namesIn(generations).some(
    (generation) =>
      !generation.endsWith(".tmp") &&
      namesIn(join(generations, generation, "snapshots")).some((name) => /\.snapshot(?:\.lz4)?$/.test(name)),
  );
}

/** Its first file holds each page. */
function hasLtxState(replicaPath: string): boolean {
  return [0, 9].some((level) => namesIn(join(replicaPath, `ltx/${level}`)).some((name) => /^0*1-.*\.ltx$/.test(name)));
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
