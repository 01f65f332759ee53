/** A replica that came too late for WAL that was let go. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { committedPrefix } from "@litestream/testkit";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { openReplica } from "../../src/open-replica.ts";
import { type Position, walIndex } from "../../src/position.ts";
import { restore, type RestorePointOptions } from "../../src/restore/restore.ts";
import { failureOf } from "../bytes.ts";
import { transactionsElsewhere } from "../child.ts";
import { type Layout, Replicated } from "./replicated.ts";

async function transactionsAt(replicated: Replicated, point: Omit<RestorePointOptions, "replica">): Promise<number> {
  const outputPath = replicated.folder.join(`restored-${crypto.randomUUID()}.db`);
  await restore({ replica: openReplica({ path: replicated.folder.join("late") }), outputPath, ...point });
  return committedPrefix(outputPath);
}

/** `late` has the first WALs, and all that comes then but the newest is let go. @returns where it ended */
async function comeTooLate(replicated: Replicated): Promise<Position> {
  const late = replicated.replica("late", { shadowWalSizeBytesMax: 0 });
  await late.sync();
  await replicated.commit(3);
  const before = await late.sync();
  for (let i = 0; i < 6; i++) {
    await replicated.commit();
    replicated.db.releaseWal([late.shadowNeed()]);
  }
  return before;
}

for (const layout of ["whole", "segments"] satisfies Layout[]) {
  describe(`a replica in the layout ${layout} that came too late`, () => {
    test("goes on in the same generation behind a new snapshot, and its older states stay", async () => {
      await using replicated = await Replicated.open({ layout, checkpoints: true });
      const before = await comeTooLate(replicated);
      const transactionsBefore = 13;
      const reopened = replicated.replica("late");
      const position = await reopened.sync();
      const { generation } = before;
      expect(position).toEqual(replicated.db.captured()?.position as never);
      expect(replicated.ofType("generation")).toHaveLength(1);
      const snapshots = await reopened.snapshots();
      expect(snapshots.map(({ index }) => index as number)).toEqual([0, position.index - 1]);
      await replicated.expectLatest("late");
      expect(await transactionsAt(replicated, { generation, index: before.index })).toBe(transactionsBefore);
      expect(await transactionsAt(replicated, { position: before })).toBe(transactionsBefore);

      const inside = { generation, index: walIndex(before.index + 1) };
      expect(await failureOf(() => transactionsAt(replicated, inside))).toHaveProperty("code", "BACKUP_INCOMPLETE");

      // It goes on as ever, also after a restart.
      await replicated.commit(2);
      await replicated.replica("late").sync();
      await replicated.expectLatest("late");
      expect(replicated.ofType("snapshot")).toHaveLength(2);
      expect(replicated.ofType("generation")).toHaveLength(1);
    });

    test("does not join the WAL before the gap to what comes after it, for all the damage", async () => {
      await using replicated = await Replicated.open({ layout, checkpoints: true });
      await comeTooLate(replicated);
      const reopened = replicated.replica("late");
      await reopened.sync();
      const [, newest] = await reopened.snapshots();
      const path = replicated.folder.join("late", newest?.path ?? "");
      const bytes = readFileSync(path);
      bytes.fill(7, bytes.byteLength >> 1, (bytes.byteLength >> 1) + 9);
      writeFileSync(path, bytes);
      expect(await failureOf(() => transactionsAt(replicated, {}))).toHaveProperty("code", "BACKUP_DAMAGED");
      expect(await transactionsAt(replicated, { force: true })).toBe(13);
    });

    test("finds its way after it was stopped anywhere while it did so", async () => {
      await using replicated = await Replicated.open({ layout, checkpoints: true });
      await comeTooLate(replicated);
      let stopAt = 0;
      for (; ; stopAt++) {
        let operations = 0;
        const attempt = async (): Promise<void> => {
          using _ = handleFaultPoints((point) => {
            if (point.kind !== "file" || !point.path.includes("/late/") || point.operation === "list") return;
            if (point.operation === "read" || point.operation === "open") return;
            if (operations++ === stopAt) throw Object.assign(new Error("EIO: injected"), { code: "EIO" });
          });
          await replicated.replica("late").sync();
        };
        const failed = await attempt().then(
          () => false,
          () => true,
        );
        // One more WAL, so that what the next life finds is not the newest any more.
        if (failed && stopAt % 3 === 0) await replicated.commit();
        if (!failed && operations <= stopAt) break;
      }
      expect(stopAt).toBeGreaterThan(10);
      const replica = replicated.replica("late");
      await replica.sync();
      await replicated.expectLatest("late");
      expect(replicated.ofType("generation")).toHaveLength(1);
      expect((await replica.validate()).status).toBe("ok");
    }, 60_000);
  });
}

test("another generation begins where too little is between what the replica has and what is there", async () => {
  await using replicated = await Replicated.open({ checkpoints: true });
  const replica = replicated.replica("late");
  const { generation } = await replica.sync();
  await replicated.commit(2);
  const wal = replicated.folder.join(".app.db-litestream", "generations", generation, "wal");
  const [oldest] = readdirSync(wal).toSorted();
  writeFileSync(`${wal}/${oldest ?? ""}`, "");
  const position = await replicated.replica("late").sync();
  expect(position.generation).not.toBe(generation);
  expect(await transactionsElsewhere(replicated.path)).toBe(12);
  await replicated.expectLatest("late");
});
