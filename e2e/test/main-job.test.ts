import { existsSync, statSync } from "node:fs";
import { expect, test } from "bun:test";
import {
  committedPrefix,
  generateDatabase,
  integrityCheck,
  schemaOf,
  spawnWriter,
  tempFolder,
  verifyWorkload,
} from "@litestream/testkit";
import { acknowledgedBefore } from "../src/acknowledged.ts";
import { restoreWithCommand } from "../src/command.ts";
import { loseDatabase } from "../src/database-files.ts";
import { startReplicator } from "../src/replicator.ts";

for (const pageSize of [512, 4096, 65_536]) {
  test(`replicate and restore give every acknowledged transaction back, page size ${pageSize}`, async () => {
    await using folder = await tempFolder();
    const dbPath = folder.join("app.db");
    const replicaPath = folder.join("replica");
    const outputPath = folder.join("restored.db");
    await using writer = await spawnWriter({
      path: dbPath,
      seed: pageSize,
      pageSize,
      transactions: 1200,
      pagesPerTransaction: pageSize === 65_536 ? 2 : 8,
      whenDone: "hold",
    });
    const schema = schemaOf(dbPath);

    await using replicator = await startReplicator({ dbPath, replicaPath, workPath: folder.join("work") });
    await replicator.waitForReplicated();
    await writer.waitUntilDone();
    expect(await replicator.kill("SIGTERM")).toMatchObject({ exitCode: 0, signal: null });
    expect(replicator.events().filter(({ type }) => type === "error" || type === "warning")).toEqual([]);
    expect(replicator.events().filter(({ type }) => type === "generation")).toHaveLength(1);
    expect(schemaOf(dbPath)).toEqual(schema);
    await writer.stop();
    await loseDatabase(dbPath);

    expect(await restoreWithCommand(replicaPath, outputPath)).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    expect(verifyWorkload(outputPath)).toBe(1200);
    expect(schemaOf(outputPath)).toEqual(schema);
  }, 180_000);
}

test("SIGTERM, with the writer going on, replicates everything acknowledged until then", async () => {
  await using folder = await tempFolder();
  const dbPath = folder.join("app.db");
  const replicaPath = folder.join("replica");
  const outputPath = folder.join("restored.db");
  await using writer = await spawnWriter({ path: dbPath, seed: 1, rowsMax: 1000, rate: 2000 });
  await using replicator = await startReplicator({ dbPath, replicaPath, workPath: folder.join("work") });
  await replicator.waitForReplicated();
  await writer.waitFor(1000);

  const before = writer.lastAcknowledged();
  expect(await replicator.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
  const after = writer.lastAcknowledged();
  expect(await restoreWithCommand(replicaPath, outputPath)).toMatchObject({ exitCode: 0 });
  const restored = verifyWorkload(outputPath);
  expect(restored).toBeGreaterThanOrEqual(before);
  expect(restored).toBeGreaterThanOrEqual(acknowledgedBefore(writer.acknowledged(), replicator.asOfMs()));
  // One more may be committed than is acknowledged.
  expect(restored).toBeLessThanOrEqual(after + 1);

  await writer.waitFor(after + 100);
  await writer.stop();
  expect(verifyWorkload(dbPath)).toBe(writer.lastAcknowledged());
});

test("a replica is restored while it is being written, to a state it had", async () => {
  await using folder = await tempFolder();
  const dbPath = folder.join("app.db");
  const replicaPath = folder.join("replica");
  await using writer = await spawnWriter({ path: dbPath, seed: 2, rowsMax: 1000, rate: 500 });
  await using replicator = await startReplicator({
    dbPath,
    replicaPath,
    workPath: folder.join("work"),
    settings: { "min-checkpoint-page-count": 100 },
  });
  await replicator.waitForReplicated();

  for (let round = 1; round <= 5; round++) {
    await writer.waitFor(round * 150);
    const outputPath = folder.join(`restored-${round}.db`);
    const asOfMs = replicator.asOfMs();
    expect(await restoreWithCommand(replicaPath, outputPath)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(integrityCheck(outputPath)).toBe("ok");
    expect(committedPrefix(outputPath)).toBeGreaterThanOrEqual(acknowledgedBefore(writer.acknowledged(), asOfMs));
  }
});

test("the end of the replicator leaves WAL and database to their application as they were", async () => {
  await using folder = await tempFolder();
  const dbPath = folder.join("app.db");
  const replicaPath = folder.join("replica");
  // Idle, with the database open: the moment at which a careless last closer takes the WAL away.
  await using writer = await spawnWriter({ path: dbPath, seed: 3, transactions: 200, whenDone: "hold" });
  await writer.waitUntilDone();
  await using replicator = await startReplicator({ dbPath, replicaPath, workPath: folder.join("work") });
  await replicator.waitForReplicated();
  const walBytes = statSync(`${dbPath}-wal`).size;

  expect(await replicator.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
  expect(statSync(`${dbPath}-wal`).size).toBe(walBytes);
  await using other = await spawnWriter({ path: dbPath, seed: 3, transactions: 200 });
  await other.waitUntilDone();
  await other.exited;
  await writer.stop();
  expect(verifyWorkload(dbPath)).toBe(400);
});

test("a second signal ends at once, and leaves the database to its application", async () => {
  await using folder = await tempFolder();
  const dbPath = folder.join("app.db");
  const replicaPath = folder.join("replica");
  const workPath = folder.join("work");
  // A first snapshot that takes long enough to be interrupted.
  await generateDatabase(dbPath, { sizeBytes: 256 << 20, seed: 4, compressible: 0 });
  await using writer = await spawnWriter({ path: dbPath, seed: 4, rate: 200, rowsMax: 500 });
  await writer.waitFor(20);
  {
    await using replicator = await startReplicator({ dbPath, replicaPath, workPath });
    await replicator.waitFor(({ type }) => type === "opened");
    replicator.signal("SIGTERM");
    await replicator.waitForText("last sync");
    expect(await replicator.kill("SIGTERM")).toMatchObject({ exitCode: 128 + 15 });
    expect(replicator.replicaSyncs()).toEqual([]);
  }
  expect(existsSync(`${dbPath}-wal`)).toBe(true);
  // The application writes on, and so does another.
  await writer.waitFor(writer.lastAcknowledged() + 100);
  await writer.stop();
  await using other = await spawnWriter({ path: dbPath, seed: 4, transactions: 20, rowsMax: 500 });
  await other.waitUntilDone();
  await other.exited;
  const written = other.lastAcknowledged();
  expect(integrityCheck(dbPath)).toBe("ok");
  expect(committedPrefix(dbPath)).toBe(written);

  await using next = await startReplicator({ dbPath, replicaPath, workPath });
  await next.waitForReplicated();
  expect(await next.kill("SIGINT")).toMatchObject({ exitCode: 0 });
  expect(await restoreWithCommand(replicaPath, folder.join("restored.db"))).toMatchObject({ exitCode: 0 });
  expect(committedPrefix(folder.join("restored.db"))).toBe(written);
}, 120_000);
