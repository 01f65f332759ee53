import { describe, expect, test } from "bun:test";
import { rowsDigest, spawnWriter, tempFolder, verifyWorkload } from "@litestream/testkit";
import { Litestream, openReplica, restore } from "@litestream/core";
import { runLargeWal } from "../src/large-wal.ts";

const pageSizes = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];
const modes = ["none", "full", "incremental"] as const;
/** All of them with LITESTREAM_ALL_PAGE_SIZES=1; else each page size with one mode. */
const isAll = process.env["LITESTREAM_ALL_PAGE_SIZES"] === "1";
const combinations = pageSizes.flatMap((pageSize, at) =>
  modes.filter((_, mode) => isAll || mode === at % modes.length).map((autoVacuum) => ({ pageSize, autoVacuum })),
);

describe("a database is replicated and restored, equal,", () => {
  test.each(combinations)(
    "with pages of $pageSize bytes and auto_vacuum $autoVacuum",
    async (shape) => {
      await using folder = await tempFolder();
      const path = folder.join("app.db");
      const replica = { path: folder.join("replica") };
      const profile = "vacuum-shrink";
      await using litestream = new Litestream({ path, replicas: [replica], minCheckpointPageCount: 50 });
      await litestream.start();
      await using writer = await spawnWriter({ path, seed: 1, profile, transactions: 25, ...shape });
      await writer.waitUntilDone();
      await writer.exited;
      await litestream.sync();
      await litestream.stop();
      const outputPath = folder.join("restored.db");
      await restore({ replica: openReplica(replica), outputPath });
      expect(verifyWorkload(outputPath)).toBe(25);
      expect(rowsDigest(outputPath)).toBe(rowsDigest(path));
    },
    60_000,
  );
});

test("a WAL that is never restarted is captured and restored to its end", async () => {
  const { walSizeBytes } = await runLargeWal(100e6);
  expect(walSizeBytes).toBeGreaterThan(100e6);
}, 120_000);
