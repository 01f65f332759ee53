import { spawnConnection, spawnWriter, verifyWorkload, Workload } from "@litestream/testkit";
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { litestream, RunningCommand } from "./command.ts";

// Each test runs several commands, and other work may hold the machine.
setDefaultTimeout(60_000);

let folder: string;
let config: string;
const at = (...names: string[]): string => join(folder, ...names);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "running-"));
  config = at("litestream.yml");
});
afterEach(() => rmSync(folder, { recursive: true }));

function createDatabase(name: string, transactions = 3): string {
  const path = at(name);
  using database = new Database(path);
  database.run("PRAGMA journal_mode = wal");
  using workload = new Workload(database, { seed: 1 });
  workload.commit(transactions);
  return path;
}

/** A configuration as JSON, which YAML takes. */
function configure(settings: object, ...names: string[]): void {
  const dbs = names.map((name) => ({ path: at(`${name}.db`), replica: { path: at(`${name}-replica`) } }));
  writeFileSync(config, JSON.stringify({ dbs, ...settings }));
}

async function restored(name: string): Promise<number> {
  const output = at(`${name}-restored.db`);
  expect(await litestream("restore", "-o", output, at(`${name}-replica`))).toMatchObject({ exitCode: 0 });
  return verifyWorkload(output);
}

describe("SIGHUP", () => {
  test("starts what is new, stops what is gone, and leaves the others untouched, under load", async () => {
    createDatabase("gone.db");
    createDatabase("new.db");
    configure({}, "kept", "gone");
    await using writer = await spawnWriter({ path: at("kept.db"), seed: 1, rate: 200 });
    await using command = new RunningCommand("replicate", "-config", config);
    await command.saying(`${at("kept.db")}: replica file is up to date`);
    await command.saying(`${at("gone.db")}: replica file is up to date`);
    const before = (await command.saying("up to date")).length;
    configure({}, "kept", "new");
    command.signal("SIGHUP");
    await command.saying(`${at("new.db")}: replica file is up to date`);
    const text = await command.saying("configuration read again: 1 databases go on, 1 started, 1 stopped");
    expect(text).toContain(`${at("gone.db")}: stopped; every replica is at`);
    expect(text.slice(before)).not.toContain(at("kept.db"));
    await writer.stop();
    expect(await command.end("SIGTERM")).toMatchObject({ exitCode: 0 });
    expect(await restored("kept")).toBe(writer.lastAcknowledged());
    expect(await restored("gone")).toBe(3);
    expect(await restored("new")).toBe(3);
  });

  test("goes on with the generation of a database whose settings change", async () => {
    configure({}, "app");
    await using writer = await spawnWriter({ path: at("app.db"), seed: 1, transactions: 5, whenDone: "hold" });
    await writer.waitUntilDone();
    await using command = new RunningCommand("replicate", "-config", config);
    await command.saying("up to date");
    configure({ retention: "48h" }, "app");
    command.signal("SIGHUP");
    await command.saying("going on with the generation of the last run");
    const { stderr, exitCode } = await command.end("SIGTERM");
    expect(exitCode).toBe(0);
    expect(stderr.match(/: new generation/g)).toHaveLength(1);
  });

  test("with a broken file says what is wrong, and changes nothing", async () => {
    createDatabase("app.db");
    configure({}, "app");
    await using command = new RunningCommand("replicate", "-config", config);
    await command.saying("up to date");
    writeFileSync(config, "dbs: 5\nadr: x\n");
    command.signal("SIGHUP");
    const text = await command.saying("the configuration was not changed");
    expect(text).toContain(`${config}:1:6: dbs must be a list of databases`);
    expect(text).toContain(`${config}:2:1: unknown key "adr"; did you mean "addr"?`);
    expect(await command.end("SIGTERM")).toMatchObject({ exitCode: 0 });
  });
});

