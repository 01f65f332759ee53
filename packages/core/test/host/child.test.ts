import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rowsDigest, type TempFolder, tempFolder } from "@litestream/testkit";
import { Litestream, type LitestreamEvent, LitestreamError, openReplica, restore } from "../../src/index.ts";
import { failureOf } from "../bytes.ts";
import { commitElsewhere, makeDatabase } from "../child.ts";

// Each has processes of its own, and a busy machine takes its time.
setDefaultTimeout(60_000);

const library = join(import.meta.dirname, "../../src/index.ts");

/** Processes whose parent is `pid`. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
}

/** The child processes of this one that replicate. */
function replicating(): number[] {
  return childrenOf(process.pid).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("child-main"));
}

async function gone(pid: number): Promise<void> {
  while (existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ")) await Bun.sleep(10);
}

function litestreamAt(folder: TempFolder, name: string, events: LitestreamEvent[] = []): Litestream {
  return new Litestream({
    path: folder.join(name),
    replicas: [{ path: folder.join(`${name}-replica`) }],
    onEvent: (event) => events.push(event),
  });
}

async function requireRestorable(folder: TempFolder, name = "app.db"): Promise<void> {
  const outputPath = folder.join(`${crypto.randomUUID()}.db`);
  await restore({ replica: openReplica({ path: folder.join(`${name}-replica`) }), outputPath });
  expect(rowsDigest(outputPath)).toBe(rowsDigest(folder.join(name)));
}

describe("the child process", () => {
  test("is one for all databases of an application, and ends with the last of them", async () => {
    await using folder = await tempFolder();
    for (const name of ["a.db", "b.db"]) await makeDatabase(folder.join(name));
    const [a, b] = [litestreamAt(folder, "a.db"), litestreamAt(folder, "b.db")];
    expect(replicating()).toHaveLength(0);
    await Promise.all([a.start(), b.start()]);
    expect(replicating()).toHaveLength(1);
    await Promise.all([a.sync(), b.sync()]);
    await a.stop();
    expect(replicating()).toHaveLength(1);
    await commitElsewhere(folder.join("b.db"));
    await b.stop();
    expect(replicating()).toHaveLength(0);
    for (const name of ["a.db", "b.db"]) await requireRestorable(folder, name);
  });

  test("is started again when it is killed, says so, and goes on with the generation", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    await makeDatabase(path);
    const events: LitestreamEvent[] = [];
    await using litestream = litestreamAt(folder, "app.db", events);
    await litestream.start();
    const before = await litestream.sync();
    const [pid = 0] = replicating();
    const waiting = failureOf(() => litestream.waitFor({ ...before, offset: 1e9 }));
    process.kill(pid, "SIGKILL");
    expect(await waiting).toMatchObject({
      code: "ENGINE_ENDED",
      message: expect.stringContaining("SIGKILL") as string,
    });
    expect((await litestream.status()).state).toBe("waiting");
    await commitElsewhere(path);
    const after = await litestream.sync();
    expect(after.generation).toBe(before.generation);
    expect(after.offset).toBeGreaterThan(before.offset);
    expect(litestream.position()).toEqual(after);
    expect(events.filter(({ type }) => type === "error")).toMatchObject([
      { operation: "replication process", error: { code: "ENGINE_ENDED" } },
    ]);
    await litestream.stop();
    expect(events.filter(({ type }) => type === "opened")).toMatchObject([{ resumed: false }, { resumed: true }]);
    await requireRestorable(folder);
  });

  test("keeps class, code, data and cause of errors", async () => {
    await using folder = await tempFolder();
    writeFileSync(folder.join("app.db"), "no database");
    const error = await failureOf(() => litestreamAt(folder, "app.db").start());
    expect(error).toBeInstanceOf(LitestreamError);
    expect(error).toMatchObject({ code: "DATABASE_INVALID", path: folder.join("app.db") });
    expect(replicating()).toHaveLength(0);
  });

  test("refuses calls before the start, and after the end, and can be started with either", async () => {
    await using folder = await tempFolder();
    await makeDatabase(folder.join("app.db"));
    const litestream = litestreamAt(folder, "app.db");
    expect(await failureOf(() => litestream.sync())).toHaveProperty("code", "DATABASE_UNAVAILABLE");
    expect(await litestream.stop()).toBeUndefined();
    const closed = litestreamAt(folder, "app.db");
    await closed.start();
    const [pid = 0] = replicating();
    closed.closeNow();
    await gone(pid);
    expect(await failureOf(() => closed.sync())).toHaveProperty("code", "DATABASE_UNAVAILABLE");
  });
});

