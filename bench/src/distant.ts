/**
 * Restores from a server that is far away: WAL in many small segments, each of which costs the way there and back.
 * MinIO behind a proxy that keeps each request for a while; by ours and by Litestream's releases, in turns.
 *
 *     bun bench/src/distant.ts [--delay 20] [--segments 600] [--rounds 3]
 */
import { Database } from "bun:sqlite";
import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { Litestream } from "@litestream/core";
import { commandLine, run } from "@litestream/e2e/command";
import { litestreamBinary } from "@litestream/e2e/litestream-binary";
import { objectServerBinary, startObjectServer } from "@litestream/e2e/object-server";
import { rowsDigest, startFaultProxy, tempFolder, Workload } from "@litestream/testkit";
import { median } from "./measure/statistics.ts";
import { writeS3Config } from "./replicators/s3-config.ts";

const { values } = parseArgs({
  options: {
    delay: { type: "string", default: "20" },
    segments: { type: "string", default: "600" },
    rounds: { type: "string", default: "3" },
  },
});
const [delayMs, segments, rounds] = [Number(values.delay), Number(values.segments), Number(values.rounds)];
if (!(delayMs >= 0 && segments >= 1 && rounds >= 1)) throw new Error("--delay, --segments and --rounds are numbers");

interface Reader {
  readonly name: string;
  readonly command: readonly string[];
  readonly flags: readonly string[];
  readonly ms: number[];
  readonly requests: number[];
}

const binary = await objectServerBinary("minio");
if (binary === undefined) throw new Error("MinIO could not be built by Go, or Go is not installed");
await using server = await startObjectServer("minio", binary);
await using folder = await tempFolder();
const path = folder.join("app.db");
{
  await using litestream = new Litestream({
    path,
    replicas: [{ ...server.replica("app"), syncIntervalMs: 0 }],
    monitorEnabled: false,
  });
  using database = new Database(path, { create: true });
  database.run("PRAGMA journal_mode = wal");
  database.run("PRAGMA busy_timeout = 5000");
  using workload = new Workload(database, { seed: 1 });
  workload.commit(1);
  await litestream.start();
  for (let segment = 0; segment < segments; segment++) {
    workload.commit(1);
    await litestream.sync();
  }
}
const rows = rowsDigest(path);

const readers: Reader[] = [
  { name: "ours", command: commandLine, flags: [], ms: [], requests: [] },
  { name: "ours, one at a time", command: commandLine, flags: ["-parallelism", "1"], ms: [], requests: [] },
];
for (const version of ["v0.3.4", "v0.3.13"] as const) {
  const litestream = await litestreamBinary(version);
  if (litestream !== undefined) readers.push({ name: version, command: [litestream], flags: [], ms: [], requests: [] });
}
await using proxy = await startFaultProxy({ port: server.port, fault: () => ({ effect: "delay", ms: delayMs }) });
const configPath = await writeS3Config(folder.path, server.replica("app", proxy.endpoint));
for (let round = 0; round < rounds; round++) {
  for (const { name, command, flags, ms, requests } of readers) {
    const outputPath = folder.join("restored.db");
    const before = proxy.requestCount;
    const args = ["restore", "-config", configPath, ...flags, "-o", outputPath, path];
    const { exitCode, stderr, durationMs } = await run([...command, ...args]);
    if (exitCode !== 0) throw new Error(`${name} failed: ${stderr}`);
    if (rowsDigest(outputPath) !== rows) throw new Error(`${name} restored something else`);
    ms.push(durationMs);
    requests.push(proxy.requestCount - before);
    for (const suffix of ["", "-wal", "-shm", ".tmp-wal"]) rmSync(`${outputPath}${suffix}`, { force: true });
  }
}
console.log(`\n${segments} segments, ${delayMs} ms for each request, medians of ${rounds} rounds in turns\n`);
console.log("| | restore | requests |\n| --- | ---: | ---: |");
for (const { name, ms, requests } of readers) {
  console.log(`| ${name} | ${(median(ms) / 1000).toFixed(1)} s | ${median(requests)} |`);
}
