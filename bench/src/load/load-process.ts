/** A process that replaces slots at a rate, or as fast as it goes, and says when each was committed; see load.ts. */
import { Database } from "bun:sqlite";
import { SeededRandom } from "@litestream/testkit";
import type { LoadReport, LoadTask } from "./load.ts";
import { slotContent, stamp } from "./transaction.ts";

const task = JSON.parse(process.argv[2] ?? "") as LoadTask;
using database = new Database(task.path);
database.run("PRAGMA busy_timeout = 10000");
database.run(`PRAGMA synchronous = ${task.synchronous}`);
database.run(`PRAGMA wal_autocheckpoint = ${task.autocheckpointPages}`);
using replace = database.prepare("UPDATE slot SET content = ? WHERE id = ?");
/** Made before, so that the writer does nothing but write. */
const contents = Array.from({ length: 16 }, (_, n) => slotContent(task.size.slotBytes, task.seed * 1000 + n));
const first = slotContent(task.size.slotBytes, task.seed * 1000 + contents.length);
stamp(first, 0);
replace.run(first, 0);

let isStopped = false;
process.on("SIGTERM", () => {
  isStopped = true;
});
const committedAtMs: number[] = [];
const latencyUs: number[] = [];
const startedAtMs = performance.now();
const endMs = startedAtMs + (task.seconds ?? Infinity) * 1000;
const random = new SeededRandom(1);
for (let n = 1; !isStopped; n++) {
  // Anywhere in its share of the time: an even load would keep step with whoever looks once a second.
  const share = (n - 1 + random.fraction()) * 1000;
  const dueMs = task.perSecond === undefined ? 0 : startedAtMs + share / task.perSecond;
  while (performance.now() < Math.min(dueMs, endMs)) await Bun.sleep(Math.max(0, dueMs - performance.now()));
  if (performance.now() >= endMs || n > (task.transactions ?? Infinity)) break;
  const content = contents[n % contents.length] ?? new Uint8Array();
  stamp(content, n);
  const beganAtMs = performance.now();
  replace.run(content, n % task.size.slots);
  const endedAtMs = performance.now();
  latencyUs.push((endedAtMs - beganAtMs) * 1000);
  committedAtMs.push(performance.timeOrigin + endedAtMs);
}
const report: LoadReport = { committedAtMs, latencyUs, seconds: (performance.now() - startedAtMs) / 1000 };
console.log(JSON.stringify(report));
// An application is not closed while it is backed up: whoever started this ends it, once its measuring is over.
if (task.holds) {
  // Bun does not sleep while it awaits with nothing open that could wake it: it would take a whole core.
  const opened = setInterval(() => undefined, 60_000);
  await new Promise((resolve) => process.once("SIGTERM", resolve));
  clearInterval(opened);
}
