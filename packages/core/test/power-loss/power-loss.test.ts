import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { committedPrefix, integrityCheck, SeededRandom, tempFolder, Workload } from "@litestream/testkit";
import { isLitestreamError } from "../../src/errors.ts";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { Litestream } from "../../src/litestream.ts";
import { openReplica } from "../../src/open-replica.ts";
import { restore } from "../../src/restore/restore.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

const seed = Number(process.env["LITESTREAM_POWER_LOSS_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
/** Each of so many operations is followed by power losses; 1 for all of them. */
const everyNth = Number(process.env["LITESTREAM_POWER_LOSS_EVERY"] ?? 8);

/** The transaction that a replica restores to; undefined where it says that there is nothing to restore. */
async function restoredPrefix(replicaPath: string, outputPath: string): Promise<number | undefined> {
  try {
    await restore({ replica: openReplica({ path: replicaPath }), outputPath });
  } catch (error) {
    if (isLitestreamError(error, "NO_BACKUP")) return undefined;
    throw error;
  }
  expect(integrityCheck(outputPath)).toBe("ok");
  const restored = committedPrefix(outputPath);
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${outputPath}${suffix}`, { force: true });
  return restored;
}

test("no power loss takes back a position that was reported", async () => {
  console.log(`LITESTREAM_POWER_LOSS_SEED=${seed}`);
  const random = new SeededRandom(seed);
  await using folder = await tempFolder();
  const replicaPath = folder.join("replica");
  mkdirSync(replicaPath);
  using database = new Database(folder.join("app.db"), { create: true });
  database.run("PRAGMA page_size = 512");
  database.run("PRAGMA journal_mode = wal");
  database.run("PRAGMA wal_autocheckpoint = 0");
  using workload = new Workload(database, { seed: 1, pageSize: 512 });
  workload.commit(3);

  const disk = new SimulatedDisk(replicaPath);
  let operations = 0;
  let reported: number | undefined;
  let written = workload.committed;
  let losses = 0;
  /** What the disk may hold now, one state after the other; tried when no operation is under way. */
  const pending: { readonly path: string; readonly reported: number | undefined; readonly written: number }[] = [];
  await using litestream = new Litestream({
    engine: "inline",
    path: folder.join("app.db"),
    replicas: [{ path: replicaPath }],
    monitorEnabled: false,
    minCheckpointPageCount: 40,
    onEvent: ({ type }) => {
      if (type === "replica-sync") reported = written;
    },
  });
  const recording = handleFaultPoints((point) => {
    if (point.kind !== "file") return;
    operations += 1;
    if (point.path.startsWith(replicaPath) && operations % everyNth === 0) {
      for (const likelihood of [0, 1, 0.5, 0.8]) {
        const path = folder.join(`lost-${losses++}`);
        disk.losePower(path, random, likelihood);
        pending.push({ path, reported, written });
      }
    }
    disk.record(point);
  });
  using _ = recording;
  await litestream.start();
  for (let round = 0; round < 25; round++) {
    written = workload.commit(1 + random.below(6));
    if (round === 15) database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    await litestream.sync();
    for (const state of pending.splice(0)) {
      const restored = await restoredPrefix(state.path, folder.join("restored.db"));
      if (state.reported !== undefined) expect(restored).toBeGreaterThanOrEqual(state.reported);
      if (restored !== undefined) expect(restored).toBeLessThanOrEqual(state.written);
      rmSync(state.path, { recursive: true });
    }
  }
  console.log(`${operations} operations on files, ${losses} power losses`);
  expect(losses).toBeGreaterThan(100);
}, 300_000);
