/**
 * A first snapshot to MinIO and its restore, side by side with Litestream's releases, in turns; MinIO and who is
 * measured share the machine. Each is a process of its own: an upload is measured from its start until a restore would
 * find everything, a restore from start to exit.
 *
 *     bun bench/src/s3.ts [--megabytes 1000] [--rounds 3] [--restores] [--quick]
 *
 * `--restores` measures restores alone, of one replica that ours has written, by all who read it: then the server has
 * nothing left to write. `--quick` takes 60 MB and 1 round.
 */
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openStore } from "@litestream/core";
import { commandEnvironment, commandLine, run } from "@litestream/e2e/command";
import { litestreamBinary } from "@litestream/e2e/litestream-binary";
import { type ObjectServer, objectServerBinary, startObjectServer } from "@litestream/e2e/object-server";
import { PeakMemory } from "@litestream/e2e/peak-memory";
import { generateDatabase, integrityCheck, tempFolder, type TempFolder } from "@litestream/testkit";
import { writeS3Config } from "./replicators/s3-config.ts";

const { values } = parseArgs({
  options: {
    megabytes: { type: "string" },
    rounds: { type: "string" },
    restores: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
  },
});
const megabytes = Number(values.megabytes ?? (values.quick ? 60 : 1000));
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
if (!(megabytes >= 1 && rounds >= 1)) throw new Error("--megabytes and --rounds are numbers from 1 on");

const pollMs = 20;
const versions = ["v0.3.4", "v0.3.13", "v0.5.16"] as const;

interface Candidate {
  readonly name: string;
  readonly command: readonly string[];
  /** What a restore's command takes besides, before its options. */
  readonly restoreFlags: readonly string[];
  /** True for the key of the object with which everything is there. */
  readonly isLast: (key: string) => boolean;
}

interface Measured {
  readonly uploadMs: number[];
  readonly uploadPeakBytes: number[];
  readonly restoreMs: number[];
  readonly restoreCpuMs: number[];
  readonly restorePeakBytes: number[];
}

async function candidates(): Promise<Candidate[]> {
  const isSnapshot = (key: string): boolean => key.includes("/snapshots/");
  const found: Candidate[] = [{ name: "ours", command: commandLine, restoreFlags: [], isLast: isSnapshot }];
  // What none of the others looks at.
  found.push({ ...(found[0] as Candidate), name: "ours, unchecked", restoreFlags: ["-integrity-check", "none"] });
  for (const version of versions) {
    const binary = await litestreamBinary(version);
    if (binary === undefined) continue;
    const isLast = version === "v0.5.16" ? (key: string) => key.endsWith(".ltx") : isSnapshot;
    found.push({ name: version, command: [binary], restoreFlags: [], isLast });
  }
  return found;
}

/** Replicates until everything is there, and ends the process. */
async function measureUpload(
  { name, command, isLast }: Candidate,
  server: ObjectServer,
  path: string,
  configPath: string,
  into: Measured,
): Promise<void> {
  const store = openStore(server.replica(path));
  const startedAtMs = performance.now();
  const child = Bun.spawn([...command, "replicate", "-config", configPath], {
    stdio: ["ignore", "ignore", "pipe"],
    env: commandEnvironment(),
  });
  const said = child.stderr.text();
  using peak = new PeakMemory(child.pid);
  while (!(await store.list("")).some(({ key }) => isLast(key))) {
    if (child.exitCode !== null) throw new Error(`${name} ended: ${await said}`);
    await Bun.sleep(pollMs);
  }
  into.uploadMs.push(performance.now() - startedAtMs);
  into.uploadPeakBytes.push(peak.bytes ?? Number.NaN);
  child.kill("SIGKILL");
  await child.exited;
}

