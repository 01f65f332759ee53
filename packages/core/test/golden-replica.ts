/** Copies of the replicas by Litestream that are part of the project (e2e/golden/fixtures). */
import { cpSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";

export const goldenFixturesFolder: string = join(import.meta.dirname, "../../../e2e/golden/fixtures");

/** With the times that Litestream gave its files, to the microsecond: a restore goes by them; a checkout has others. */
export function copyGoldenReplica(from: string, to: string): void {
  cpSync(from, to, { recursive: true });
  const { files } = JSON.parse(readFileSync(join(from, "../case.json"), "utf8")) as {
    readonly files: readonly { readonly path: string; readonly mtime_ns: string }[];
  };
  for (const { path, mtime_ns: ns } of files) {
    const time = Number(ns) / 1e9;
    utimesSync(join(to, path), time, time);
  }
}