describe("-exec", () => {
  test("ends with the application's exit code, after a last sync of what it wrote", async () => {
    const db = createDatabase("app.db");
    const script = at("app.ts");
    // What it writes in its last moment is replicated, too.
    writeFileSync(
      script,
      `import { Database } from "bun:sqlite"; const db = new Database(${JSON.stringify(db)});
       db.run("CREATE TABLE late (x)"); db.close(); process.exit(7);`,
    );
    await using command = new RunningCommand(
      "replicate",
      "-exec",
      `${process.execPath} ${script}`,
      db,
      at("app-replica"),
    );
    const { stderr, exitCode } = await command.ended();
    expect(stderr).toContain("ended with exit code 7: last sync");
    expect(exitCode).toBe(7);
    const output = at("restored.db");
    expect(await litestream("restore", "-o", output, at("app-replica"))).toMatchObject({ exitCode: 0 });
    using restoredDb = new Database(output, { readonly: true });
    expect(restoredDb.query("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'late'").get()).toEqual({ n: 1 });
  });

  test("passes signals on, and ends when the application has ended", async () => {
    const db = createDatabase("app.db");
    const command = new RunningCommand(
      "replicate",
      "-exec",
      `sh -c 'trap "exit 3" TERM; echo ready >&2; while :; do sleep 0.05; done'`,
      db,
      at("app-replica"),
    );
    await using _running = command;
    await command.saying("ready");
    const { stderr, exitCode } = await command.end("SIGTERM");
    expect(stderr).toContain("SIGTERM received: waiting for sh to end");
    expect(stderr).toContain("stopped; every replica is at");
    expect(exitCode).toBe(3);
  });

  test("counts an application that a signal ended as shells do", async () => {
    const db = createDatabase("app.db");
    await using command = new RunningCommand("replicate", "-exec", "sh -c 'kill -KILL $$'", db, at("app-replica"));
    expect(await command.ended()).toMatchObject({ exitCode: 137 });
  });

  test("says what cannot be started, and what only a shell could do", async () => {
    const db = createDatabase("app.db");
    const missing = await litestream("replicate", "-exec", "/nonexistent/app", db, at("r"));
    expect(missing.stderr).toContain("cannot start /nonexistent/app");
    expect(missing.exitCode).toBe(1);
    const piped = await litestream("replicate", "-exec", "a | b", db, at("r"));
    expect(piped.stderr).toContain(`-exec "sh -c '…'"`);
    expect(piped.exitCode).toBe(1);
  });
});

describe("-once", () => {
  test("replicates what is there, and ends; with -force-snapshot with one snapshot more", async () => {
    createDatabase("a.db");
    createDatabase("b.db", 5);
    configure({}, "a", "b");
    const first = await litestream("replicate", "-once", "-config", config);
    expect(first.stderr).toContain(`${at("b.db")}: every replica is at`);
    expect(first.exitCode).toBe(0);
    expect(await restored("a")).toBe(3);
    expect(await restored("b")).toBe(5);
  });

  test("with a database that cannot be replicated does the others, and ends with exit code 2", async () => {
    createDatabase("good.db");
    writeFileSync(at("bad.db"), "no database\n".repeat(400));
    configure({}, "bad", "good");
    const { stderr, exitCode } = await litestream("replicate", "-once", "-config", config);
    expect(stderr).toContain(`${at("bad.db")}: error: not replicated: `);
    expect(exitCode).toBe(2);
    expect(await restored("good")).toBe(3);
  });

  test("goes neither with -exec, nor its companions without it", async () => {
    configure({}, "app");
    for (const args of [["-once", "-exec", "x"], ["-force-snapshot"], ["-enforce-retention"]]) {
      const { stderr, exitCode } = await litestream("replicate", ...args, "-config", config);
      expect(stderr).toContain("-once");
      expect(exitCode).toBe(1);
    }
  });
});

describe("-restore-if-db-not-exists", () => {
  test("restores a database that is gone, begins without a backup, and not over one that it cannot read", async () => {
    const db = createDatabase("app.db");
    configure({}, "app");
    const start = ["replicate", "-once", "-restore-if-db-not-exists", "-config", config];
    expect(await litestream(...start)).toMatchObject({ exitCode: 0 });
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${db}${suffix}`, { force: true });
    rmSync(at(".app.db-litestream"), { recursive: true });
    const again = await litestream(...start);
    expect(again.stderr).toContain("restored at");
    expect(again.exitCode).toBe(0);
    expect(verifyWorkload(db)).toBe(3);

    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${db}${suffix}`, { force: true });
    const snapshots = [...new Bun.Glob("generations/*/snapshots/*").scanSync(at("app-replica"))];
    for (const name of snapshots) writeFileSync(at("app-replica", name), "damaged");
    const damaged = await litestream(...start);
    expect(damaged.exitCode).toBe(2);
    expect(existsSync(db)).toBe(false);

    configure({}, "none");
    const none = await litestream(...start);
    expect(none.stderr).toContain("no backup of it");
  });
});

