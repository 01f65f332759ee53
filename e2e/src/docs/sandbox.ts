/**
 * A machine as the pages assume one, in a folder: /data/app.db with its replica in /backups/app, a configuration, and a
 * checkout to stand in. Commands of the pages run here as they are written; only what is absolute is moved below the
 * folder.
 */
import { Database } from "bun:sqlite";
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { spawnWriter, tempFolder, type TempFolder } from "@litestream/testkit";
import { commandEnvironment, commandLine, type Outcome, run } from "../command.ts";
import { waitUntil } from "../wait-until.ts";
import { root } from "./markdown.ts";

const transactions = 30;
/** What goes on has to be ready by then, also on a machine that is busy with other work. */
const readyMsMax = 100_000;
/** Folders at the root of a machine that the pages name. */
const absolute = /(?<![\w.-])\/(data|backups|mnt|srv|etc|var|run|tmp|usr)(?![\w-])/g;
/** Of commands that are run for what they say. */
const unmeasured = { cpuMs: undefined, peakMemoryBytes: undefined };
const inCheckout = ["contrib", "docs", "examples", "package.json", "packages", "scripts"];

export class Sandbox implements AsyncDisposable {
  readonly #folder: TempFolder;
  /** When the replica in it was written, as `-timestamp` takes it. */
  readonly #time: string;
  readonly #generation: string;
  #running: Bun.Subprocess<"ignore", "ignore", "pipe">[] = [];

  private constructor(folder: TempFolder, time: string, generation: string) {
    this.#folder = folder;
    this.#time = time;
    this.#generation = generation;
  }

  static async create(): Promise<Sandbox> {
    const folder = await tempFolder();
    for (const path of ["data", "backups", "mnt/offsite", "etc", "var", "run", "tmp", "usr/local/bin", "home", "bin"]) {
      mkdirSync(folder.join(path), { recursive: true });
    }
    const [database, replica, home] = [folder.join("data/app.db"), folder.join("backups/app"), folder.join("home")];
    {
      await using writer = await spawnWriter({ path: database, seed: 1, transactions });
      await writer.waitUntilDone();
    }
    {
      using db = new Database(database);
      db.run("CREATE TABLE events (id INTEGER PRIMARY KEY, at TEXT NOT NULL)");
      db.run("INSERT INTO events (at) VALUES (datetime())");
    }
    writeFileSync(
      folder.join("etc/litestream.yml"),
      JSON.stringify({
        dbs: [
          { path: database, replicas: [{ path: replica }, { name: "offsite", path: folder.join("mnt/offsite/app") }] },
        ],
      }),
    );
    await done(run([...commandLine, "replicate", "-once", "-config", folder.join("etc/litestream.yml")]));
    const plan = await done(run([...commandLine, "restore", "-dry-run", "-json", "-o", folder.join("none"), replica]));
    const { timestamp, generation } = JSON.parse(plan.stdout) as { timestamp: string; generation: string };

    for (const name of inCheckout) symlinkSync(join(root, name), join(home, name));
    copyFileSync(database, join(home, "app.db"));
    cpSync(replica, join(home, "backup"), { recursive: true });
    // Pages call both the database beside them and that of /data by `-config litestream.yml`.
    const databases = [
      { path: "app.db", replicas: [{ path: "backup" }] },
      { path: database, replicas: [{ path: replica }] },
    ];
    writeFileSync(join(home, "litestream.yml"), JSON.stringify({ dbs: databases }));
    for (const app of [join(home, "app"), folder.join("bin/app")]) {
      writeFileSync(app, "#!/bin/sh\nexit 0\n");
      chmodSync(app, 0o755);
    }
    const words = commandLine.map((word) => `'${word}'`).join(" ");
    writeFileSync(folder.join("bin/litestream"), `#!/bin/sh\nexec ${words} "$@"\n`);
    chmodSync(folder.join("bin/litestream"), 0o755);
    copyFileSync(folder.join("bin/litestream"), join(home, "litestream"));
    chmodSync(join(home, "litestream"), 0o755);
    symlinkSync(process.execPath, folder.join("bin/bun"));
    return new Sandbox(folder, timestamp, generation);
  }

  path(...parts: string[]): string {
    return this.#folder.join(...parts);
  }

