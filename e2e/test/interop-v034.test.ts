import { Database } from "bun:sqlite";
import { readdirSync, rmSync } from "node:fs";
import { expect } from "bun:test";
import {
  committedPrefix,
  integrityCheck,
  rowsDigest,
  spawnWriter,
  type TempFolder,
  tempFolder,
  type WriterProcess,
} from "@litestream/testkit";
import { acknowledgedBefore } from "../src/acknowledged.ts";
import { type Outcome, restoreWithCommand } from "../src/command.ts";
import { type DatabaseSettings, writeConfigFile } from "../src/config-file.ts";
import { metaPathOf } from "../src/database-files.ts";
import { LitestreamProcess, restoreWithLitestream } from "../src/litestream-process.ts";
import { type Replicator, startReplicator } from "../src/replicator.ts";
import { litestreamTest } from "../src/tools/litestream-test.ts";
import { waitUntil } from "../src/wait-until.ts";

const testWith034 = await litestreamTest("v0.3.4");

/** Checkpoints come often, so that there are several indexes; Litestream looks often, so that tests are short. */
const settings: DatabaseSettings = { "monitor-interval": "50ms", "min-checkpoint-page-count": 200 };

/** A folder with a database and a replica that both replicators take turns at. */
class Stage implements AsyncDisposable {
  readonly litestream: string;
  readonly #folder: TempFolder;

  constructor(litestream: string, folder: TempFolder) {
    this.litestream = litestream;
    this.#folder = folder;
  }

  get dbPath(): string {
    return this.#folder.join("app.db");
  }

  get replicaPath(): string {
    return this.#folder.join("replica");
  }

  /**
   * An application that leaves the replicators time for checkpoints, and whose own checkpoints restart the WAL; with
   * `autocheckpointPages` 0 it makes none.
   */
  startWriter(options: { transactions?: number; autocheckpointPages?: number } = {}): Promise<WriterProcess> {
    return spawnWriter({
      path: this.dbPath,
      seed: 34,
      rowsMax: 1000,
      rate: 600,
      whenDone: "hold",
      logPath: this.#folder.join("acknowledged.log"),
      ...options,
    });
  }