test("SIGTERM while a missing database waits for its backup ends at once", async () => {
  const replica = { url: "s3://bucket/app", endpoint: "http://127.0.0.1:9" };
  const dbs = [{ path: at("app.db"), "restore-if-db-not-exists": true, replica }];
  writeFileSync(config, JSON.stringify({ dbs, "access-key-id": "x", "secret-access-key": "not-a-secret" }));
  await using command = new RunningCommand("replicate", "-socket", at("s"), "-config", config);
  await command.saying("control socket at");
  const { stderr, exitCode } = await command.end("SIGTERM");
  expect(stderr).toContain("SIGTERM received");
  expect(exitCode).toBe(0);
  expect(existsSync(at("app.db"))).toBe(false);
});

test("SIGTERM with a replica that cannot be written ends with exit code 2, naming what is not replicated", async () => {
  const db = createDatabase("app.db");
  configure({ "shutdown-sync-timeout": "300ms", "shutdown-sync-interval": "50ms" }, "app");
  await using connection = await spawnConnection({ path: db });
  await using command = new RunningCommand("replicate", "-config", config);
  await command.saying("up to date");
  renameSync(at("app-replica"), at("app-replica-away"));
  writeFileSync(at("app-replica"), "in the way");
  await connection.run("CREATE TABLE more (x)");
  await command.saying("error: ");
  const { stderr, exitCode } = await command.end("SIGTERM");
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(
    /app\.db: error: stopped, and not everything is replicated: the database is at \S+; replica file/,
  );
});

describe("the log", () => {
  test("is one JSON object in each line where the configuration asks for it", async () => {
    createDatabase("app.db");
    configure({ logging: { type: "json", level: "debug" } }, "app");
    const { stderr } = await litestream("replicate", "-once", "-config", config);
    const records = stderr
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(records.every(({ time, level, msg }) => [time, level, msg].every((part) => typeof part === "string"))).toBe(
      true,
    );
    const upToDate = records.find(({ msg }) => String(msg).startsWith("replica file is up to date"));
    expect(upToDate).toMatchObject({ level: "INFO", db: at("app.db"), replica: "file" });
    expect(upToDate?.["position"]).toMatch(/^[0-9a-f]{16}\/[0-9a-f]{8}:[0-9a-f]{8}$/);
  });

  test("says less at a higher level, and goes to standard output where it shall", async () => {
    createDatabase("app.db");
    configure({ logging: { stderr: false } }, "app");
    const quiet = await litestream("replicate", "-once", "-log-level", "error", "-config", config);
    expect(quiet).toEqual({ stdout: "", stderr: "", exitCode: 0 });
    const loud = await litestream("replicate", "-once", "-config", config);
    expect(loud.stderr).toBe("");
    expect(loud.stdout).toContain("every replica is at");
  });

  test("shows no secret, wherever it comes from", async () => {
    const [key, token, hook] = ["very/secret+key==", "c2Vzc2lvbi10b2tlbg", "hook-id-0815-4711"];
    writeFileSync(
      config,
      JSON.stringify({
        "heartbeat-url": `https://beat.example/${hook}`,
        "shutdown-sync-timeout": "100ms",
        "shutdown-sync-interval": "50ms",
        dbs: [
          {
            path: at("app.db"),
            replica: {
              url: "s3://bucket/app",
              endpoint: "http://127.0.0.1:9",
              "access-key-id": "AKID",
              "secret-access-key": key,
              "session-token": token,
            },
          },
        ],
      }),
    );
    createDatabase("app.db");
    const tracing = ["replicate", "-log-level", "trace", "-trace", at("trace.jsonl"), "-config", config];
    await using command = new RunningCommand(...tracing);
    await command.saying("LIST of replica s3");
    const { stderr: log } = await command.end("SIGTERM");
    const shown = [log];
    for (const args of [
      ["config", "check", config],
      ["databases", "-config", config],
    ]) {
      const { stdout, stderr } = await litestream(...args);
      shown.push(stdout, stderr);
    }
    shown.push(readFileSync(at("trace.jsonl"), "utf8"));
    for (const secret of [key, token, hook]) expect(shown.join("\n")).not.toContain(secret);
  });
});

