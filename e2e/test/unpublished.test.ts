/**
 * A writer that is killed inside the flush of its commit has written all its frames, the commit frame too, and has not
 * published them: the transaction never happened, and the next writer overwrites it. What a replicator makes of that
 * which looked in between, ours and Litestream's releases (docs/guarantees.md).
 */
import { Database } from "bun:sqlite";
import { existsSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { expect } from "bun:test";
import { Litestream } from "@litestream/core";
import {
  type ConnectionProcess,
  createSyscallShim,
  integrityCheck,
  spawnConnection,
  type SyscallShim,
  syscallShimObstacle,
  tempFolder,
  type TempFolder,
} from "@litestream/testkit";
import { type Outcome, restoreWithCommand } from "../src/command.ts";
import { LitestreamProcess, restoreWithLitestream } from "../src/litestream-process.ts";
import { startReplicator } from "../src/replicator.ts";
import type { LitestreamVersion } from "../src/tools/litestream-binary.ts";
import { litestreamTest } from "../src/tools/litestream-test.ts";
import { skipUnless } from "../src/tools/skip.ts";
import { waitUntil } from "../src/wait-until.ts";

const obstacle = syscallShimObstacle();
const testWithShim = skipUnless(obstacle === undefined ? true : undefined, `no system call shim: ${obstacle}`);

/** Transactions, of one row each, that are acknowledged before the killed one. */
const before = 5;

/**
 * Transactions after it. Either they overwrite but the first of the dead writer's frames, so that its last one still
 * stands where the replicator saw it; or all of them.
 */
const after = { fewer: 5, more: 80 } as const;

/** Rows, and about as many frames, of the transaction that never happened. */
const inventedRows = 40;

/** What a restore gave. */
interface Restored {
  readonly exitCode: number;
  readonly integrity: string;
  /** Acknowledged transactions. */
  readonly acknowledged: number;
  /** Rows of the transaction that never happened. */
  readonly invented: number;
}

class Scene implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #folder: TempFolder;
  readonly #shim: SyscallShim;
  readonly #writer: ConnectionProcess;
  readonly #bystander: ConnectionProcess;
  #committing: Promise<unknown> | undefined;
  #acknowledged = 0;

  private constructor(
    stack: AsyncDisposableStack,
    folder: TempFolder,
    shim: SyscallShim,
    writer: ConnectionProcess,
    bystander: ConnectionProcess,
  ) {
    this.#stack = stack;
    this.#folder = folder;
    this.#shim = shim;
    this.#writer = writer;
    this.#bystander = bystander;
  }

  static async begin(): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await tempFolder());
    const path = folder.join("app.db");
    const shim = stack.use(await createSyscallShim({ path }));
    // While somebody has the database open, a dead writer's frames are not recovered, by which they would come true.
    const bystander = stack.use(await spawnConnection({ path, autocheckpointPages: 0 }));
    const writer = stack.use(await spawnConnection({ path, autocheckpointPages: 0, environment: shim.environment }));
    await writer.run("PRAGMA journal_mode = wal");
    await writer.run("CREATE TABLE t (what TEXT, data BLOB)");
    await bystander.all("SELECT count(*) FROM t");
    const scene = new Scene(stack.move(), folder, shim, writer, bystander);
    await scene.#acknowledge(writer, before);
    await bystander.all("PRAGMA wal_checkpoint(TRUNCATE)");
    return scene;
  }

  get path(): string {
    return this.#folder.join("app.db");
  }

  get replicaPath(): string {
    return this.#folder.join("replica");
  }

  get workPath(): string {
    return this.#folder.join("work");
  }

  get configPath(): string {
    return this.#folder.join("litestream.yml");
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** What the application sees. */
  async live(): Promise<{ readonly acknowledged: unknown; readonly invented: unknown }> {
    const sum = (what: string): string => `count(*) FILTER (WHERE what = '${what}')`;
    const [row] = await this.#bystander.all(
      `SELECT ${sum("acknowledged")} AS acknowledged, ${sum("never happened")} AS invented FROM t`,
    );
    return { acknowledged: row?.["acknowledged"], invented: row?.["invented"] };
  }

  /** A transaction of a writer that lives. */
  async commit(): Promise<void> {
    await this.#acknowledge(this.#writer, 1);
  }

  /** The writer is halted inside the flush of a commit: all is in the WAL, and nothing is published. */
  async haltInCommit(): Promise<void> {
    this.#shim.arm({ call: "sync", file: "wal", action: "stop" });
    const rows = "WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < ?)";
    this.#committing = this.#writer
      .run(`${rows} INSERT INTO t SELECT 'never happened', zeroblob(3000) FROM k`, [inventedRows])
      .catch(() => undefined);
    await this.#shim.reached(this.#committing);
  }

  /** That writer dies there. */
  async kill(): Promise<void> {
    await this.#writer.kill();
    await this.#committing;
    this.#shim.disarm();
  }

  /** The next writer commits, over the dead one's frames. */
  async goOn(transactions: number): Promise<void> {
    await using next = await spawnConnection({ path: this.path, autocheckpointPages: 0 });
    await this.#acknowledge(next, transactions);
  }

  async #acknowledge(writer: ConnectionProcess, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await writer.run("INSERT INTO t VALUES ('acknowledged', zeroblob(100))");
      this.#acknowledged += 1;
    }
  }

  async restored(restore: (replicaPath: string, outputPath: string) => Promise<Outcome>): Promise<Restored> {
    const outputPath = this.#folder.join(`restored-${crypto.randomUUID()}.db`);
    try {
      const { exitCode } = await restore(this.replicaPath, outputPath);
      if (exitCode !== 0) return { exitCode, integrity: "not restored", acknowledged: 0, invented: 0 };
      const integrity = integrityCheck(outputPath);
      using database = new Database(outputPath);
      const rows = (what: string): number =>
        database.query<{ n: number }, [string]>("SELECT count(*) AS n FROM t WHERE what = ?").get(what)?.n ?? 0;
      return { exitCode, integrity, acknowledged: rows("acknowledged"), invented: rows("never happened") };
    } finally {
      for (const suffix of ["", "-wal", "-shm", ".tmp"]) rmSync(`${outputPath}${suffix}`, { force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

const sound = { exitCode: 0, integrity: "ok" } as const;

for (const [name, transactions] of Object.entries(after)) {
  testWithShim(`what a writer did not live to publish is not restored, when ${name} frames follow it`, async () => {
    await using scene = await Scene.begin();
    await using litestream = new Litestream({
      path: scene.path,
      replicas: [{ path: scene.replicaPath }],
      monitorEnabled: false,
    });
    await litestream.start();
    await scene.commit();
    const position = await litestream.sync();
    await scene.haltInCommit();
    expect(await litestream.sync()).toEqual(position);
    await scene.kill();
    expect(await litestream.sync()).toEqual(position);
    await scene.goOn(transactions);
    const { generation, index } = position;
    expect(await litestream.sync()).toMatchObject({ generation, index });
    expect(await scene.restored(restoreWithCommand)).toEqual({
      ...sound,
      acknowledged: before + 1 + transactions,
      invented: 0,
    });
  });
}

testWithShim(
  "a replicator that is stopped while a writer hangs in its commit goes on with what came true",
  async () => {
    await using scene = await Scene.begin();
    const { path: dbPath, replicaPath, workPath } = scene;
    {
      await using replicator = await startReplicator({ dbPath, replicaPath, workPath });
      await replicator.waitForReplicated();
      await scene.commit();
      await scene.haltInCommit();
      expect(await replicator.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
    }
    expect(await scene.restored(restoreWithCommand)).toEqual({ ...sound, acknowledged: before + 1, invented: 0 });
    await scene.kill();
    await using replicator = await startReplicator({ dbPath, replicaPath, workPath });
    expect(await replicator.waitFor(({ type }) => type === "opened")).toMatchObject({ resumed: true });
    await scene.goOn(after.fewer);
    expect(await replicator.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
    const acknowledged = before + 1 + after.fewer;
    expect(await scene.restored(restoreWithCommand)).toEqual({ ...sound, acknowledged, invented: 0 });
  },
);

/** Litestream looks ten times a second here, and says nothing of what it finds. */
const litestreamLooksMs = 2000;

for (const version of ["v0.3.4", "v0.3.13", "v0.5.16"] satisfies LitestreamVersion[]) {
  const testWithLitestream = await litestreamTest(version);
  const testWithBoth = obstacle === undefined ? testWithLitestream : skipUnless<string>(undefined, obstacle);
  for (const [name, transactions] of Object.entries(after)) {
    testWithBoth(
      `what Litestream ${version} makes of a transaction that was not published, when ${name} frames follow it`,
      async (litestream) => {
        await using scene = await Scene.begin();
        const restored = (): Promise<Restored> =>
          scene.restored((replicaPath, outputPath) => restoreWithLitestream(litestream, replicaPath, outputPath));
        await writeFile(scene.configPath, configFor(version, scene.path, scene.replicaPath));
        await using theirs = new LitestreamProcess(litestream, scene.configPath);
        await waitUntil("Litestream to replicate", async () => (await restored()).acknowledged === before);
        if (version === "v0.5.16") {
          await waitUntil("its first snapshot", () => existsSync(`${scene.replicaPath}/ltx/9`));
        }
        await scene.commit();
        await waitUntil("Litestream to replicate on", async () => (await restored()).acknowledged === before + 1);

        await scene.haltInCommit();
        await waitUntil("Litestream to look", async () => (await restored()).invented > 0);
        await scene.kill();
        await scene.goOn(transactions);
        await Bun.sleep(litestreamLooksMs);
        await theirs.kill("SIGTERM");
        const found = await restored();
        console.log(`${version}, ${name} frames: ${JSON.stringify({ live: await scene.live(), restored: found })}`);
        expect(await scene.live()).toEqual({ acknowledged: before + 1 + transactions, invented: 0 });
        // What the last one makes of it when all was overwritten depends on what is in the database file by then.
        if (name === "fewer") expect(found).toEqual({ ...sound, acknowledged: before + 1, invented: inventedRows });
        else if (version !== "v0.5.16") {
          expect(found).toEqual({ ...sound, acknowledged: before + 1 + transactions, invented: 0 });
        }
      },
      120_000,
    );
  }
}

function configFor(version: LitestreamVersion, path: string, replicaPath: string): string {
  const replica = { type: "file", path: replicaPath, "sync-interval": "100ms" };
  const replicas = version === "v0.5.16" ? { replica } : { replicas: [replica] };
  // JSON is YAML.
  return JSON.stringify({ dbs: [{ path, "monitor-interval": "100ms", ...replicas }] });
}
