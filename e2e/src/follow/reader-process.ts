/**
 * A reader of a copy that follows a replica, in a process of its own: `reader-process.ts PATH KIND`. Looks again and
 * again, and never may see anything but the state after one of the writer's transactions, nor one before what it saw:
 *
 * - `fresh`: with a connection for each look, at all rows and markers (the testkit's oracle);
 * - `held`: with one connection for good, at SQLite's own check and the number of transactions, twice in one read
 *   transaction, between which the follower goes on.
 *
 * Prints a line for each new state, `{ n, atMs }`, and at SIGTERM how often it looked, `{ looks }`. What is not as
 * promised ends it with exit code 1.
 */
import { Database } from "bun:sqlite";
import { committedPrefix } from "@litestream/testkit";

const [path = "", kind = ""] = process.argv.slice(2);
let looks = 0;
let last = 0;

function saw(n: number): void {
  looks++;
  if (n < last) throw new Error(`it shows transaction ${n} after ${last}`);
  if (n > last) console.log(JSON.stringify({ n, atMs: Date.now() }));
  last = n;
}

function openHeld(): () => Promise<void> {
  const database = new Database(path, { readonly: true });
  database.run("PRAGMA busy_timeout = 10000");
  const count = database.prepare<{ count: number; last: number }, []>(
    "SELECT count(*) AS count, ifnull(max(n), 0) AS last FROM marker",
  );
  const check = database.prepare<{ quick_check: string }, []>("PRAGMA quick_check(3)");
  return async () => {
    database.run("BEGIN");
    try {
      const before = count.get();
      const said = check.all().map((row) => row.quick_check);
      if (said.join() !== "ok") throw new Error(`quick_check says: ${said.join("; ")}`);
      await Bun.sleep(20);
      const after = count.get();
      if (before === null || before.count !== before.last || !Bun.deepEquals(before, after)) {
        throw new Error(`within one read transaction: ${JSON.stringify(before)}, then ${JSON.stringify(after)}`);
      }
      saw(before.last);
    } finally {
      database.run("ROLLBACK");
    }
  };
}

const lookFresh = async (): Promise<void> => {
  saw(committedPrefix(path));
  await Bun.sleep(1);
};
const look = kind === "held" ? openHeld() : lookFresh;
let isEnding = false;
process.on("SIGTERM", () => {
  isEnding = true;
});
while (!isEnding) await look();
console.log(JSON.stringify({ looks }));
process.exit(0);