describe("the control socket", () => {
  const socket = (): string => at("control.sock");

  test("is its owner's alone, is taken away at the end, and left behind by a killed process taken over", async () => {
    createDatabase("app.db");
    configure({ socket: { enabled: true, path: socket() } }, "app");
    {
      await using command = new RunningCommand("replicate", "-config", config);
      await command.saying("control socket at");
      expect(statSync(socket()).mode & 0o777).toBe(0o600);
      const second = await litestream("replicate", "-socket", socket(), createDatabase("b.db"), at("b-replica"));
      expect(second.stderr).toContain(`litestream process ${command.pid} listens on the control socket`);
      expect(second.exitCode).toBe(1);
      await command.end("SIGKILL");
      expect(existsSync(socket())).toBe(true);
    }
    await using command = new RunningCommand("replicate", "-config", config);
    await command.saying("up to date");
    expect(await command.end("SIGTERM")).toMatchObject({ exitCode: 0 });
    expect(existsSync(socket())).toBe(false);
  });

  test("is not made over a file that is none", async () => {
    createDatabase("app.db");
    writeFileSync(socket(), "precious");
    const { stderr, exitCode } = await litestream("replicate", "-socket", socket(), at("app.db"), at("app-replica"));
    expect(stderr).toContain("is taken by a file");
    expect(exitCode).toBe(1);
    expect(readFileSync(socket(), "utf8")).toBe("precious");
  });

  test("answers every command that asks a running replicator", async () => {
    createDatabase("app.db");
    const other = createDatabase("other.db", 4);
    configure({ socket: { enabled: true, path: socket() } }, "app");
    const ask = async (command: string, ...args: string[]): Promise<Record<string, unknown>> => {
      const { stdout, stderr, exitCode } = await litestream(command, "-json", "-config", config, ...args);
      expect({ command, stderr, exitCode }).toEqual({ command, stderr: "", exitCode: 0 });
      return JSON.parse(stdout) as Record<string, unknown>;
    };
    await using command = new RunningCommand("replicate", "-config", config);
    await command.saying("up to date");
    expect(await ask("info")).toMatchObject({ pid: command.pid, database_count: 1 });
    expect(await ask("list")).toMatchObject({ databases: [{ path: at("app.db"), status: "replicating" }] });
    const position = expect.stringMatching(/^[0-9a-f]{16}\/[0-9a-f]{8}:[0-9a-f]{8}$/) as unknown;
    expect(await ask("sync", "-wait", at("app.db"))).toMatchObject({ position, replica_position: position });
    expect(await ask("status")).toMatchObject([
      { path: at("app.db"), state: "replicating", replicas: [{ name: "file", lag_ms: 0, position }] },
    ]);

    expect(await litestream("status", "-check", "-config", config)).toMatchObject({ exitCode: 0 });

    expect(await ask("stop", at("app.db"))).toMatchObject({ status: "stopped", position });
    expect(await litestream("status", "-check", "-config", config)).toMatchObject({ exitCode: 1 });
    expect(await ask("stop", at("app.db"))).toMatchObject({ status: "already_stopped" });
    const refused = await litestream("sync", "-config", config, at("app.db"));
    expect(refused.stderr).toContain(`is stopped. Run litestream start ${at("app.db")}.`);
    expect(await ask("start", at("app.db"))).toMatchObject({ status: "started", position });
    expect(await ask("start", at("app.db"))).toMatchObject({ status: "already_running" });

    const snapshots = await ask("snapshot", at("app.db"));
    expect(snapshots).toMatchObject([{ replica: "file", index: "00000000" }]);
    expect(await ask("validate", "-replica", "file")).toMatchObject([
      { path: at("app.db"), results: [{ replica: "file", status: "ok" }] },
    ]);

    expect(await ask("register", "-replica", at("other-replica"), other)).toMatchObject({ status: "registered" });
    expect(await ask("sync", "-wait", other)).toMatchObject({ position });
    command.signal("SIGHUP");
    await command.saying("configuration read again: 1 databases go on, 0 started, 0 stopped");
    expect(await ask("list")).toMatchObject({ databases: [{ path: at("app.db") }, { path: other }] });
    expect(await ask("unregister", other)).toMatchObject({ status: "unregistered" });
    expect(await restored("other")).toBe(4);

    const unknown = await litestream("sync", "-config", config, at("unknown.db"));
    expect(unknown.stderr).toContain(`database not found: ${at("unknown.db")}`);
    expect(unknown.exitCode).toBe(1);
    expect(await command.end("SIGTERM")).toMatchObject({ exitCode: 0 });

    const nobody = await litestream("list", "-config", config);
    expect(nobody.stderr).toContain(`no replicator listens at ${socket()}`);
    expect(nobody.exitCode).toBe(1);
  });

  test("refuses what is no request of its own", async () => {
    createDatabase("app.db");
    configure({ socket: { enabled: true, path: socket() } }, "app");
    await using command = new RunningCommand("replicate", "-config", config);
    await command.saying("up to date");
    const post = (path: string, body: string): Promise<Response> =>
      fetch(`http://localhost${path}`, { unix: socket(), method: "POST", body });
    expect((await post("/sync", "{")).status).toBe(400);
    expect((await post("/sync", "{}")).status).toBe(400);
    expect((await post("/sync", '{"path":"/none.db"}')).status).toBe(404);
    expect((await post("/nothing", "{}")).status).toBe(404);
    expect((await post("/sync", JSON.stringify({ path: "x".repeat(100_000) }))).status).toBe(413);
    expect(await (await post("/sync", JSON.stringify({ path: at("app.db"), wait: true }))).json()).toMatchObject({
      status: "no_change",
    });
    expect(await command.end("SIGTERM")).toMatchObject({ exitCode: 0 });
  });

  test("without a replicator: sync replicates once, and status says what the replicas hold", async () => {
    createDatabase("app.db");
    configure({ socket: { path: socket() } }, "app");
    const before = await litestream("status", "-json", "-config", config);
    expect(JSON.parse(before.stdout)).toMatchObject([{ state: "stopped", replicas: [{ position: null }] }]);
    expect(await litestream("sync", "-config", config, at("app.db"))).toMatchObject({ exitCode: 0 });
    expect(await restored("app")).toBe(3);
    const after = await litestream("status", "-config", config);
    expect(after.stdout).toContain("not running");
    expect(after.stderr).toContain("no replicator was asked");
    expect(await litestream("status", "-check", "-config", config)).toMatchObject({ exitCode: 1 });
  });
});