  /** A line of a page, with what it names where that is here. */
  translate(line: string): string {
    return line
      .replace(/\s+#\s.*$/, "")
      .replaceAll(absolute, (_, name: string) => this.path(name))
      .replaceAll(/\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, this.#time)
      .replaceAll(/(?<=-generation[ =])[0-9a-f]{16}\b/g, this.#generation)
      .replaceAll(/(?<=-index[ =])[0-9a-f]{8}\b/g, "00000000");
  }

  /** Runs a line of a page to its end. What has none, a replicator or a follower, goes on until it is stopped. */
  async run(line: string): Promise<Outcome> {
    const command = this.translate(line);
    this.#prepare(command);
    if (/^(?:\.\/)?litestream replicate (?!.*-(?:once|exec))/.test(command)) {
      return await this.#background(command, (said) => said.includes("is up to date at"));
    }
    if (/\blitestream restore (?=.*-f\b)/.test(command)) {
      const [, copy = ""] = /-o (\S+)/.exec(command) ?? [];
      return await this.#background(command, () => existsSync(copy));
    }
    const [, socket] = /^litestream (?!replicate ).*-socket (\S+)/.exec(command) ?? [];
    if (socket !== undefined) await this.#listenAt(socket);
    if (/^litestream status .*-watch\b/.test(command)) return await this.#background(command, () => true);
    return await this.#shell(command);
  }

  /** What goes on ends the newest first: who looks at a replicator fails once that is gone. */
  async stop(): Promise<void> {
    for (const child of this.#running.splice(0).toReversed()) {
      child.kill("SIGTERM");
      const exitCode = await child.exited;
      // What only looks ends by the signal.
      if (exitCode !== 0 && exitCode !== 143) throw new Error(`what went on ended with exit code ${exitCode}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#running) child.kill("SIGKILL");
    await Promise.all(this.#running.map((child) => child.exited));
    await this.#folder[Symbol.asyncDispose]();
  }

  /** Where a page restores a database, it was lost before. */
  #prepare(command: string): void {
    if (!/\blitestream restore\b/.test(command) || /-if-db-not-exists|-dry-run/.test(command)) return;
    for (const word of command.split(/\s+/)) {
      const path = word.startsWith("/") ? word : this.path("home", word);
      if (!word.endsWith(".db")) continue;
      for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
      rmSync(join(dirname(path), `.${basename(path)}-litestream`), { recursive: true, force: true });
    }
  }

  /** A replicator that can be asked at `socket`. */
  async #listenAt(socket: string): Promise<void> {
    if (existsSync(socket)) return;
    const config = this.path("etc/litestream.yml");
    const command = `litestream replicate -socket ${socket} -config ${config}`;
    const { exitCode, stderr } = await this.#background(command, (said) => said.includes("is up to date at"));
    if (exitCode !== 0) throw new Error(stderr);
  }

  async #background(command: string, isReady: (said: string) => boolean): Promise<Outcome> {
    // A page that shows another way to start it means instead of the one before.
    if (/\breplicate\b/.test(command)) await this.stop();
    const begunMs = performance.now();
    const child = Bun.spawn(["bash", "-c", `exec ${command}`], {
      cwd: this.path("home"),
      env: this.#environment(),
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#running.push(child);
    let stderr = "";
    const read = async (): Promise<void> => {
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) stderr += text;
    };
    const reading = read();
    await waitUntil(`${command} to be ready`, () => isReady(stderr) || child.exitCode !== null, readyMsMax);
    if (child.exitCode !== null) await reading;
    else reading.catch(() => undefined);
    const durationMs = performance.now() - begunMs;
    return { exitCode: child.exitCode ?? 0, stdout: "", stderr, durationMs, ...unmeasured };
  }

  async #shell(command: string): Promise<Outcome> {
    const begunMs = performance.now();
    const child = Bun.spawn(["bash", "-eu", "-o", "pipefail", "-c", command], {
      cwd: this.path("home"),
      env: this.#environment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { exitCode, stdout, stderr, durationMs: performance.now() - begunMs, ...unmeasured };
  }

  #environment(): Record<string, string | undefined> {
    return {
      ...commandEnvironment(),
      LITESTREAM_CONFIG: this.path("etc/litestream.yml"),
      PATH: `${this.path("bin")}:${process.env["PATH"] ?? ""}`,
    };
  }
}

async function done(running: Promise<Outcome>): Promise<Outcome> {
  const outcome = await running;
  if (outcome.exitCode !== 0) throw new Error(`${outcome.stdout}${outcome.stderr}`);
  return outcome;
}
