import { describe, expect, test } from "bun:test";
import { leaseOwner, WriterLease, writerLeaseKey, writerLeaseMs } from "../../src/replica/writer-lease.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { ConditionalStore } from "../../src/store/store.ts";
import { failureOf } from "../bytes.ts";

interface Scene {
  nowMs: number;
  readonly store: MemoryStore;
  readonly unable: string[];
  writes: number;
  lease(owner: string, wrap?: (store: ConditionalStore) => ConditionalStore): WriterLease;
}

function newScene(): Scene {
  const store = new MemoryStore();
  const scene: Scene = {
    nowMs: Date.parse("2026-01-01T00:00:00Z"),
    store,
    unable: [],
    writes: 0,
    lease: (owner, wrap = (same) => same) =>
      new WriterLease({
        store: wrap({
          get: (key) => store.conditional.get(key),
          putIf: (...given) => {
            scene.writes++;
            return store.conditional.putIf(...given);
          },
        }),
        owner,
        location: "s3://bucket/app",
        onUnable: () => void scene.unable.push(owner),
        nowMs: () => scene.nowMs,
      }),
  };
  return scene;
}

async function contentOf(scene: Scene): Promise<Readonly<Record<string, unknown>>> {
  const found = await scene.store.conditional.get(writerLeaseKey);
  return JSON.parse(Buffer.from(found?.bytes ?? []).toString()) as Readonly<Record<string, unknown>>;
}

describe("WriterLease.hold", () => {
  test("keeps a second machine out, which is told who holds it and since when", async () => {
    const scene = newScene();
    const [first, second] = [scene.lease("one:/app.db"), scene.lease("two:/app.db")];
    expect(await first.hold(undefined)).toBe("new");
    expect(await first.hold(undefined)).toBe("same");
    expect(await failureOf(() => second.hold(undefined))).toMatchObject({
      code: "REPLICA_IN_USE",
      message: "s3://bucket/app is written by one:/app.db, since 2026-01-01T00:00:00.000Z",
    });
    expect(await contentOf(scene)).toEqual({
      generation: 1,
      expires_at: "2026-01-01T00:00:30.000Z",
      owner: "one:/app.db",
      since: "2026-01-01T00:00:00.000Z",
    });
  });

  test("writes nothing while it holds for long enough, and then renews", async () => {
    const scene = newScene();
    const lease = scene.lease("one");
    await lease.hold(undefined);
    const { writes } = scene;
    scene.nowMs += 10_000;
    await lease.hold(undefined);
    expect(scene.writes).toBe(writes);
    scene.nowMs += 10_000;
    expect(await lease.hold(undefined)).toBe("same");
    expect(scene.writes).toBe(writes + 1);
    expect(await contentOf(scene)).toMatchObject({
      expires_at: "2026-01-01T00:00:50.000Z",
      since: "2026-01-01T00:00:00.000Z",
    });
  });

  test("is renewed once for writes that come at the same time", async () => {
    const scene = newScene();
    const lease = scene.lease("one");
    await lease.hold(undefined);
    const { writes } = scene;
    scene.nowMs += 20_000;
    expect(await Promise.all([1, 2, 3].map(() => lease.hold(undefined)))).toEqual(["same", "same", "same"]);
    expect(scene.writes).toBe(writes + 1);
  });

  test("goes on after hours without a write, if nobody else came", async () => {
    const scene = newScene();
    const lease = scene.lease("one");
    await lease.hold(undefined);
    scene.nowMs += 3 * 3_600_000;
    expect(await lease.hold(undefined)).toBe("same");
  });

  test("is taken over once it has expired, and its holder is told that somebody else wrote", async () => {
    const scene = newScene();
    const [first, second] = [scene.lease("one"), scene.lease("two")];
    await first.hold(undefined);
    scene.nowMs += writerLeaseMs + 1;
    expect(await second.hold(undefined)).toBe("new");
    expect(await failureOf(() => first.hold(undefined))).toMatchObject({ code: "REPLICA_IN_USE" });
    scene.nowMs += writerLeaseMs + 1;
    expect(await first.hold(undefined)).toBe("new");
    expect(await contentOf(scene)).toMatchObject({ generation: 3, owner: "one" });
  });

  test("lets one of two through that come at the same time", async () => {
    const scene = newScene();
    const outcomes = await Promise.allSettled(
      ["one", "two", "three"].map((owner) => scene.lease(owner).hold(undefined)),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("is taken up again at once by the same database on the same machine", async () => {
    const scene = newScene();
    await scene.lease("one").hold(undefined);
    scene.nowMs += 1000;
    const restarted = scene.lease("one");
    expect(await restarted.hold(undefined)).toBe("new");
    expect(await contentOf(scene)).toMatchObject({ generation: 2, since: "2026-01-01T00:00:00.000Z" });
    expect(leaseOwner("/data/app.db")).toEndWith(":/data/app.db");
  });

  test("knows its own writes whose answers were lost", async () => {
    const scene = newScene();
    const lease = scene.lease("one", (store) => ({
      get: (key) => store.get(key),
      putIf: async (...given) => {
        await store.putIf(...given);
        // Sent again by whoever sends requests, it meets what it wrote itself.
        return store.putIf(...given);
      },
    }));
    expect(await lease.hold(undefined)).toBe("new");
    scene.nowMs += 20_000;
    expect(await lease.hold(undefined)).toBe("same");
    expect(scene.unable).toEqual([]);
  });

  test("lets others in when it is released", async () => {
    const scene = newScene();
    const first = scene.lease("one");
    await first.hold(undefined);
    await first.release();
    expect(await first.hold(undefined)).toBe("same");
    await first.release();
    expect(await scene.lease("two").hold(undefined)).toBe("new");
  });

  test.each([
    ["no JSON", "{"],
    ["no lease", '{"owner":"x"}'],
    ["nothing", ""],
  ])("takes a lease that is %s for none", async (_, content) => {
    const scene = newScene();
    await scene.store.conditional.putIf(writerLeaseKey, new TextEncoder().encode(content), undefined);
    expect(await scene.lease("one").hold(undefined)).toBe("new");
  });

  test("obeys a lease of Litestream's, which says less", async () => {
    const scene = newScene();
    const content = '{"generation":4,"expires_at":"2026-01-01T00:00:10.123456789Z","owner":"host:123"}';
    await scene.store.conditional.putIf(writerLeaseKey, new TextEncoder().encode(content), undefined);
    expect(await failureOf(() => scene.lease("one").hold(undefined))).toMatchObject({ code: "REPLICA_IN_USE" });
    scene.nowMs += 11_000;
    await scene.lease("one").hold(undefined);
    expect(await contentOf(scene)).toMatchObject({ generation: 5 });
  });

  test.each(["refuses", "ignores"])("says so, and goes on, where the server %s conditions", async (how) => {
    const scene = newScene();
    const lease = scene.lease("one", (store) => ({
      get: (key) => store.get(key),
      putIf: async (key) => (how === "refuses" ? "unable" : { identity: String(key.length) }),
    }));
    for (let at = 0; at < 3; at++) await lease.hold(undefined);
    expect(scene.unable).toEqual(["one"]);
  });

  test("says which upload its holder may have left, to whoever comes next", async () => {
    const scene = newScene();
    const lease = scene.lease("one");
    await lease.hold(undefined);
    expect(lease.leftUpload).toBeUndefined();
    lease.noteUpload("generations/g/snapshots/0");
    expect(await lease.hold(undefined)).toBe("same");
    const next = scene.lease("one");
    await next.hold(undefined);
    expect(next.leftUpload).toBe("generations/g/snapshots/0");
  });
});
