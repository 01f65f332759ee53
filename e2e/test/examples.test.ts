import { expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnWriter, tempFolder, type TempFolder } from "@litestream/testkit";
import { parse } from "yaml";
import { commandEnvironment, commandLine, run } from "../src/command.ts";
import { loseDatabase } from "../src/database-files.ts";
import { root } from "../src/docs/markdown.ts";

const examples = join(root, "examples");
const timeoutMs = 60_000;

/** A folder with `litestream` and `bun` to be put on the PATH. */
function binFolder(folder: TempFolder): string {
  const bin = folder.join("bin");
  mkdirSync(bin);
  const words = commandLine.map((word) => `'${word}'`).join(" ");
  writeFileSync(join(bin, "litestream"), `#!/bin/sh\nexec ${words} "$@"\n`);
  chmodSync(join(bin, "litestream"), 0o755);
  symlinkSync(process.execPath, join(bin, "bun"));
  return bin;
}

/** A server of an example, until it is ended. Disposing kills it, if it still runs. */
class Server implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "inherit">;
  /** Where it listens. */
  readonly url: Promise<string>;

  constructor(words: readonly string[], cwd: string, env: Readonly<Record<string, string>>) {
    this.#child = Bun.spawn([...words], {
      cwd,
      env: { ...commandEnvironment(), PORT: "0", ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.url = this.#listening();
    // Whoever does not ask where it listens hears of its end by `end`.
    this.url.catch(() => undefined);
  }

  /** @returns its exit code */
  async end(signal: NodeJS.Signals): Promise<number> {
    this.#child.kill(signal);
    return await this.#child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGKILL");
  }

  async #listening(): Promise<string> {
    let said = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      said += text;
      const [url] = /http:\/\/\S+/.exec(said) ?? [];
      if (url !== undefined) return url;
    }
    throw new Error(`the server ended without listening: ${said}`);
  }
}

test(
  "examples/docker: on an empty volume, the container's command goes on with what the one before replicated",
  async () => {
    await using folder = await tempFolder();
    mkdirSync(folder.join("data"));
    mkdirSync(folder.join("backups"));
    const [database, config] = [folder.join("data/app.db"), folder.join("litestream.yml")];
    const text = readFileSync(join(examples, "docker/litestream.yml"), "utf8");
    writeFileSync(
      config,
      text.replaceAll(/(?<=\s)\/(data|backups|tmp)\//g, (_, name: string) =>
        folder.join(name === "tmp" ? "." : name, "/"),
      ),
    );
    const [, cmd = "[]"] = /^CMD (\[.*\])$/m.exec(readFileSync(join(examples, "docker/Dockerfile"), "utf8")) ?? [];
    const words = JSON.parse(cmd) as string[];
    const env = { DATABASE: database, LITESTREAM_CONFIG: config, PATH: `${binFolder(folder)}:${process.env["PATH"]}` };
    for (const visits of [[1, 2], [3]]) {
      await using server = new Server(words, join(examples, "docker"), env);
      const url = await server.url;
      for (const visit of visits) expect(await (await fetch(url)).text()).toBe(`visit ${visit}\n`);
      expect(await server.end("SIGTERM")).toBe(0);
      await loseDatabase(database);
    }
  },
  timeoutMs,
);

test(
  "examples/bun-serve: an order that was answered is safe, whatever becomes of the machine",
  async () => {
    await using folder = await tempFolder();
    const env = { DATABASE: folder.join("app.db"), REPLICA: folder.join("backup") };
    const words = [process.execPath, join(examples, "bun-serve/server.ts")];
    {
      await using server = new Server(words, folder.path, env);
      const orders = new URL("orders", await server.url);
      for (const body of ["tea", "bread"]) expect((await fetch(orders, { method: "POST", body })).status).toBe(201);
      await server.end("SIGKILL");
    }
    // The engine's process ends with the server's, after a last sync: until then the database is not to be taken away.
    await using next = new Server(words, folder.path, { ...env, DATABASE: folder.join("elsewhere.db") });
    const orders = await fetch(new URL("orders", await next.url));
    expect(await orders.json()).toEqual([
      { id: 1, item: "tea" },
      { id: 2, item: "bread" },
    ]);
    expect(await next.end("SIGTERM")).toBe(0);
  },
  timeoutMs,
);

