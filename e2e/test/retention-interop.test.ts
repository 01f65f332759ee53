/** Litestream's own releases restore a replica after our retention, and in the middle of it. */
import { cpSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "bun:test";
import { Litestream, type ReplicaOptions } from "@litestream/core";
import { integrityCheck, rowsDigest, spawnWriter, type TempFolder, tempFolder } from "@litestream/testkit";
import { restoreWithCommand } from "../src/command.ts";
import { restoreWithLitestream } from "../src/litestream-process.ts";
import type { LitestreamVersion } from "../src/tools/litestream-binary.ts";
import { litestreamTest } from "../src/tools/litestream-test.ts";

const rounds = 3;
/** Places in a retention at which it is looked what Litestream restores; the last one is its end. */
const looksPerRetention = 3;

class Stage implements AsyncDisposable {
  readonly #litestream: string;
  readonly #folder: TempFolder;
  readonly #engine: Litestream;

  private constructor(litestream: string, folder: TempFolder, layout: "whole" | "segments") {
    this.#litestream = litestream;
    this.#folder = folder;
    // Nothing is within the retention, so that each one deletes all that it may.
    const late = { retentionMs: 1, shadowWalSizeBytesMax: 0 };
    const replicas: readonly ReplicaOptions[] = ["replica", "late"].map((name) => {
      return { name, path: folder.join(name), layout, ...late };
    });
    const options = { path: folder.join("app.db"), monitorEnabled: false, minCheckpointPageCount: 20, replicas };
    this.#engine = new Litestream({ ...options, engine: "inline" });
  }

  static async open(litestream: string, layout: "whole" | "segments"): Promise<Stage> {
    const stage = new Stage(litestream, await tempFolder(), layout);
    await stage.commit(5);
    await stage.#engine.start();
    return stage;
  }

  get engine(): Litestream {
    return this.#engine;
  }

  /** Transactions of another process, which is killed: closing would checkpoint. */
  async commit(transactions: number): Promise<void> {
    const path = this.#folder.join("app.db");
    const settings = { seed: 3, rowsMax: 500, synchronous: "off", autocheckpointPages: 0 } as const;
    await using writer = await spawnWriter({ path, ...settings, transactions, whenDone: "hold" });
    await writer.waitUntilDone();
    await writer.kill();
  }

  /** A replica is away while WAL is written and let go, and comes back. */
  async comeTooLate(name: string): Promise<void> {
    const path = this.#folder.join(name);
    renameSync(path, `${path}.away`);
    writeFileSync(path, "nothing is mounted here");
    for (let i = 0; i < 6; i++) {
      await this.commit(3);
      await this.#engine.sync().catch(() => undefined);
    }
    rmSync(path);
    renameSync(`${path}.away`, path);
    await this.#engine.sync();
    await this.expectRestored(path);
  }

  /** Carries a retention out as far as each of some places, on copies of the replica, and then in it. */
  async enforceRetention(): Promise<number> {
    const [planned] = await this.#engine.enforceRetention({ replica: "replica", isDryRun: true });
    const objects = planned?.objects ?? [];
    for (let look = 0; look < looksPerRetention; look++) {
      const copy = this.#folder.join("copy");
      cpSync(this.#folder.join("replica"), copy, { recursive: true, preserveTimestamps: true });
      const gone = Math.round((objects.length * look) / looksPerRetention);
      for (const { path } of objects.slice(0, gone)) rmSync(join(copy, path), { force: true });
      await this.expectRestored(copy);
      rmSync(copy, { recursive: true });
    }
    const [done] = await this.#engine.enforceRetention({ replica: "replica" });
    await this.expectRestored();
    return done?.deletedWals ?? 0;
  }

  /** Litestream, and we, restore all rows that the database has. */
  async expectRestored(replicaPath: string = this.#folder.join("replica")): Promise<void> {
    const outputPath = this.#folder.join(`restored-${crypto.randomUUID()}.db`);
    for (const outcome of [
      () => restoreWithLitestream(this.#litestream, replicaPath, outputPath),
      () => restoreWithCommand(replicaPath, outputPath),
    ]) {
      expect(await outcome()).toMatchObject({ exitCode: 0 });
      expect(integrityCheck(outputPath)).toBe("ok");
      expect(rowsDigest(outputPath)).toBe(rowsDigest(this.#folder.join("app.db")));
      for (const suffix of ["", "-wal", "-shm"]) rmSync(`${outputPath}${suffix}`, { force: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }
}

const releases: readonly (readonly [LitestreamVersion, "whole" | "segments"])[] = [
  ["v0.3.4", "whole"],
  ["v0.3.13", "segments"],
];

for (const [version, layout] of releases) {
  const testWith = await litestreamTest(version);
  testWith(
    `Litestream ${version} restores our replica in the layout ${layout}, in a retention and behind a gap`,
    async (litestream) => {
      await using stage = await Stage.open(litestream, layout);
      let deletedWals = 0;
      for (let round = 0; round < rounds; round++) {
        for (let i = 0; i < 3; i++) {
          await stage.commit(3);
          await stage.engine.sync();
        }
        // Also where nothing came after the newest snapshot, which has no WAL of its index then.
        if (round % 2 === 1) await stage.engine.snapshot();
        deletedWals += await stage.enforceRetention();
      }
      expect(deletedWals).toBeGreaterThan(4);
      await stage.comeTooLate("late");
      const [behindGap] = await stage.engine.snapshot({ replica: "late" });
      expect(behindGap?.generation).toBe(stage.engine.position()?.generation as never);
    },
    180_000,
  );
}
