import { describe, expect, test } from "bun:test";
import { committedPrefix, type StoreFault, withFaults } from "@litestream/testkit";
import { isLitestreamError, LitestreamError } from "../../src/errors.ts";
import { StoreReplicaReader } from "../../src/layout/reader.ts";
import { restore } from "../../src/restore/restore.ts";
import { FileStore } from "../../src/store/file.ts";
import { failureOf } from "../bytes.ts";
import { ownReplica } from "./own-replica.ts";

const broken = new LitestreamError("REPLICA_UNAVAILABLE", "the connection broke");

describe("restore", () => {
  test("goes on where each of its reads is cut, and reads nothing twice", async () => {
    await using replica = await ownReplica(6);
    const cut: StoreFault = {
      on: "read",
      keys: /snapshot|\.wal/,
      effect: "cut",
      afterBytes: 700,
      times: 40,
      error: broken,
    };
    const faulty = withFaults(new FileStore(replica.folder.join("replica")), [cut]);
    const reader = new StoreReplicaReader(faulty.store, { type: "file" });
    const outputPath = replica.folder.join("out.db");
    const result = await restore({ replica: reader, outputPath });
    expect(result.warnings).toEqual([]);
    expect(committedPrefix(outputPath)).toBe(replica.states.at(-1)?.transactions ?? 0);
  });

  test("fails where the replica does not come back, and leaves nothing", async () => {
    await using replica = await ownReplica(2);
    const gone: StoreFault = { on: "read", keys: /snapshot\.lz4/, effect: "fail", times: Infinity, error: broken };
    const faulty = withFaults(new FileStore(replica.folder.join("replica")), [gone]);
    const reader = new StoreReplicaReader(faulty.store, { type: "file" });
    const outputPath = replica.folder.join("out", "app.db");
    const error = await failureOf(() => restore({ replica: reader, outputPath }));
    expect(isLitestreamError(error, "REPLICA_UNAVAILABLE")).toBe(true);
    expect(await Array.fromAsync(new Bun.Glob("out/**").scan(replica.folder.path))).toEqual([]);
  });
});