async function measureRestore(
  { name, command, restoreFlags }: Candidate,
  folder: TempFolder,
  configPath: string,
  into: Measured,
): Promise<void> {
  const outputPath = folder.join("restored.db");
  const args = ["restore", "-config", configPath, ...restoreFlags, "-o", outputPath, folder.join("app.db")];
  const outcome = await run([...command, ...args]);
  if (outcome.exitCode !== 0) throw new Error(`${name} failed: ${outcome.stderr}`);
  if (into.restoreMs.length === 0 && integrityCheck(outputPath) !== "ok")
    throw new Error(`${name} gave a damaged file`);
  into.restoreMs.push(outcome.durationMs);
  into.restoreCpuMs.push(outcome.cpuMs ?? Number.NaN);
  into.restorePeakBytes.push(outcome.peakMemoryBytes ?? Number.NaN);
  for (const suffix of ["", "-wal", "-shm", ".tmp-wal"]) rmSync(`${outputPath}${suffix}`, { force: true });
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

const binary = await objectServerBinary("minio");
if (binary === undefined) throw new Error("MinIO could not be built by Go, or Go is not installed");
await using folder = await tempFolder();
const dbPath = folder.join("app.db");
await generateDatabase(dbPath, { sizeBytes: megabytes * 1e6, seed: 1, compressible: 0.6 });
const { size: dbSizeBytes } = statSync(dbPath);
const turns = (await candidates()).map((candidate) => {
  const measured: Measured = {
    uploadMs: [],
    uploadPeakBytes: [],
    restoreMs: [],
    restoreCpuMs: [],
    restorePeakBytes: [],
  };
  return { candidate, measured };
});

type Turn = (typeof turns)[number];

/** What a replicator leaves beside the database. */
function forgetReplication(): void {
  for (const name of [".app.db-litestream", "app.db-wal", "app.db-shm"]) {
    rmSync(join(folder.path, name), { recursive: true, force: true });
  }
}

async function measureBoth(minio: string): Promise<readonly Turn[]> {
  for (let round = 0; round < rounds; round++) {
    for (const { candidate, measured } of turns) {
      // A server of its own for each: what one wrote is not written back while the next one is measured.
      await using server = await startObjectServer("minio", minio);
      const configPath = await writeS3Config(folder, server.replica("app"));
      await measureUpload(candidate, server, "app", configPath, measured);
      await measureRestore(candidate, folder, configPath, measured);
      forgetReplication();
      console.error(`round ${round + 1}: ${candidate.name}: ${JSON.stringify(measured)}`);
    }
  }
  return turns;
}

async function measureRestores(minio: string): Promise<readonly Turn[]> {
  const readers = turns.filter(({ candidate }) => candidate.name !== "v0.5.16");
  await using server = await startObjectServer("minio", minio);
  const configPath = await writeS3Config(folder, server.replica("app"));
  const [writer] = readers;
  if (writer !== undefined) await measureUpload(writer.candidate, server, "app", configPath, writer.measured);
  forgetReplication();
  for (let round = 0; round < rounds; round++) {
    for (const { candidate, measured } of readers) await measureRestore(candidate, folder, configPath, measured);
  }
  return readers;
}

const measuredTurns = values.restores ? await measureRestores(binary) : await measureBoth(binary);

const cell = (ms: readonly number[], peak: readonly number[]): string[] => [
  `${(median(ms) / 1000).toFixed(1)} s`,
  `${(dbSizeBytes / 1000 / median(ms)).toFixed(0)} MB/s`,
  `${(Math.max(...peak) / 1e6).toFixed(0)} MB`,
];
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
console.log(`\nA database of ${(dbSizeBytes / 1e6).toFixed(0)} MB, ${rounds} rounds, medians\n`);
console.log(
  values.restores
    ? "| | restore | fastest | CPU | peak memory |\n| --- | ---: | ---: | ---: | ---: |"
    : "| | upload | | peak memory | restore | | peak memory |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
);
for (const { candidate, measured } of measuredTurns) {
  const { uploadMs, uploadPeakBytes, restoreMs, restoreCpuMs, restorePeakBytes } = measured;
  const peakMB = `${(Math.max(...restorePeakBytes) / 1e6).toFixed(0)} MB`;
  const cells = values.restores
    ? [seconds(median(restoreMs)), seconds(Math.min(...restoreMs)), seconds(median(restoreCpuMs)), peakMB]
    : [...cell(uploadMs, uploadPeakBytes), ...cell(restoreMs, restorePeakBytes)];
  console.log(`| ${[candidate.name, ...cells].join(" | ")} |`);
}
