import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { Litestream, openReplica, planRestore, restorableGenerations } from "../../src/index.ts";
import { failureOf } from "../bytes.ts";
import { type OwnReplica, ownReplica } from "./own-replica.ts";

const planAt = (replica: OwnReplica, timeMs: number): Promise<unknown> =>
  planRestore({ replica: replica.reader(), timestamp: new Date(timeMs) });

describe("restorableGenerations", () => {
  test("spans the times that can be restored, and no other", async () => {
    await using replica = await ownReplica(8);
    const [found, ...others] = await restorableGenerations(replica.reader());
    expect(others).toEqual([]);
    expect(found?.generation).toBe(replica.generation);
    const [window, ...gaps] = found?.windows ?? [];
    if (found === undefined || window === undefined) throw new Error("nothing can be restored");
    expect(gaps).toEqual([]);
    const { fromMs, toMs, lastIndex } = window;
    expect(found.snapshots).toMatchObject([{ index: 0, completeAtMs: fromMs }]);
    expect(found.sizeBytes).toBeGreaterThan(1000);
    expect(lastIndex).toBeGreaterThan(0);
    for (const timeMs of [fromMs, Math.floor((fromMs + toMs) / 2), toMs]) await planAt(replica, timeMs);
    expect(await failureOf(() => planAt(replica, fromMs - 1))).toHaveProperty("code", "NO_SUCH_POINT");
    const last = replica.states.at(-1);
    expect((await replica.restored({ timestamp: new Date(toMs) })).transactions).toBe(last?.transactions ?? 0);
    expect(toMs).toBeLessThanOrEqual(last?.timeMs ?? 0);
  });

  test("ends before WAL that is missing", async () => {
    await using replica = await ownReplica(8);
    const before = (await restorableGenerations(replica.reader()))[0]?.windows[0];
    if (before === undefined || before.lastIndex < 2) throw new Error("there are too few WALs");
    for (const suffix of ["", ".lz4"]) rmSync(replica.file(`wal/00000001.wal${suffix}`), { force: true });
    const [window, ...others] = (await restorableGenerations(replica.reader()))[0]?.windows ?? [];
    expect(others).toEqual([]);
    expect(window).toMatchObject({ fromMs: before.fromMs, firstIndex: 0, lastIndex: 0 });
    expect(window?.toMs).toBeLessThan(before.toMs);
    await planAt(replica, window?.toMs ?? 0);
    expect(await failureOf(() => planAt(replica, before.toMs))).toHaveProperty("code", "BACKUP_INCOMPLETE");
  });

  test("goes by the times of objects where no side file tells", async () => {
    await using replica = await ownReplica(4);
    rmSync(replica.file("times"), { recursive: true });
    const [found] = await restorableGenerations(replica.reader());
    const window = found?.windows[0];
    if (window === undefined) throw new Error("nothing can be restored");
    await planAt(replica, window.fromMs);
    await planAt(replica, window.toMs);
  });

  test("is to be had of each replica that a database has", async () => {
    await using replica = await ownReplica(1);
    const litestream = new Litestream({
      path: replica.folder.join("app.db"),
      replicas: [{ path: replica.folder.join("other"), name: "other" }, { path: replica.folder.join("replica") }],
      engine: "inline",
    });
    expect(await restorableGenerations(litestream.openReplica("file"))).toHaveLength(1);
    expect(await restorableGenerations(litestream.openReplica("other"))).toEqual([]);
    expect(() => litestream.openReplica("s3")).toThrow("has no replica s3");
  });

  test("finds nothing in a folder where no replica is", async () => {
    await using replica = await ownReplica(1);
    expect(await restorableGenerations(openReplica({ path: replica.folder.join("elsewhere") }))).toEqual([]);
  });
});
