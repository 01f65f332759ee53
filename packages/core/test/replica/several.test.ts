/** Several replicas of one database: each for itself. */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { integrityCheck, rowsDigest, spawnWriter, tempFolder } from "@litestream/testkit";
import type { LitestreamEvent } from "../../src/events.ts";
import { Litestream } from "../../src/litestream.ts";
import { openReplica } from "../../src/open-replica.ts";
import { restore } from "../../src/restore/restore.ts";
import { databaseIn } from "../child.ts";

/** Waits for an event of the kind, from now on. */
function nextEvent(litestream: Litestream, isIt: (event: LitestreamEvent) => boolean): Promise<LitestreamEvent> {
  const { promise, resolve } = Promise.withResolvers<LitestreamEvent>();
  const unsubscribe = litestream.subscribe((event) => {
    if (!isIt(event)) return;
    unsubscribe();
    resolve(event);
  });
  return promise;
}

test("a replica that is away delays none of the others, keeps no more WAL than its bound, and catches up", async () => {
  await using folder = await tempFolder();
  const path = await databaseIn(folder);
  const away = folder.join("away");
  const events: LitestreamEvent[] = [];
  await using litestream = new Litestream({
    engine: "inline",
    path,
    minCheckpointPageCount: 20,
    replicas: [
      { name: "there", path: folder.join("there") },
      { name: "away", path: away, shadowWalSizeBytesMax: 400_000 },
    ],
    onEvent: (event) => events.push(event),
  });
  const isSync = (name: string) => (event: LitestreamEvent) => event.type === "replica-sync" && event.replica === name;
  const isFailure = (event: LitestreamEvent): boolean => event.type === "error" && event.replica === "away";
  const first = nextEvent(litestream, isSync("away"));
  await litestream.start();
  await first;

  const failed = nextEvent(litestream, isFailure);
  renameSync(away, `${away}.unmounted`);
  writeFileSync(away, "nothing is mounted here");
  const settings = { path, seed: 1, pagesPerTransaction: 3, synchronous: "off", autocheckpointPages: 0 } as const;
  {
    await using writer = await spawnWriter({ ...settings, transactions: 400, rate: 500, whenDone: "hold" });
    await failed;
    await writer.waitUntilDone();
    // What was committed meanwhile is in the other one.
    const position = litestream.position();
    while (JSON.stringify((await litestream.status()).replicas[0]?.position) !== JSON.stringify(position)) {
      await nextEvent(litestream, isSync("there"));
    }
    const status = await litestream.status();
    expect(status.replicas[0]?.failure).toBeUndefined();
    expect(status.replicas[1]?.failure?.count).toBeGreaterThan(0);
    const shadow = folder.join(".app.db-litestream", "generations", position?.generation ?? "", "wal");
    // The newest three stay whatever they have.
    expect(readdirSync(shadow).length).toBeLessThan(12);
    await writer.kill();
  }

  const back = nextEvent(litestream, isSync("away"));
  rmSync(away);
  renameSync(`${away}.unmounted`, away);
  await back;
  await litestream.sync();
  expect(events.filter(({ type }) => type === "generation")).toHaveLength(1);
  for (const name of ["there", "away"]) {
    const outputPath = folder.join(`${name}.db`);
    await restore({ replica: openReplica({ path: folder.join(name) }), outputPath });
    expect(integrityCheck(outputPath)).toBe("ok");
    expect(rowsDigest(outputPath)).toBe(rowsDigest(path));
  }
}, 60_000);

test("a replica that fails keeps the others from nothing when replication ends", async () => {
  await using folder = await tempFolder();
  const path = await databaseIn(folder);
  for (const name of ["a", "b"]) mkdirSync(folder.join(name));
  const replicas = [
    { name: "a", path: folder.join("a") },
    { name: "b", path: folder.join("b") },
  ];
  const litestream = new Litestream({ engine: "inline", path, replicas, monitorEnabled: false });
  await litestream.start();
  rmSync(folder.join("a"), { recursive: true });
  writeFileSync(folder.join("a"), "in its way");
  const failure: unknown = await litestream.stop().then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toHaveProperty("path", expect.stringContaining(folder.join("a")));
  const outputPath = folder.join("restored.db");
  await restore({ replica: openReplica({ path: folder.join("b") }), outputPath });
  expect(rowsDigest(outputPath)).toBe(rowsDigest(path));
});
