import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, release, totalmem, type } from "node:os";
import type { Replicator } from "./replicators/replicator.ts";

/** In one line, for the reader of a table. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? "unknown processor";
  const memory = `${(totalmem() / 1e9).toFixed(0)} GB of memory`;
  return [
    `${availableParallelism()} processors (${model}, ${arch()})`,
    memory,
    `${type()} ${release().split("-")[0] ?? ""}`,
  ].join(", ");
}

export function describeVersions(replicators: readonly Replicator[]): Record<string, string> {
  const sqlite = `Bun ${Bun.version}`;
  return Object.fromEntries(
    replicators.map(({ name }) => [
      name,
      name === "ours" ? `this checkout, on ${sqlite}` : `Litestream ${name.slice(1)}`,
    ]),
  );
}

/** Of the mount that is nearest above the folder. */
export function fileSystemOf(folder: string): string {
  const mounts = readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, at = ""]) => at !== "" && (folder === at || folder.startsWith(at === "/" ? at : `${at}/`)))
    .toSorted(([, a = ""], [, b = ""]) => b.length - a.length);
  return mounts[0]?.[2] ?? "unknown";
}
