import { expect } from "bun:test";
import { writeFile } from "node:fs/promises";
import { committedPrefix, spawnWriter, tempFolder } from "@litestream/testkit";
import { commandLine, run } from "../src/command.ts";
import { LitestreamProcess } from "../src/litestream-process.ts";
import { type Family, scrape, valueOf } from "../src/metrics/exposition.ts";
import { freePort } from "../src/metrics/free-port.ts";
import { startServed } from "../src/metrics/served.ts";
import { litestreamBinary } from "../src/tools/litestream-binary.ts";
import { objectServerBinary, startObjectServer } from "../src/tools/object-server.ts";
import { skipUnless } from "../src/tools/skip.ts";
import { waitUntil } from "../src/wait-until.ts";

const [minio, litestream] = [await objectServerBinary("minio"), await litestreamBinary("v0.3.13")];
const tools = minio === undefined || litestream === undefined ? undefined : { minio, litestream };
const testWithBoth = skipUnless(tools, "MinIO or Litestream v0.3.13 could not be built by Go");

testWithBoth(
  "requests to S3 are counted as Litestream 0.3.13 does: by the same names, types and labels, and as many bytes",
  async (binaries) => {
    await using server = await startObjectServer("minio", binaries.minio);
    await using folder = await tempFolder();
    const { accessKeyId, secretAccessKey } = server.keys;
    const replica = (path: string): Readonly<Record<string, unknown>> & { readonly path: string } => ({
      type: "s3",
      bucket: server.bucket,
      path,
      endpoint: server.endpoint,
      region: "us-east-1",
      "force-path-style": true,
      "access-key-id": accessKeyId,
      "secret-access-key": secretAccessKey,
    });
    /** Once a database of a known size is in the bucket, by its first snapshot. */
    const scraped = async (url: string): Promise<ReadonlyMap<string, Family>> => {
      let families: ReadonlyMap<string, Family> = new Map();
      await waitUntil("something to be uploaded", async () => {
        families = await scrape(url).catch(() => new Map<string, Family>());
        const puts = valueOf(families, "litestream_replica_operation_total", { operation: "PUT" }) ?? 0;
        return puts >= 2 && (valueOf(families, "litestream_replica_wal_offset") ?? 0) > 0;
      });
      return families;
    };
    const databases = ["theirs", "ours"].map((name) => folder.join(`${name}.db`));
    const [theirPath = "", ourPath = ""] = databases;
    for (const path of databases) {
      const load = { path, seed: 5, transactions: 30, autocheckpointPages: 0 } as const;
      await using writer = await spawnWriter({ ...load, whenDone: "hold" });
      await writer.waitUntilDone();
    }
    const addr = `127.0.0.1:${freePort()}`;
    const configPath = folder.join("litestream.yml");
    await writeFile(configPath, JSON.stringify({ addr, dbs: [{ path: theirPath, replicas: [replica("theirs")] }] }));
    let theirs: ReadonlyMap<string, Family>;
    {
      await using _theirs = new LitestreamProcess(binaries.litestream, configPath);
      theirs = await scraped(`http://${addr}`);
    }
    const { replicator, url } = await startServed({
      workPath: folder.join("work"),
      databases: [{ path: ourPath, replicas: [replica("ours")] }],
    });
    await using _replicator = replicator;
    const ours = await scraped(url);

    for (const name of ["litestream_replica_operation_total", "litestream_replica_operation_bytes"]) {
      const [their, our] = [theirs.get(name), ours.get(name)];
      expect(our?.type).toBe(their?.type ?? "missing");
      for (const { labels } of their?.samples ?? []) {
        expect(valueOf(ours, name, labels)).toBeDefined();
        expect(Object.keys(labels).toSorted()).toEqual(["operation", "replica_type"]);
      }
    }
    const bytes = (families: ReadonlyMap<string, Family>): number =>
      valueOf(families, "litestream_replica_operation_bytes", { replica_type: "s3", operation: "PUT" }) ?? 0;
    // Litestream writes tables of its own, and compresses in another way.
    expect(bytes(ours)).toBeGreaterThan(bytes(theirs) / 3);
    expect(bytes(ours)).toBeLessThan(bytes(theirs) * 3);
    expect(ours.get("litestream_replica_operation_errors_total")?.samples).toEqual([]);

    // The page's command finds endpoint and keys in the configuration, and shows neither.
    const query = `path=${encodeURIComponent(ourPath)}&replica=s3`;
    const restorable = (await (await fetch(`${url}/restorable.json?${query}`)).json()) as {
      readonly generations: readonly { readonly windows: readonly { readonly toMs: number }[] }[];
    };
    const toMs = restorable.generations[0]?.windows[0]?.toMs ?? 0;
    const answer = (await (await fetch(`${url}/restore.json?${query}&at=${toMs}`)).json()) as {
      readonly command: string;
    };
    expect(answer.command).not.toContain(secretAccessKey);
    const shell = answer.command.replace(/^litestream /, `${commandLine.map((word) => `'${word}'`).join(" ")} `);
    expect(await run(["sh", "-c", shell])).toMatchObject({ exitCode: 0 });
    expect(committedPrefix(/ -o (\S+) /.exec(answer.command)?.[1] ?? "")).toBe(30);
  },
  120_000,
);