  startOurs(): Promise<Replicator> {
    const { dbPath, replicaPath } = this;
    return startReplicator({ dbPath, replicaPath, workPath: this.#folder.join("work"), settings });
  }

  /** Starts Litestream, and waits until it replicates. */
  async startTheirs(): Promise<LitestreamProcess> {
    const configPath = this.#folder.join("litestream.yml");
    await writeConfigFile(configPath, this.dbPath, this.replicaPath, settings);
    const before = this.committedInReplica();
    const process = new LitestreamProcess(this.litestream, configPath);
    try {
      await waitUntil("Litestream to replicate", async () => (await this.committedInReplica()) > (await before));
      return process;
    } catch (error) {
      await process[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The generation that the last replicator worked in. */
  generation(): string {
    return readdirSync(`${metaPathOf(this.dbPath)}/generations`).join();
  }

  /**
   * Last transaction that Litestream restores now; -1 if it cannot restore a sound database: while it takes a snapshot
   * under load its replica is one of several states, without saying so.
   */
  async committedInReplica(): Promise<number> {
    const outputPath = this.#folder.join(`probe-${crypto.randomUUID()}.db`);
    try {
      const { exitCode } = await restoreWithLitestream(this.litestream, this.replicaPath, outputPath);
      return exitCode === 0 && integrityCheck(outputPath) === "ok" ? committedPrefix(outputPath) : -1;
    } catch {
      return -1;
    } finally {
      remove(outputPath);
    }
  }

  /** Restores with the command of this checkout. @returns digest of all rows, and the last transaction */
  restoreWithOurs(): Promise<Restored> {
    return this.#restored((outputPath) => restoreWithCommand(this.replicaPath, outputPath));
  }

  restoreWithTheirs(): Promise<Restored> {
    return this.#restored((outputPath) => restoreWithLitestream(this.litestream, this.replicaPath, outputPath));
  }

  /** What the database holds, which nobody may have open in this process. */
  source(): Restored {
    return { rows: rowsDigest(this.dbPath), committed: committedPrefix(this.dbPath) };
  }

  async #restored(restore: (outputPath: string) => Promise<Outcome>): Promise<Restored> {
    const outputPath = this.#folder.join(`restored-${crypto.randomUUID()}.db`);
    expect(await restore(outputPath)).toMatchObject({ exitCode: 0 });
    expect(integrityCheck(outputPath)).toBe("ok");
    const restored = { rows: rowsDigest(outputPath), committed: committedPrefix(outputPath) };
    remove(outputPath);
    return restored;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }
}

interface Restored {
  readonly rows: string;
  /** Number of the workload's last transaction in it. */
  readonly committed: number;
}

function remove(path: string): void {
  for (const suffix of ["", "-wal", "-shm", ".tmp"]) rmSync(`${path}${suffix}`, { force: true });
}

async function newStage(litestream: string): Promise<Stage> {
  return new Stage(litestream, await tempFolder());
}

/** Lets at least `count` more transactions be written. */
async function writeMore(writer: WriterProcess, count: number): Promise<void> {
  await writer.waitFor(writer.lastAcknowledged() + count);
}

testWith034(
  "Litestream 0.3.4 restores our replica, of several indexes, while we write it and after",
  async (litestream) => {
    await using stage = await newStage(litestream);
    await using writer = await stage.startWriter({ transactions: 1500 });
    await using ours = await stage.startOurs();
    await ours.waitForReplicated();
    const asOfMs = ours.asOfMs();
    const during = await stage.restoreWithTheirs();
    expect(during.committed).toBeGreaterThanOrEqual(acknowledgedBefore(writer.acknowledged(), asOfMs));
    await writer.waitUntilDone();
    await ours.waitForReplicated(({ position }) => /\/0000000[2-9a-f]:/.test(position));
    expect((await stage.restoreWithTheirs()).committed).toBeGreaterThan(during.committed);

    expect(await ours.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
    await writer.stop();
    expect(writer.lastAcknowledged()).toBe(1500);
    expect(await stage.restoreWithTheirs()).toEqual(stage.source());
    expect(await stage.restoreWithOurs()).toEqual(stage.source());
  },
  120_000,
);

testWith034(
  "we restore the replica of Litestream 0.3.4, of several indexes, while it writes it and after",
  async (litestream) => {
    await using stage = await newStage(litestream);
    await using writer = await stage.startWriter();
    await using theirs = await stage.startTheirs();
    const committed = await stage.committedInReplica();
    expect((await stage.restoreWithOurs()).committed).toBeGreaterThanOrEqual(committed);
    await writer.waitFor(1000);
    await writeMore(writer, 300);
    await writer.stop();
    await theirs.kill("SIGTERM");
    expect(await stage.restoreWithOurs()).toEqual(stage.source());
    expect(writer.lastAcknowledged()).toBe(stage.source().committed);
  },
  120_000,
);

testWith034(
  "a database under Litestream 0.3.4 is taken over in its generation, handed back and taken over again, nothing lost",
  async (litestream) => {
    await using stage = await newStage(litestream);
    await using writer = await stage.startWriter({ autocheckpointPages: 0 });
    for (let turn = 1; turn <= 2; turn++) {
      {
        await using theirs = await stage.startTheirs();
        await writeMore(writer, 300);
        // While nobody replicates a writer may restart the WAL, which begins a generation: that is another test.
        process.kill(writer.pid, "SIGSTOP");
        await theirs.kill("SIGTERM");
      }
      const generation = stage.generation();
      const before = await stage.committedInReplica();
      await using ours = await stage.startOurs();
      expect(await ours.waitFor(({ type }) => type === "opened")).toMatchObject({ resumed: true });
      process.kill(writer.pid, "SIGCONT");
      await ours.waitForReplicated();
      await writeMore(writer, 300);
      expect(await ours.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
      expect(ours.events().filter(({ type }) => type === "generation" || type === "error")).toEqual([]);
      expect(stage.generation()).toBe(generation);
      expect((await stage.restoreWithTheirs()).committed).toBeGreaterThan(before);
    }
    {
      await using theirs = await stage.startTheirs();
      await writeMore(writer, 300);
      await writer.stop();
      await theirs.kill("SIGTERM");
    }
    expect(stage.source().committed).toBe(writer.lastAcknowledged());
    expect(await stage.restoreWithTheirs()).toEqual(stage.source());
    expect(await stage.restoreWithOurs()).toEqual(stage.source());
  },
  180_000,
);

testWith034(
  "a database is taken over after Litestream 0.3.4 was killed under load, again and again, with nothing lost",
  async (litestream) => {
    await using stage = await newStage(litestream);
    await using writer = await stage.startWriter({ autocheckpointPages: 400 });
    for (let turn = 1; turn <= 4; turn++) {
      {
        await using theirs = await stage.startTheirs();
        await writeMore(writer, 50 * turn);
        await theirs.kill("SIGKILL");
      }
      await using ours = await stage.startOurs();
      await ours.waitForReplicated();
      await writeMore(writer, 100);
      const before = writer.lastAcknowledged();
      expect(await ours.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
      const restored = await stage.restoreWithOurs();
      expect(restored.committed).toBeGreaterThanOrEqual(before);
      expect(await stage.restoreWithTheirs()).toEqual(restored);
    }
  },
  180_000,
);

testWith034(
  "a WAL that was restarted between Litestream 0.3.4 and us begins a generation, with the reason, and nothing is lost",
  async (litestream) => {
    await using stage = await newStage(litestream);
    {
      await using writer = await stage.startWriter();
      await using theirs = await stage.startTheirs();
      await writeMore(writer, 100);
      await theirs.kill("SIGTERM");
      await writer.stop();
    }
    truncateWal(stage.dbPath);
    const generation = stage.generation();
    await using writer = await stage.startWriter({ transactions: 500 });
    await writer.waitUntilDone();

    await using ours = await stage.startOurs();
    await ours.waitForReplicated();
    expect(await ours.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
    expect(ours.events().filter(({ type }) => type === "generation")).toMatchObject([
      { reason: "wal restarted while not replicating" },
    ]);
    expect(stage.generation()).not.toBe(generation);
    await writer.stop();
    expect(stage.source().committed).toBe(writer.lastAcknowledged());
    expect(await stage.restoreWithOurs()).toEqual(stage.source());
    expect(await stage.restoreWithTheirs()).toEqual(stage.source());
  },
  120_000,
);

function truncateWal(dbPath: string): void {
  using database = new Database(dbPath);
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
}