test(
  "examples/recovery-drill: passes for a good replica, fails for one with too little in it, and for a damaged one",
  async () => {
    await using folder = await tempFolder();
    const [database, replica] = [folder.join("app.db"), folder.join("replica")];
    {
      await using writer = await spawnWriter({ path: database, seed: 1, transactions: 20 });
      await writer.waitUntilDone();
    }
    {
      using db = new Database(database);
      db.run("CREATE TABLE events (id INTEGER PRIMARY KEY)");
      db.run("INSERT INTO events DEFAULT VALUES");
    }
    expect(await run([...commandLine, "replicate", "-once", database, replica])).toMatchObject({ exitCode: 0 });
    const path = `${binFolder(folder)}:${process.env["PATH"]}`;
    const drill = (least: string, of = replica): number =>
      Bun.spawnSync(["sh", join(examples, "recovery-drill/drill.sh"), of], {
        env: { ...process.env, PATH: path, DRILL_QUERY: "SELECT count(*) FROM events", DRILL_AT_LEAST: least },
        stdio: ["ignore", "ignore", "ignore"],
      }).exitCode;
    expect(drill("1")).toBe(0);
    expect(drill("2")).not.toBe(0);
    const damaged = folder.join("damaged");
    cpSync(replica, damaged, { recursive: true });
    for (const name of new Bun.Glob("**/*.snapshot.lz4").scanSync({ cwd: damaged })) rmSync(join(damaged, name));
    expect(drill("1", damaged)).not.toBe(0);

    // The workflow's own steps, with the archive that it unpacks.
    const workflow = parse(readFileSync(join(examples, "recovery-drill/github-actions.yml"), "utf8")) as {
      jobs: { restore: { env: Record<string, string>; steps: { run?: string }[] } };
    };
    const checkout = folder.join("checkout");
    mkdirSync(checkout);
    symlinkSync(examples, join(checkout, "examples"));
    mkdirSync(folder.join("litestream-1"));
    cpSync(folder.join("bin/litestream"), folder.join("litestream-1/litestream"));
    Bun.spawnSync(["tar", "-czf", join(checkout, "litestream-1.tar.gz"), "-C", folder.path, "litestream-1/litestream"]);
    const { env, steps } = workflow.jobs.restore;
    const scripts = steps.flatMap((step) => (step.run === undefined ? [] : [step.run]));
    expect(scripts).toHaveLength(2);
    const github = { HOME: folder.join("home"), GITHUB_PATH: folder.join("github-path") };
    for (const script of scripts) {
      const { exitCode, stderr } = Bun.spawnSync(["bash", "-eo", "pipefail", "-c", script], {
        cwd: checkout,
        env: { ...process.env, ...env, ...github, REPLICA: replica, PATH: `${github.HOME}/bin:${process.env["PATH"]}` },
        stdio: ["ignore", "ignore", "pipe"],
      });
      expect({ exitCode, said: stderr.toString() }).toMatchObject({ exitCode: 0 });
    }
    expect(readFileSync(github.GITHUB_PATH, "utf8")).toBe(`${github.HOME}/bin\n`);
  },
  timeoutMs,
);

test("examples/s3: the configuration is understood, as are those of all others", async () => {
  for (const path of new Bun.Glob("**/litestream.yml").scanSync({ cwd: examples, absolute: true })) {
    const child = Bun.spawn([...commandLine, "config", "check", "-config", path], {
      env: { ...commandEnvironment(), S3_ENDPOINT: "https://s3.example.com" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [out, err, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect({ exitCode, said: exitCode === 0 ? "" : `${out}${err}` }).toEqual({ exitCode: 0, said: "" });
    expect(err).not.toContain("warning");
  }
});
