/** What docs/s3.md shows is run as it is written there. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { estimateMonth } from "@litestream/core";
import { spawnWriter, tempFolder, verifyWorkload } from "@litestream/testkit";
import { commandLine, run } from "../src/command.ts";
import { Replicator } from "../src/replicator.ts";
import { objectServerTest, startObjectServer } from "../src/tools/object-server.ts";

const document = readFileSync(join(import.meta.dirname, "../../docs/s3.md"), "utf8");
const testWithMinio = await objectServerTest("minio");

testWithMinio(
  "the configuration in docs/s3.md replicates to a server, and restores from it",
  async (binary) => {
    await using server = await startObjectServer("minio", binary);
    await using folder = await tempFolder();
    const [, example = ""] = /```yaml\n([^`]*)```/.exec(document) ?? [];
    const config = example
      .replace("http://127.0.0.1:9000", server.endpoint)
      .replace("path: app.db", `path: ${folder.join("app.db")}`)
      .replace("$S3_KEY", server.keys.accessKeyId)
      .replace("$S3_SECRET", server.keys.secretAccessKey);
    await Bun.write(folder.join("litestream.yml"), config);
    const args = ["-config", folder.join("litestream.yml")];

    await using writer = await spawnWriter({ path: folder.join("app.db"), seed: 1, rate: 500, transactions: 200 });
    await using replicator = new Replicator(args, folder.join("trace.jsonl"));
    await replicator.waitForReplicated();
    await writer.waitUntilDone();
    expect(await replicator.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
    const restored = folder.join("restored.db");
    const restore = await run([...commandLine, "restore", ...args, "-o", restored, folder.join("app.db")]);
    expect(restore).toMatchObject({ exitCode: 0 });
    expect(verifyWorkload(restored)).toBe(200);
    expect(replicator.stderr + restore.stderr + restore.stdout).not.toContain(server.keys.secretAccessKey);
  },
  60_000,
);

test("the prices in docs/s3.md are those that estimateMonth gives", () => {
  for (const [interval, syncIntervalMs] of [
    ["1s", 1000],
    ["10s", 10_000],
    ["1m", 60_000],
  ] as const) {
    const { puts, costDollars } = estimateMonth(
      { dbSizeBytes: 1024 ** 3, transactionsPerSecond: 5 },
      { syncIntervalMs },
    );
    const row = new RegExp(`^\\| ${interval} +\\| +(\\S+) \\| +\\$(\\S+) \\|$`, "m").exec(document);
    expect(row?.slice(1)).toEqual([puts.toLocaleString("en"), costDollars.toFixed(2)]);
  }
});
