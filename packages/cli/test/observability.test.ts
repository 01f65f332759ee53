import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { litestream, RunningCommand } from "./command.ts";

interface Place extends Disposable {
  readonly config: string;
  at(name: string): string;
  configure(settings: object, ...names: string[]): void;
}

function place(): Place {
  const folder = mkdtempSync(join(tmpdir(), "observability-"));
  const at = (name: string): string => join(folder, name);
  const config = at("litestream.yml");
  return {
    config,
    at,
    configure(settings, ...names) {
      for (const name of names) {
        using database = new Database(at(`${name}.db`));
        database.run("PRAGMA journal_mode = wal");
        database.run("CREATE TABLE IF NOT EXISTS t (n)");
      }
      const dbs = names.map((name) => ({ path: at(`${name}.db`), replica: { path: at(`${name}-replica`) } }));
      // JSON is YAML.
      writeFileSync(config, JSON.stringify({ dbs, ...settings }));
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

async function urlOf(command: RunningCommand): Promise<string> {
  const said = await command.saying("to this machine only");
  return /serving status and metrics at (http:\S+),/.exec(said)?.[1] ?? "";
}

describe("addr", () => {
  test("serves what is replicated, and no longer what a reload took out", async () => {
    using here = place();
    here.configure({ addr: "127.0.0.1:0" }, "kept", "gone");
    await using command = new RunningCommand("replicate", "-config", here.config);
    const url = await urlOf(command);
    await command.saying(`${here.at("gone.db")}: replica file is up to date`);
    await command.saying(`${here.at("kept.db")}: replica file is up to date`);
    const metrics = async (): Promise<string> => (await fetch(`${url}/metrics`)).text();
    expect(await metrics()).toContain(`litestream_sync_count{db="${here.at("gone.db")}"}`);
    here.configure({ addr: "127.0.0.1:0" }, "kept");
    command.signal("SIGHUP");
    await command.saying("1 databases go on, 0 started, 1 stopped");
    // What is not asked for is not looked at.
    await fetch(`${url}/status.json`);
    while ((await metrics()).includes("gone.db")) {
      await Bun.sleep(20);
      await fetch(`${url}/status.json`);
    }
    expect(await metrics()).toContain(`litestream_sync_count{db="${here.at("kept.db")}"}`);
    expect(await command.end("SIGTERM")).toMatchObject({ exitCode: 0 });
  }, 60_000);

  test("that cannot be had is said, and keeps nothing from being replicated", async () => {
    using here = place();
    using other = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    here.configure({ addr: `127.0.0.1:${other.port}` }, "app");
    await using command = new RunningCommand("replicate", "-config", here.config);
    await command.saying(`cannot serve at 127.0.0.1:${other.port}`);
    await command.saying(`${here.at("app.db")}: replica file is up to date`);
    expect(await command.end("SIGTERM")).toMatchObject({ exitCode: 0 });
  }, 60_000);

  test("that is none is refused", async () => {
    using here = place();
    here.configure({ addr: "localhost" }, "app");
    const { exitCode, stderr } = await litestream("replicate", "-config", here.config);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('"localhost" is no address to serve at');
  }, 60_000);

  test("asks for the token, and the log does not show it", async () => {
    using here = place();
    here.configure({ addr: "127.0.0.1:0", "addr-token": "v3ry-s3cret" }, "app");
    await using command = new RunningCommand("replicate", "-config", here.config);
    const url = await urlOf(command);
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    const headers = { Authorization: "Bearer v3ry-s3cret" };
    expect((await fetch(`${url}/metrics`, { headers })).status).toBe(200);
    expect((await command.end("SIGTERM")).stderr).not.toContain("v3ry-s3cret");
  }, 60_000);
});
