/**
 * Replicates `app.db` of a folder, each time that it is told: `replicating-process.ts FOLDER [MIN-PAGES]`. A line on
 * standard input is `sync`, or the name of a mark, which is looked for in the folder, so that a trace shows where it
 * was; each is answered by a line.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Litestream } from "@litestream/core";

const [folder = "", minPages = "1000000000"] = process.argv.slice(2);
await using litestream = new Litestream({
  engine: "inline",
  path: join(folder, "app.db"),
  replicas: [{ path: join(folder, "replica") }],
  monitorEnabled: false,
  minCheckpointPageCount: Number(minPages),
});
await litestream.start();
for await (const line of createInterface(process.stdin)) {
  if (line === "sync") await litestream.sync();
  else existsSync(join(folder, line));
  process.stdout.write(`${line}\n`);
}
