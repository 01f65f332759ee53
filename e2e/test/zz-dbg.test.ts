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

test("a second signal ends at once, and leaves the database to its application", async () => {
  await using folder = await tempFolder();
  console.log(1, performance.now());
  const dbPath = folder.join("app.db");
  console.log(2, performance.now());
  const replicaPath = folder.join("replica");
  console.log(3, performance.now());
  const workPath = folder.join("work");
  console.log(4, performance.now());
  // A first snapshot that takes long enough to be interrupted.
  await generateDatabase(dbPath, { sizeBytes: 256 << 20, seed: 4, compressible: 0 });
  console.log(5, performance.now());
  await using writer = await spawnWriter({ path: dbPath, seed: 4, rate: 200, rowsMax: 500 });
  console.log(6, performance.now());
  await writer.waitFor(20);
  console.log(7, performance.now());
  {
    await using replicator = await startReplicator({ dbPath, replicaPath, workPath });
  console.log(8, performance.now());
    await replicator.waitFor(({ type }) => type === "opened");
  console.log(9, performance.now());
    replicator.signal("SIGTERM");
  console.log(10, performance.now());
    await replicator.waitForText("last sync");
  console.log(11, performance.now());
    expect(await replicator.kill("SIGTERM")).toMatchObject({ exitCode: 128 + 15 });
  console.log(12, performance.now());
    expect(replicator.replicaSyncs()).toEqual([]);
  console.log(13, performance.now());
  }
  expect(existsSync(`${dbPath}-wal`)).toBe(true);
  console.log(14, performance.now());
  // The application writes on, and so does another.
  await writer.waitFor(writer.lastAcknowledged() + 100);
  console.log(15, performance.now());
  await writer.stop();
  console.log(16, performance.now());
  await using other = await spawnWriter({ path: dbPath, seed: 4, transactions: 20, rowsMax: 500 });
  console.log(17, performance.now());
  await other.waitUntilDone();
  console.log(18, performance.now());
  await other.exited;
  console.log(19, performance.now());
  const written = other.lastAcknowledged();
  console.log(20, performance.now());
  expect(integrityCheck(dbPath)).toBe("ok");
  console.log(21, performance.now());
  expect(committedPrefix(dbPath)).toBe(written);
  console.log(22, performance.now());

  await using next = await startReplicator({ dbPath, replicaPath, workPath });
  console.log(23, performance.now());
  await next.waitForReplicated();
  console.log(24, performance.now());
  expect(await next.kill("SIGINT")).toMatchObject({ exitCode: 0 });
  console.log(25, performance.now());
  expect(await restoreWithCommand(replicaPath, folder.join("restored.db"))).toMatchObject({ exitCode: 0 });
  console.log(26, performance.now());
  expect(committedPrefix(folder.join("restored.db"))).toBe(written);
  console.log(27, performance.now());
}, 120_000);
