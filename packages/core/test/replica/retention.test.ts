import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, renameSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readerLeaseKey } from "../../src/layout/reader-lease.ts";
import { walIndex } from "../../src/position.ts";
import { failureOf } from "../bytes.ts";
import { type Layout, Replicated } from "./replicated.ts";

const hourMs = 3600_000;

/** Makes everything that is in the replica older. */
function age(replicated: Replicated, hours: number): void {
  const root = replicated.folder.join("replica");
  const seconds = (Date.now() - hours * hourMs) / 1000;
  for (const name of readdirSync(root, { recursive: true }) as string[]) utimesSync(join(root, name), seconds, seconds);
}

function generations(replicated: Replicated): string[] {
  return readdirSync(replicated.folder.join("replica", "generations")).toSorted();
}

for (const layout of ["whole", "segments"] satisfies Layout[]) {
  /** Its side files would say when its snapshots really were taken: so they are left out. */
  const open = async (options: Parameters<typeof Replicated.open>[0] = {}): Promise<Replicated> => {
    return Replicated.open({ layout, checkpoints: true, ...options });
  };

  describe(`StoreReplica.enforceRetention in the layout ${layout}`, () => {
    test("takes a snapshot where none lies within the retention, and deletes the older ones later", async () => {
      await using replicated = await open({ replica: { retentionMs: 1 } });
      const replica = replicated.replica();
      await replica.sync();
      await replicated.commit(4);
      await Bun.sleep(5);
      const first = await replica.enforceRetention({ isDryRun: false, graceMs: hourMs });
      expect(first).toMatchObject({ replica: "replica", deletedSnapshots: 0, deletedWals: 0, deletedBytes: 0 });
      expect(await replica.snapshots()).toHaveLength(2);
      const second = await replica.enforceRetention({ isDryRun: false, graceMs: 0 });
      expect(second).toMatchObject({ deletedSnapshots: 1, isDryRun: false });
      expect(second.deletedWals).toBeGreaterThan(0);
      expect(second.deletedBytes).toBeGreaterThan(0);
      const [only] = await replica.snapshots();
      expect((await replica.wals()).every(({ index }) => index >= (only?.index ?? 0))).toBe(true);
      const sides = await replica.sideFiles.list();
      expect(sides.every(({ index }) => index >= (only?.index ?? 0))).toBe(true);
      expect(replicated.ofType("retention").at(-1)).toEqual({ type: "retention", ...second });
      // An idle database does not get one snapshot after the other.
      await Bun.sleep(5);
      await replica.enforceRetention({ isDryRun: false, graceMs: 0 });
      expect(replicated.ofType("snapshot")).toHaveLength(2);
      await replicated.expectLatest();
      expect((await replica.validate()).status).toBe("ok");
    });

    test("removes generations with none retained, their folders too", async () => {
      await using replicated = await open({ replica: { retentionMs: 1 } });
      const replica = replicated.replica();
      const { generation: old } = await replica.sync();
      replicated.db.beginGeneration("no shadow wal");
      const { generation } = await replica.sync();
      expect(generations(replicated)).toEqual([old, generation].toSorted());
      await Bun.sleep(5);
      await replica.enforceRetention({ isDryRun: false, graceMs: 0 });
      expect(generations(replicated)).toEqual([generation]);
      await replicated.expectLatest();
    });

    test("leaves files of others where they are", async () => {
      await using replicated = await open({ replica: { retentionMs: 1 } });
      const replica = replicated.replica();
      const { generation: old } = await replica.sync();
      replicated.db.beginGeneration("no shadow wal");
      await replica.sync();
      const notes = replicated.folder.join("replica", "generations", old, "notes.txt");
      writeFileSync(notes, "of the user");
      await Bun.sleep(5);
      await replica.enforceRetention({ isDryRun: false, graceMs: 0 });
      expect(existsSync(notes)).toBe(true);
      expect((await replica.snapshots()).some((info) => info.generation === old)).toBe(false);
      expect((await replica.wals()).some((info) => info.generation === old)).toBe(false);
    });

    test("lists, as a dry run, what would go, and changes nothing", async () => {
      await using replicated = await open({ replica: { retentionMs: 1 } });
      const replica = replicated.replica();
      await replica.sync();
      await replicated.commit(3);
      await replica.snapshot();
      await replicated.commit();
      await replica.sync();
      await replica.settled();
      await Bun.sleep(5);
      const before = await replica.wals();
      const result = await replica.enforceRetention({ isDryRun: true, graceMs: 0 });
      expect(result).toMatchObject({ isDryRun: true, isSnapshotDue: true, deletedSnapshots: 1 });
      expect(result.objects?.map(({ path }) => path)).toContain((await replica.snapshots())[0]?.path as never);
      expect(await replica.wals()).toEqual(before);
      expect(replicated.ofType("snapshot")).toHaveLength(2);
    });

    test("deletes nothing where that is not allowed, but takes the snapshots that it would", async () => {
      await using replicated = await open({ replica: { retentionMs: 1, isDeleteFree: true } });
      const replica = replicated.replica();
      await replica.sync();
      await replicated.commit(3);
      await Bun.sleep(5);
      for (let i = 0; i < 2; i++) {
        const result = await replica.enforceRetention({ isDryRun: false, graceMs: 0 });
        expect(result).toMatchObject({ deletedSnapshots: 0, deletedWals: 0, deletedBytes: 0 });
      }
      expect(await replica.snapshots()).toHaveLength(2);
    });

    test("leaves what a lease names, and removes leases that are nobody's any more", async () => {
      await using replicated = await open({ replica: { retentionMs: 1 } });
      const replica = replicated.replica();
      const { generation } = await replica.sync();
      await replicated.commit(3);
      const lease = (id: string): string => {
        const name = readerLeaseKey({ generation, index: walIndex(0), id });
        return replicated.folder.join("replica", name);
      };
      const [held, expired] = [lease("1111111111111111"), lease("2222222222222222")];
      await replica.snapshot();
      writeFileSync(held, "");
      writeFileSync(expired, "");
      utimesSync(expired, 1, 1);
      await Bun.sleep(5);
      await replica.enforceRetention({ isDryRun: false, graceMs: 0 });
      expect(await replica.snapshots()).not.toHaveLength(1);
      expect([existsSync(held), existsSync(expired)]).toEqual([true, false]);
      utimesSync(held, 1, 1);
      await replica.enforceRetention({ isDryRun: false, graceMs: 0 });
      expect(await replica.snapshots()).toHaveLength(1);
    });
  });
}

