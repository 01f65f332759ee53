import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  committedPrefix,
  integrityCheck,
  pagesDigest,
  type TempFolder,
  tempFolder,
  Workload,
} from "@litestream/testkit";
import { isLitestreamError } from "../../src/errors.ts";
import { openReplica } from "../../src/open-replica.ts";
import { restore } from "../../src/restore/restore.ts";
import type { ReplicatingReply, ReplicatingRequest, ReplicatingTask } from "./replicating-protocol.ts";

/** Every occurrence of each kind of point. Otherwise one in the middle of the scene, and of steps the first, too. */
const isLong = process.env["LITESTREAM_KILL_POINTS"] === "all";

/** The engine in its own process, which may be gone at any request. */
class Replicating implements AsyncDisposable {
  readonly seen: string[] = [];
  readonly #child: Bun.Subprocess<"ignore", "inherit", "inherit">;
  #answered = Promise.withResolvers<ReplicatingReply>();

  constructor(task: ReplicatingTask) {
    const script = fileURLToPath(new URL("./replicating-process.ts", import.meta.url));
    this.#child = Bun.spawn([process.execPath, script, JSON.stringify(task)], {
      stdio: ["ignore", "inherit", "inherit"],
      ipc: (reply: ReplicatingReply) => this.#answered.resolve(reply),
    });
  }

  /** @returns false when it was killed instead of answering */
  async ask(request: ReplicatingRequest): Promise<boolean> {
    this.#answered = Promise.withResolvers<ReplicatingReply>();
    this.#child.send(request);
    const reply = await Promise.race([this.#answered.promise, this.#child.exited.then(() => undefined)]);
    if (reply === undefined) {
      if (this.#child.signalCode !== "SIGKILL") throw new Error(`it ended with ${this.#child.exitCode}`);
      return false;
    }
    if (reply.error !== undefined) throw new Error(reply.error);
    this.seen.push(...reply.seen);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}

class Scene implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #database: Database;
  readonly #workload: Workload;

  constructor(folder: TempFolder) {
    this.#folder = folder;
    this.#database = new Database(folder.join("app.db"), { create: true });
    this.#database.run("PRAGMA journal_mode = wal");
    this.#database.run("PRAGMA wal_autocheckpoint = 0");
    this.#database.run("PRAGMA synchronous = off");
    this.#workload = new Workload(this.#database, { seed: 7 });
    this.#workload.commit(2);
  }

  /** First snapshot, WAL, checkpoints, next indexes, compression, a restart. @returns false when it was killed */
  async play(replicating: Replicating): Promise<boolean> {
    for (let run = 0; run < 2; run++) {
      if (!(await replicating.ask({ do: "start" }))) return false;
      for (let round = 0; round < 4; round++) {
        this.write(3);
        if (!(await replicating.ask({ do: "sync", written: this.#workload.committed }))) return false;
      }
      if (!(await replicating.ask({ do: "stop" }))) return false;
    }
    return true;
  }

  replicating(killAt?: ReplicatingTask["killAt"]): Replicating {
    return new Replicating({ folder: this.#folder.path, logPath: this.#logPath, killAt });
  }

  /** What was reported, if anything: the last transaction; and why generations began. Empties the log. */
  takeLog(): { readonly reported: number | undefined; readonly reasons: string[] } {
    const lines = existsSync(this.#logPath) ? readFileSync(this.#logPath, "utf8").split("\n").slice(0, -1) : [];
    rmSync(this.#logPath, { force: true });
    const said = (what: string): string[] =>
      lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.slice(what.length + 1));
    return { reported: said("reported").map(Number).at(-1), reasons: said("generation") };
  }

  /**
   * Why the next run has to begin a generation, from the files; undefined where the newest shadow WAL is a copy of the
   * WAL as it is now.
   */
  reasonForGeneration(): string | undefined {
    const meta = this.#folder.join(".app.db-litestream");
    if (!existsSync(`${meta}/generation`)) return "no generation exists";
    const folder = `${meta}/generations/${readFileSync(`${meta}/generation`, "utf8").trim()}/wal`;
    const shadows = readdirSync(folder).toSorted();
    const shadow = shadows.map((name) => readFileSync(`${folder}/${name}`)).findLast((file) => file.byteLength >= 32);
    if (shadow === undefined) return "no shadow wal";
    const wal = readFileSync(this.#folder.join("app.db-wal"));
    return shadow.equals(wal.subarray(0, shadow.byteLength)) ? undefined : "wal restarted while not replicating";
  }

  write(transactions: number): void {
    this.#workload.commit(transactions);
  }

  get committed(): number {
    return this.#workload.committed;
  }

  /** The transaction that the replica restores to, and its pages; undefined where it has nothing to restore yet. */
  async restored(): Promise<{ readonly committed: number; readonly pages: string } | undefined> {
    const outputPath = this.#folder.join("restored.db");
    try {
      await restore({ replica: openReplica({ path: this.#folder.join("replica") }), outputPath });
    } catch (error) {
      if (isLitestreamError(error, "NO_BACKUP")) return undefined;
      throw error;
    }
    const pages = pagesDigest(outputPath);
    expect(integrityCheck(outputPath)).toBe("ok");
    const committed = committedPrefix(outputPath);
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${outputPath}${suffix}`, { force: true });
    return { committed, pages };
  }

  /** The live database's pages. */
  pages(): string {
    return createHash("sha256").update(this.#database.serialize()).digest("hex");
  }

  get #logPath(): string {
    return this.#folder.join("log");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#workload[Symbol.dispose]();
    this.#database.close();
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function newScene(): Promise<Scene> {
  return new Scene(await tempFolder());
}

/** Every point of the scene, in order. */
async function allPoints(): Promise<string[]> {
  await using scene = await newScene();
  await using replicating = scene.replicating();
  expect(await scene.play(replicating)).toBe(true);
  return replicating.seen;
}

const occurrencesOf = new Map<string, number>();
for (const kind of await allPoints()) occurrencesOf.set(kind, (occurrencesOf.get(kind) ?? 0) + 1);

for (const [kind, occurrences] of occurrencesOf) {
  test(`kill -9 of the engine at ${kind} loses nothing that was reported, and the next run goes on`, async () => {
    for (const occurrence of chosenOf(kind, occurrences)) await killAndGoOn(kind, occurrence);
  }, 600_000);
}

function chosenOf(kind: string, occurrences: number): Set<number> {
  if (isLong) return new Set(Array.from({ length: occurrences }, (_, i) => i + 1));
  const middle = 1 + (occurrences >> 1);
  return new Set(kind.startsWith("step") ? [1, middle] : [middle]);
}

async function killAndGoOn(kind: string, occurrence: number): Promise<void> {
  await using scene = await newScene();
  {
    await using killed = scene.replicating({ kind, occurrence });
    expect(await scene.play(killed)).toBe(false);
  }
  const { reported } = scene.takeLog();
  const held = await scene.restored();
  if (reported !== undefined) expect(held?.committed).toBeGreaterThanOrEqual(reported);
  expect(held?.committed ?? 0).toBeLessThanOrEqual(scene.committed);

  // While nobody replicates; it restarts the WAL if all of it was in the database file.
  scene.write(2);
  const reason = scene.reasonForGeneration();
  await using next = scene.replicating();
  expect(await next.ask({ do: "start" })).toBe(true);
  expect(await next.ask({ do: "sync", written: scene.committed })).toBe(true);
  scene.write(1);
  expect(await next.ask({ do: "stop" })).toBe(true);
  expect(scene.takeLog().reasons).toEqual(reason === undefined ? [] : [reason]);
  expect(await scene.restored()).toEqual({ committed: scene.committed, pages: scene.pages() });
}
