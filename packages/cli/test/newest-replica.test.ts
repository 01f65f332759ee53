import { describe, expect, test } from "bun:test";
import { LitestreamError, type ReplicaReader, parseGeneration } from "@litestream/core";
import { newestReplica } from "../src/newest-replica.ts";

const first = parseGeneration("1111111111111111");
const second = parseGeneration("2222222222222222");

/** A replica that holds generations, each last changed at a time; or that fails. */
function replica(name: string, updated: Record<string, number> | Error): ReplicaReader {
  const unused = (): never => {
    throw new Error("not to be called");
  };
  return {
    name,
    type: "file",
    location: `/${name}`,
    generations: async () => {
      if (updated instanceof Error) throw updated;
      return Object.keys(updated).map((generation) => parseGeneration(generation));
    },
    generationStats: async (generation) => ({
      snapshotCount: 1,
      walCount: 1,
      snapshotSizeBytes: 1,
      walSizeBytes: 1,
      createdAt: new Date(0),
      updatedAt: updated instanceof Error ? undefined : new Date(updated[generation] ?? 0),
    }),
    snapshots: unused,
    wals: unused,
    snapshotReader: unused,
    walReader: unused,
  };
}

describe("newestReplica", () => {
  test("is the one whose data is the latest", async () => {
    const replicas = [replica("a", { [first]: 10 }), replica("b", { [first]: 5, [second]: 30 }), replica("c", {})];
    expect((await newestReplica(replicas, undefined)).name).toBe("b");
    expect((await newestReplica(replicas, first)).name).toBe("a");
  });

  test("is the only one without a look at it", async () => {
    expect((await newestReplica([replica("a", new Error("unreadable"))], undefined)).name).toBe("a");
  });

  test("fails when none has a backup", async () => {
    const found = newestReplica([replica("a", {}), replica("b", { [first]: 1 })], second);
    const message = "no matching backups found in /a, /b of generation 2222222222222222";
    await found.then(
      () => expect.unreachable(),
      (error: unknown) => expect(error).toMatchObject({ code: "NO_BACKUP", message }),
    );
  });

  test("fails when one cannot be read, for that may be the latest", async () => {
    const broken = replica("b", new LitestreamError("REPLICA_UNAVAILABLE", "b is not mounted"));
    const found = newestReplica([replica("a", { [first]: 1 }), broken], undefined);
    await found.then(
      () => expect.unreachable(),
      (error: unknown) => expect(error).toMatchObject({ code: "REPLICA_UNAVAILABLE" }),
    );
  });
});