test("StoreReplica.enforceRetention takes files for as old as their times say", async () => {
  await using replicated = await Replicated.open({ checkpoints: true });
  const replica = replicated.replica();
  const { generation } = await replica.sync();
  await replicated.commit(3);
  await replica.sync();
  await replica.settled();
  age(replicated, 30);
  const times = replicated.folder.join("replica", "generations", generation, "times");
  // As Litestream leaves it: without side files.
  for (const name of readdirSync(times)) if (name.endsWith(".snapshot")) writeFileSync(join(times, name), "");
  const result = await replica.enforceRetention({ isDryRun: true });
  expect(result).toMatchObject({ isSnapshotDue: true, deletedSnapshots: 0 });
});

test("a replica that cannot be listed fails its retention, and nothing of it goes", async () => {
  await using replicated = await Replicated.open({ replica: { retentionMs: 1 } });
  const replica = replicated.replica();
  await replica.sync();
  const root = replicated.folder.join("replica", "generations");
  const wal = readdirSync(root, { recursive: true }) as string[];
  const newest = wal.find((name) => name.endsWith(".wal") && name.includes("/wal/")) ?? "";
  await replicated.commit();
  const path = join(root, newest);
  const kept = `${path}.kept`;
  renameSync(path, kept);
  mkdirSync(path);
  expect(await failureOf(() => replica.enforceRetention({ isDryRun: false, graceMs: 0 }))).toHaveProperty("path");
  expect(existsSync(kept)).toBe(true);
});