/** An application of its own process, that has `program` for its module; `app` is its database, in WAL mode. */
async function startApplication(
  folder: TempFolder,
  program: string,
): Promise<Bun.Subprocess<"ignore", "pipe", "inherit">> {
  const script = folder.join("application.ts");
  const text = `
    import { Litestream } from ${JSON.stringify(library)};
    import { Database } from "bun:sqlite";
    const app = new Database(${JSON.stringify(folder.join("app.db"))});
    app.run("PRAGMA journal_mode = wal");
    app.run("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, data TEXT)");
    const litestream = new Litestream({
      path: ${JSON.stringify(folder.join("app.db"))},
      replicas: [{ path: ${JSON.stringify(folder.join("app.db-replica"))} }],
      monitorEnabled: false,
    });
    await litestream.start();
    const position = await litestream.sync();
    app.run("INSERT INTO t (data) VALUES ('after the last sync')");
    ${program}`;
  writeFileSync(script, text);
  return Bun.spawn([process.execPath, script], { stdio: ["ignore", "pipe", "inherit"] });
}

/** Resolves with the ids of the processes that replicate for `application`, once it said "ready". */
async function childrenOnceReady(application: Bun.Subprocess<"ignore", "pipe", "inherit">): Promise<number[]> {
  for await (const text of application.stdout.pipeThrough(new TextDecoderStream())) {
    if (text.includes("ready")) break;
  }
  return childrenOf(application.pid);
}

describe("when the application ends without stopping,", () => {
  test.each([
    ["is killed", 'console.log("ready"); setInterval(() => {}, 1000);', "SIGKILL"],
    ["exits", 'console.log("ready"); setTimeout(() => process.exit(0), 300);', undefined],
    ["comes to its end", 'console.log("ready"); await Bun.sleep(300);', undefined],
  ] as const)("and %s, the child makes a last sync, and then ends", async (_how, program, signal) => {
    await using folder = await tempFolder();
    const application = await startApplication(folder, program);
    const children = await childrenOnceReady(application);
    expect(children).toHaveLength(1);
    if (signal !== undefined) application.kill(signal);
    await application.exited;
    for (const pid of children) await gone(pid);
    await requireRestorable(folder);
  });

  test("and a signal reaches the child as well, it still makes its last sync", async () => {
    await using folder = await tempFolder();
    const application = await startApplication(folder, 'console.log("ready"); setInterval(() => {}, 1000);');
    const children = await childrenOnceReady(application);
    for (const pid of [...children, application.pid])
      for (const signal of ["SIGINT", "SIGTERM"]) process.kill(pid, signal);
    await application.exited;
    for (const pid of children) await gone(pid);
    await requireRestorable(folder);
  });

  test("the next run waits for the child of the last, and says so", async () => {
    await using folder = await tempFolder();
    const application = await startApplication(folder, 'console.log("ready"); setInterval(() => {}, 1000);');
    const [pid = 0] = await childrenOnceReady(application);
    // Halted, as if its last sync took long.
    process.kill(pid, "SIGSTOP");
    application.kill("SIGKILL");
    await application.exited;
    const events: LitestreamEvent[] = [];
    await using litestream = litestreamAt(folder, "app.db", events);
    const starting = litestream.start();
    while (events.length === 0) await Bun.sleep(10);
    expect(events).toMatchObject([
      { type: "waiting", reason: expect.stringContaining("already replicated") as string },
    ]);
    process.kill(pid, "SIGCONT");
    await starting;
    await litestream.stop();
    await requireRestorable(folder);
  });
});

describe("a bundle", () => {
  /** Counts in a file how often the application's own module is run. */
  const application = `
    import { Litestream, openReplica, restore } from ${JSON.stringify(library)};
    import { appendFileSync } from "node:fs";
    appendFileSync("runs", "x");
    async function main(): Promise<void> {
      const litestream = new Litestream({ path: "app.db", replicas: [{ path: "app.db-replica" }] });
      await litestream.start();
      await litestream.sync();
      await litestream.stop();
      await restore({ replica: openReplica({ path: "app.db-replica" }), outputPath: "restored.db" });
    }
    main();`;

  async function run(cwd: string, ...command: string[]): Promise<void> {
    const child = Bun.spawn(command, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    const [out, err, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    if (exitCode !== 0) throw new Error(`${command.join(" ")} exited with ${exitCode}: ${out}${err}`);
  }

  test.each([
    ["of `bun build`", ["--target=bun", "--outdir=out"], [process.execPath, "out/app.js"]],
    ["of `bun build --compile`", ["--compile", "--outfile=app"], ["./app"]],
    ["of `bun build --compile --bytecode`", ["--compile", "--bytecode", "--outfile=app"], ["./app"]],
  ])(
    "%s replicates, and runs no part of the application in the child",
    async (_what, build, command) => {
      await using folder = await tempFolder();
      await makeDatabase(folder.join("app.db"));
      writeFileSync(folder.join("app.ts"), application);
      await run(folder.path, process.execPath, "build", "app.ts", ...build);
      await run(folder.path, ...command);
      expect(readFileSync(folder.join("runs"), "utf8")).toBe("x");
      expect(rowsDigest(folder.join("restored.db"))).toBe(rowsDigest(folder.join("app.db")));
    },
    60_000,
  );
});
