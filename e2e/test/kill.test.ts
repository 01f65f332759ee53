import { rmSync } from "node:fs";
import { expect, test } from "bun:test";
import { isLitestreamError, openReplica, restore } from "@litestream/core";
import { committedPrefix, integrityCheck, SeededRandom, spawnWriter, tempFolder } from "@litestream/testkit";
import { acknowledgedBefore } from "../src/acknowledged.ts";
import { type Replicator, startReplicator } from "../src/replicator.ts";

/** Repeats the moments of a run that failed, as far as the machine's own timing allows. */
const seed = Number(process.env["LITESTREAM_KILL_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const kills = Number(process.env["LITESTREAM_KILLS"] ?? 50);

/** While the process starts, while a first snapshot may be under way, or in the middle of replicating. */
async function momentToKill(replicator: Replicator, random: SeededRandom): Promise<void> {
  switch (random.below(4)) {
    case 0:
      await Bun.sleep(5 + random.below(195));
      return;
    case 1:
      await replicator.waitFor(({ type }) => type === "opened");
      await Bun.sleep(random.below(25));
      return;
    default:
      await replicator.waitForReplicated();
      await Bun.sleep(5 + random.below(195));
  }
}

/** Restores the replica beside the database. @returns the transaction it ends with; undefined without a backup */
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

test(`kill -9 of the replicator ${kills} times under load loses nothing that was reported as replicated`, async () => {
  console.log(`LITESTREAM_KILL_SEED=${seed}`);
  const random = new SeededRandom(seed);
  await using folder = await tempFolder();
  const dbPath = folder.join("app.db");
  const replicaPath = folder.join("replica");
  const outputPath = folder.join("restored.db");
  // Checkpoints are small and many, so that kills land in new indexes; those that the application makes while nobody
  // replicates make new generations, and where it makes none the old one goes on.
  await using writer = await spawnWriter({
    path: dbPath,
    seed: 1,
    rate: 250,
    rowsMax: 500,
    autocheckpointPages: 600,
  });
  const start = (): ReturnType<typeof startReplicator> =>
    startReplicator({
      dbPath,
      replicaPath,
      workPath: folder.join("work"),
      settings: { "min-checkpoint-page-count": 60 },
    });

  let reportedAsOfMs = 0;
  const seen = new Map<string, number>();
  for (let kill = 1; kill <= kills; kill++) {
    await using replicator = await start();
    await momentToKill(replicator, random);
    expect(await replicator.kill("SIGKILL")).toMatchObject({ signal: "SIGKILL" });
    reportedAsOfMs = Math.max(reportedAsOfMs, replicator.asOfMs());
    for (const { type } of replicator.events()) seen.set(type, (seen.get(type) ?? 0) + 1);
    expect(replicator.events().filter(({ type }) => type === "error")).toEqual([]);

    const restored = await restoredPrefix(replicaPath, outputPath);
    const acknowledged = writer.acknowledged();
    if (restored === undefined) expect(reportedAsOfMs).toBe(0);
    else expect(restored).toBeGreaterThanOrEqual(acknowledgedBefore(acknowledged, reportedAsOfMs));
    expect(restored ?? 0).toBeLessThanOrEqual((acknowledged.at(-1)?.n ?? 0) + 1);
  }
  console.log(`events of ${kills} runs that were killed: ${JSON.stringify(Object.fromEntries(seen))}`);

  await using last = await start();
  await last.waitForReplicated();
  await writer.waitFor(writer.lastAcknowledged() + 100);
  await writer.stop();
  expect(await last.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
  expect(await restoredPrefix(replicaPath, outputPath)).toBe(writer.lastAcknowledged());
}, 300_000);

test("kill -9 of the application leaves some committed state, and nothing acknowledged is lost", async () => {
  console.log(`LITESTREAM_KILL_SEED=${seed}`);
  const random = new SeededRandom(seed, 1);
  await using folder = await tempFolder();
  const dbPath = folder.join("app.db");
  const replicaPath = folder.join("replica");
  const outputPath = folder.join("restored.db");
  const logPath = folder.join("acknowledged.log");
  const startWriter = (): ReturnType<typeof spawnWriter> =>
    spawnWriter({ path: dbPath, seed: 2, rate: 2000, rowsMax: 500, autocheckpointPages: 200, logPath });
  await using first = await startWriter();
  await using replicator = await startReplicator({
    dbPath,
    replicaPath,
    workPath: folder.join("work"),
    settings: { "min-checkpoint-page-count": 60 },
  });
  await replicator.waitForReplicated();
  await first.kill();

  let written = 0;
  for (let kill = 1; kill <= 8; kill++) {
    await using writer = await startWriter();
    const begun = writer.lastAcknowledged();
    await writer.waitFor(begun + 10 + random.below(200));
    await writer.kill();
    written = writer.lastAcknowledged();
    const reportedAsOfMs = replicator.asOfMs();
    const restored = await restoredPrefix(replicaPath, outputPath);
    expect(restored).toBeGreaterThanOrEqual(acknowledgedBefore(writer.acknowledged(), reportedAsOfMs));
    expect(restored).toBeLessThanOrEqual(written + 1);
  }
  expect(await replicator.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
  expect(replicator.events().filter(({ type }) => type === "error")).toEqual([]);
  expect(replicator.events().filter(({ type }) => type === "generation")).toHaveLength(1);
  const restored = await restoredPrefix(replicaPath, outputPath);
  expect(restored).toBe(committedPrefix(dbPath));
  expect(restored).toBeGreaterThanOrEqual(written);
}, 120_000);
