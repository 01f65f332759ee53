/** Litestream's releases and ours read each other's replicas over MinIO, and go on where the other left off. */
import { Database } from "bun:sqlite";
import { afterAll, expect } from "bun:test";
import { rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { Litestream, openReplica, type ReplicaReader, restore } from "@litestream/core";
import {
  committedPrefix,
  integrityCheck,
  rowsDigest,
  type TempFolder,
  tempFolder,
  Workload,
} from "@litestream/testkit";
import { LitestreamProcess, restoreWithLitestream } from "../src/litestream-process.ts";
import { run } from "../src/command.ts";
import { litestreamTest } from "../src/tools/litestream-test.ts";
import { type ObjectServer, objectServerBinary, startObjectServer } from "../src/tools/object-server.ts";
import { waitUntil } from "../src/wait-until.ts";

const minio = await objectServerBinary("minio");
let starting: Promise<ObjectServer> | undefined;
afterAll(async () => (await starting)?.[Symbol.asyncDispose]());

/** A database, its path in the bucket, and both replicators' views of it. */
class Stage implements AsyncDisposable {
  readonly server: ObjectServer;
  readonly workload: Workload;
  readonly #litestream: string;
  readonly #folder: TempFolder;
  readonly #name: string;
  readonly #database: Database;
  #restores = 0;

  constructor(server: ObjectServer, litestream: string, folder: TempFolder, name: string) {
    this.server = server;
    this.#litestream = litestream;
    this.#folder = folder;
    this.#name = name;
    this.#database = new Database(this.path, { create: true });
    this.#database.run("PRAGMA journal_mode = wal");
    this.#database.run("PRAGMA busy_timeout = 5000");
    this.#database.run("PRAGMA wal_autocheckpoint = 0");
    this.workload = new Workload(this.#database, { seed: 3 });
    this.workload.commit(20);
  }

  get path(): string {
    return this.#folder.join("app.db");
  }

  get replica(): ReplicaReader {
    return openReplica(this.server.replica(this.#name));
  }

  /** What ours writes until it is stopped; several indexes, and several segments in each. */
  async replicateWithOurs(): Promise<void> {
    const replica = { ...this.server.replica(this.#name), syncIntervalMs: 10 };
    await using litestream = new Litestream({
      path: this.path,
      replicas: [replica],
      engine: "inline",
      minCheckpointPageCount: 100,
      monitorEnabled: false,
    });
    await litestream.start();
    for (let round = 0; round < 8; round++) {
      await litestream.sync();
      this.workload.commit(5);
    }
    await litestream.stop();
  }

  /** What theirs writes, until ours restores everything. */
  async replicateWithTheirs(): Promise<void> {
    const configPath = await this.#writeConfig({ "monitor-interval": "50ms", "min-checkpoint-page-count": 100 });
    await using theirs = new LitestreamProcess(this.#litestream, configPath);
    for (let round = 0; round < 6; round++) {
      await waitUntil("Litestream to replicate", async () => (await this.committedByOurs()) >= this.workload.committed);
      if (round < 5) this.workload.commit(5);
    }
    await theirs.kill("SIGTERM");
  }

  async committedByOurs(): Promise<number> {
    const outputPath = this.#newOutput();
    try {
      await restore({ replica: this.replica, outputPath });
      return committedPrefix(outputPath);
    } catch {
      return -1;
    } finally {
      rmSync(outputPath, { force: true });
    }
  }

  /** Both restore what the database holds. */
  async expectBothRestore(): Promise<void> {
    const rows = rowsDigest(this.path);
    const ours = this.#newOutput();
    await restore({ replica: this.replica, outputPath: ours });
    expect(integrityCheck(ours)).toBe("ok");
    expect(rowsDigest(ours)).toBe(rows);
    const theirs = this.#newOutput();
    const configPath = await this.#writeConfig({});
    const command = [this.#litestream, "restore", "-config", configPath, "-o", theirs, this.path];
    expect(await run(command)).toMatchObject({ exitCode: 0 });
    expect(integrityCheck(theirs)).toBe("ok");
    expect(rowsDigest(theirs)).toBe(rows);
  }

  /** Such as all releases read. */
  async #writeConfig(settings: Readonly<Record<string, string | number>>): Promise<string> {
    const { bucket, endpoint, keys } = this.server;
    const replica = {
      type: "s3",
      bucket,
      path: this.#name,
      endpoint,
      region: "us-east-1",
      "force-path-style": true,
      "access-key-id": keys.accessKeyId,
      "secret-access-key": keys.secretAccessKey,
      "sync-interval": "50ms",
    };
    const configPath = this.#folder.join("litestream.yml");
    await writeFile(configPath, JSON.stringify({ dbs: [{ path: this.path, ...settings, replicas: [replica] }] }));
    return configPath;
  }

  #newOutput(): string {
    return this.#folder.join(`restored-${++this.#restores}.db`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.workload[Symbol.dispose]();
    this.#database.close();
    await this.#folder[Symbol.asyncDispose]();
  }
}

async function newStage(litestream: string, name: string): Promise<Stage> {
  if (minio === undefined) throw new Error("MinIO could not be built by Go, or Go is not installed");
  starting ??= startObjectServer("minio", minio);
  return new Stage(await starting, litestream, await tempFolder(), name);
}

for (const version of ["v0.3.4", "v0.3.13", "v0.5.16"] as const) {
  const testWithLitestream = await litestreamTest(version);

  testWithLitestream(
    `Litestream ${version} restores from MinIO what we write there`,
    async (litestream) => {
      await using stage = await newStage(litestream, `ours-${version}`);
      await stage.replicateWithOurs();
      const wals = await stage.replica.wals();
      expect(new Set(wals.map(({ index }) => index)).size).toBeGreaterThan(1);
      expect(wals.some(({ offset }) => offset > 0)).toBe(true);
      await stage.expectBothRestore();
    },
    60_000,
  );

  testWithLitestream(
    `we restore from MinIO what Litestream ${version} writes there`,
    async (litestream) => {
      await using stage = await newStage(litestream, `theirs-${version}`);
      await stage.replicateWithTheirs();
      await stage.expectBothRestore();
    },
    60_000,
  );
}

const testWith0313 = await litestreamTest("v0.3.13");

testWith0313(
  "a replica on MinIO changes hands: Litestream v0.3.13, ours, and back",
  async (litestream) => {
    await using stage = await newStage(litestream, "changes-hands");
    await stage.replicateWithTheirs();
    const [first] = await stage.replica.generations();
    await stage.replicateWithOurs();
    await stage.expectBothRestore();
    // In the same generation: nothing was written while nobody replicated.
    expect(await stage.replica.generations()).toEqual(first === undefined ? [] : [first]);
    await stage.replicateWithTheirs();
    await stage.expectBothRestore();
  },
  60_000,
);

testWith0313(
  "Litestream v0.3.13 restores a folder that we write in segments",
  async (litestream) => {
    await using folder = await tempFolder();
    using database = new Database(folder.join("app.db"), { create: true });
    database.run("PRAGMA journal_mode = wal");
    using workload = new Workload(database, { seed: 4 });
    const replica = { path: folder.join("replica"), layout: "segments" } as const;
    await using ours = new Litestream({ path: folder.join("app.db"), replicas: [replica], monitorEnabled: false });
    await ours.start();
    for (let round = 0; round < 4; round++) {
      workload.commit(5);
      await ours.sync();
    }
    await ours.stop();
    const wals = await openReplica(replica).wals();
    expect(wals.length).toBeGreaterThan(3);
    const outputPath = folder.join("restored.db");
    expect(await restoreWithLitestream(litestream, replica.path, outputPath)).toMatchObject({ exitCode: 0 });
    expect(integrityCheck(outputPath)).toBe("ok");
    expect(rowsDigest(outputPath)).toBe(rowsDigest(folder.join("app.db")));
  },
  60_000,
);