describe("folders of databases", () => {
  test("have all that they hold replicated, to places of their own, and what is no database left alone", async () => {
    for (const name of ["tenants", "tenants/deep", "replicas"]) mkdirSync(at(name));
    createDatabase("tenants/a.db");
    createDatabase("tenants/deep/b.db", 4);
    writeFileSync(at("tenants/none.db"), "no database\n".repeat(400));
    createDatabase("tenants/other.sqlite");
    const dir = { dir: at("tenants"), pattern: "*.db", recursive: true, replica: { path: at("replicas/all") } };
    writeFileSync(config, JSON.stringify({ dbs: [{ ...dir, "meta-dir": at("meta") }] }));
    await using command = new RunningCommand("replicate", "-config", config);
    await command.saying("found 2 databases");
    const { exitCode } = await command.end("SIGTERM");
    expect(exitCode).toBe(0);
    for (const [name, transactions] of [
      ["a.db", 3],
      ["deep/b.db", 4],
    ] as const) {
      const output = at("out.db");
      const source = at("tenants", name);
      expect(await litestream("restore", "-config", config, "-o", output, source)).toMatchObject({ exitCode: 0 });
      expect(verifyWorkload(output)).toBe(transactions);
      rmSync(output);
      expect(existsSync(at("meta", `${name}-litestream`))).toBe(true);
    }
    expect([...new Bun.Glob("**/.*-litestream").scanSync({ cwd: at("tenants"), onlyFiles: false, dot: true })]).toEqual(
      [],
    );
    expect(existsSync(at("replicas/all/none.db"))).toBe(false);
    const listed = await litestream("databases", "-config", config);
    expect(listed.stdout).toContain(`${at("tenants/deep/b.db")}  file`);
  });
});
