import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openStore } from "@litestream/core";
import { run } from "@litestream/e2e/command";
import { type ObjectServer, objectServerBinary, startObjectServer } from "@litestream/e2e/object-server";
import { waitUntil } from "@litestream/e2e/wait-until";
import { integrityCheck } from "@litestream/testkit";
import { flushDisk } from "../measure/flush-disk.ts";
import { makeTextDatabase } from "../load/text-database.ts";
import { cpuMsOf } from "../measure/process-usage.ts";
import type { Replicator } from "../replicators/replicator.ts";
import { RunningReplicator } from "../replicators/running.ts";
import { s3Replica, writeS3Config } from "../replicators/s3-config.ts";
import { costFigures, measureCost } from "./transaction-cost.ts";
import type { Case, Measured, RunContext, Workload } from "./workload.ts";

const prefix = "app";
const deadlineMs = 120_000;

export const objectStore: Workload = {
  name: "object-store",
  title: "An object store",
  about:
    "The first snapshot to MinIO, from the start of the process until everything is there that a restore needs, and " +
    "then the restore of it, by who wrote it. MinIO works on the same processors. Ours restores without its check of " +
    "the database, which the others do not have.",
  figures: [
    { key: "uploadSeconds", title: "upload", unit: "s", better: "less", digits: 2 },
    { key: "uploadCpuSeconds", title: "CPU", unit: "s", better: "less", digits: 2 },
    { key: "uploadMB", title: "peak memory", unit: "MB", better: "less", digits: 0 },
    { key: "restoreSeconds", title: "restore", unit: "s", better: "less", digits: 2 },
    { key: "restoreCpuSeconds", title: "CPU", unit: "s", better: "less", digits: 2 },
    { key: "restoreMB", title: "peak memory", unit: "MB", better: "less", digits: 0 },
  ],
  bars: [
    { figure: "uploadSeconds", ofBest: 1 },
    { figure: "restoreMB", absolute: 150 },
  ],
  hasBaseline: false,
  roundsMax: 3,
  unavailable: withoutMinio,
  cases: () =>
    [170, 1000].map((megabytes): Case => ({
      name: `${megabytes} MB`,
      isQuick: megabytes === 170,
      run: (replicator, context) => measureThereAndBack(replicator, context, megabytes),
    })),
};

export const objectStoreCost: Workload = {
  name: "object-store-cost",
  title: "What a transaction costs with an object store",
  about:
    "CPU of the replicator for each transaction of 60 KB, 100 a second, and the bytes that it gives to write calls, " +
    "with MinIO as its replica and each release's own interval of a second between two uploads.",
  figures: costFigures,
  bars: [{ figure: "cpuMs", ofBest: 1 }],
  hasBaseline: false,
  unavailable: withoutMinio,
  cases: (scale) => [
    {
      name: "100 a second",
      isQuick: true,
      run: async (replicator, { folder }) => {
        if (replicator === undefined) throw new Error("a cost is that of a replicator");
        await using server = await startMinio();
        return await measureCost(replicator, folder, {
          replica: s3Replica(server.replica(prefix)),
          untilReplicated: (running) => untilUploaded(replicator, server, running),
          perSecond: 100,
          seconds: scale === "quick" ? 6 : 12,
        });
      },
    },
  ],
};

async function withoutMinio(): Promise<string | undefined> {
  return (await objectServerBinary("minio")) === undefined ? "MinIO could not be built by Go" : undefined;
}

/** One for each run: what was written in one is not written back during the next. */
async function startMinio(): Promise<ObjectServer> {
  const binary = await objectServerBinary("minio");
  if (binary === undefined) throw new Error("there is no MinIO");
  return startObjectServer("minio", binary);
}

async function measureThereAndBack(
  replicator: Replicator | undefined,
  { folder, sharedFolder }: RunContext,
  megabytes: number,
): Promise<Measured> {
  if (replicator === undefined) throw new Error("an upload is that of a replicator");
  const made = join(sharedFolder, `${megabytes}.db`);
  makeTextDatabase(made, megabytes * 1e6);
  const path = join(folder, "app.db");
  copyFileSync(made, path);
  await flushDisk();
  await using server = await startMinio();
  const uploaded = await measureUpload(replicator, server, path);
  rmSync(path);
  await flushDisk();
  return { ...uploaded, ...(await measureRestore(replicator, server, folder)) };
}

async function measureUpload(replicator: Replicator, server: ObjectServer, path: string): Promise<Measured> {
  await using running = new RunningReplicator(replicator, [{ path, replicas: [s3Replica(server.replica(prefix))] }]);
  await untilUploaded(replicator, server, running);
  const uploadSeconds = (performance.timeOrigin + performance.now() - running.startedAtMs) / 1000;
  const usage = running.usage();
  return { uploadSeconds, uploadCpuSeconds: cpuMsOf(usage) / 1000, uploadMB: usage.peakMemoryBytes / 1e6 };
}

async function measureRestore(replicator: Replicator, server: ObjectServer, folder: string): Promise<Measured> {
  const configPath = await writeS3Config(folder, server.replica(prefix));
  const outputPath = join(folder, "restored.db");
  const flags = replicator.name === "ours" ? ["-integrity-check", "none"] : [];
  const args = ["restore", "-config", configPath, ...flags, "-o", outputPath, join(folder, "app.db")];
  const { exitCode, stderr, durationMs, cpuMs, peakMemoryBytes } = await run([...replicator.command, ...args]);
  if (exitCode !== 0) {
    const failure = `exit code ${exitCode}: ${stderr}`;
    if (replicator.name === "ours") throw new Error(failure);
    // Its upload counts all the same. Litestream 0.3.4 ends some of its reads of a stream too early.
    console.error(`${replicator.name} does not restore what it has uploaded: ${failure}`);
    return {};
  }
  const check = integrityCheck(outputPath);
  if (check !== "ok") throw new Error(`what it restored is damaged: ${check}`);
  return {
    restoreSeconds: durationMs / 1000,
    restoreCpuSeconds: (cpuMs ?? Number.NaN) / 1000,
    restoreMB: (peakMemoryBytes ?? Number.NaN) / 1e6,
  };
}

/** An object is seen by its name once all of it is there. */
async function untilUploaded(replicator: Replicator, server: ObjectServer, running: RunningReplicator): Promise<void> {
  const store = openStore(server.replica(prefix));
  const isLast = (key: string): boolean =>
    replicator.fileLayout === "ltx" ? key.endsWith(".ltx") : key.includes("/snapshots/");
  await waitUntil(
    `the first snapshot of ${replicator.name}`,
    async () => {
      running.requireRunning();
      return (await store.list("")).some(({ key }) => isLast(key));
    },
    deadlineMs,
  );
}
