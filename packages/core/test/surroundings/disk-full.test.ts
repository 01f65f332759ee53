import { expect, setDefaultTimeout, test } from "bun:test";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { canMountSmallFileSystem, smallFileSystem, tempFolder } from "@litestream/testkit";
import { skipUnless } from "@litestream/testkit/skip";
import { isDiskFull } from "../../src/errors.ts";
import { FullDisks } from "../../src/host/disk-full.ts";
import { failureOf } from "../bytes.ts";
import { commitElsewhere, databaseIn } from "../child.ts";
import { replicate } from "./place.ts";

// Each has processes of its own, and a busy machine takes its time.
setDefaultTimeout(60_000);

const testDisk = skipUnless(canMountSmallFileSystem() || undefined, "this process may not mount a file system");
const sizeBytes = 4 << 20;

function diskFullEvents(events: readonly { readonly type: string }[]): unknown[] {
  return events.filter(({ type }) => type === "disk-full");
}

testDisk("a full disk of the meta directory is told of once, and capture goes on once there is space", async () => {
  await using folder = await tempFolder();
  await using disk = await smallFileSystem({ sizeBytes });
  const path = await databaseIn(folder);
  await using place = await replicate(folder, {
    metaPath: disk.join("meta"),
    monitorEnabled: true,
    monitorIntervalMs: 20,
  });
  const { litestream, events } = place;
  const before = await litestream.sync();
  await disk.fill();
  for (let n = 0; n < 3; n++) await commitElsewhere(path);
  expect(isDiskFull(await failureOf(() => litestream.sync()))).toBe(true);
  while (diskFullEvents(events).length === 0) await Bun.sleep(10);
  // What the replica has stays what it was told to have.
  expect((await litestream.status()).replicas[0]?.position).toEqual(before);
  await disk.free();
  await place.expectSame();
  expect((await litestream.sync()).generation).toBe(before.generation);
  expect(diskFullEvents(events)).toMatchObject([{ isFull: true }, { isFull: false }]);
});

testDisk("a full disk of a replica is told of once; capture goes on, and the replica catches up", async () => {
  await using folder = await tempFolder();
  await using disk = await smallFileSystem({ sizeBytes });
  const path = await databaseIn(folder);
  await using place = await replicate(folder, {
    replicas: [{ path: disk.join("replica") }],
    monitorEnabled: true,
    monitorIntervalMs: 20,
  });
  const { litestream, events } = place;
  const before = await litestream.sync();
  await disk.fill();
  for (let n = 0; n < 3; n++) await commitElsewhere(path);
  while (diskFullEvents(events).length === 0) await Bun.sleep(10);
  expect(litestream.position()?.offset).toBeGreaterThan(before.offset);
  const [replica] = (await litestream.status()).replicas;
  expect(replica?.failure).toMatchObject({ code: "REPLICA_UNAVAILABLE" });
  expect(replica?.lagBytes).toBeGreaterThan(0);
  await disk.free();
  await place.expectSame();
  expect(place.reasons()).toHaveLength(1);
  expect(diskFullEvents(events)).toMatchObject([
    { isFull: true, replica: "file" },
    { isFull: false, replica: "file" },
  ]);
});

testDisk(
  "a meta directory that is full of what a replica lacks has room again once the replica has it",
  async () => {
    await using folder = await tempFolder();
    await using disk = await smallFileSystem({ sizeBytes: 1 << 20 });
    const path = await databaseIn(folder);
    const replicaPath = folder.join("replica");
    await using place = await replicate(folder, { metaPath: disk.join("meta"), minCheckpointPageCount: 1 });
    const { litestream } = place;
    const { generation } = await litestream.sync();
    const wal = join(replicaPath, "generations", generation, "wal");
    renameSync(wal, `${wal}-away`);
    writeFileSync(wal, "in the way");
    for (let error: unknown; !isDiskFull(error);) {
      await commitElsewhere(path);
      error = await failureOf(() => litestream.sync());
    }
    rmSync(wal);
    renameSync(`${wal}-away`, wal);
    await place.expectSame();
    expect(place.reasons()).toHaveLength(1);
  },
  60_000,
);

test("FullDisks tells of each disk once, and of other failures nothing", () => {
  const disks = new FullDisks();
  const full = Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
  const error = { type: "error", operation: "sync", error: new Error("cannot write", { cause: full }) } as const;
  expect(disks.observe({ ...error, error: new Error("other") })).toBeUndefined();
  expect(disks.observe(error)).toMatchObject({ type: "disk-full", isFull: true });
  expect(disks.observe(error)).toBeUndefined();
  expect(disks.observe({ ...error, replica: "a" })).toMatchObject({ isFull: true, replica: "a" });
  expect(disks.observe({ ...error, replica: "a" })).toBeUndefined();
});
