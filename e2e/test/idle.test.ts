import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { tempFolder } from "@litestream/testkit";
import { commandEnvironment, commandLine } from "../src/command.ts";
import { skipUnless } from "../src/tools/skip.ts";
import { waitUntil } from "../src/wait-until.ts";

const databases = 30;
/** What Bun's own timers and collector need is about 12; a timer for each database would be 30 more. */
const wakeUpsPerSecondMax = 25;
const [settleMs, measuredMs] = [3000, 3000];

const testProc = skipUnless(existsSync("/proc/self/task") ? true : undefined, "wake-ups are counted in /proc");

/** How often the threads of a process gave the processor up by themselves. */
function wakeUpsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8");
    return sum + Number(/^voluntary_ctxt_switches:\s*(\d+)$/m.exec(status)?.[1] ?? 0);
  }, 0);
}

testProc(
  "thirty databases that nobody writes to wake the replicator up no more often than one does",
  async () => {
    await using folder = await tempFolder();
    const paths = Array.from({ length: databases }, (_, n) => folder.join(`app-${n}.db`));
    for (const path of paths) {
      using database = new Database(path);
      database.run("PRAGMA journal_mode = wal");
      database.run("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    }
    const dbs = paths.map((path) => ({ path, replicas: [{ type: "file", path: `${path}.replica` }] }));
    await Bun.write(folder.join("litestream.yml"), JSON.stringify({ dbs }));
    const child = Bun.spawn([...commandLine, "replicate", "-config", folder.join("litestream.yml")], {
      stdio: ["ignore", "ignore", "ignore"],
      env: commandEnvironment(),
    });
    try {
      await waitUntil("all to be replicated", () =>
        paths.every((path) => {
          const generations = `${path}.replica/generations`;
          return existsSync(generations) && readdirSync(generations).some((name) => !name.endsWith(".tmp"));
        }),
      );
      await Bun.sleep(settleMs);
      const before = wakeUpsOf(child.pid);
      await Bun.sleep(measuredMs);
      expect(((wakeUpsOf(child.pid) - before) / measuredMs) * 1000).toBeLessThan(wakeUpsPerSecondMax);
    } finally {
      child.kill("SIGTERM");
      await child.exited;
    }
  },
  60_000,
);
