/**
 * A day in seconds: two replicas, one of them away for a while, with retention, snapshots and validation by themselves;
 * then one that is damaged on its disk.
 */
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { committedPrefix, integrityCheck, spawnWriter, type TempFolder, tempFolder } from "@litestream/testkit";
import { commandLine, restoreWithCommand, run } from "../src/command.ts";
import { folderSizeBytes } from "../src/folder-size.ts";
import { Replicator, type TracedEvent } from "../src/replicator.ts";

type Of<T extends TracedEvent["type"]> = Extract<TracedEvent, { type: T }>;

function of<T extends TracedEvent["type"]>(replicator: Replicator, type: T, replica: string): Of<T>[] {
  return replicator
    .events()
    .filter((event): event is Of<T> => event.type === type && "replica" in event && event.replica === replica);
}

function writeConfig(folder: TempFolder): string {
  const replica = (name: string, layout: string): object => ({
    name,
    path: folder.join(name),
    layout,
    retention: "2s",
    "retention-check-interval": "500ms",
    "snapshot-interval": "1s",
    "validation-interval": "1s",
    "max-shadow-wal-size": "1MB",
  });
  const database = {
    path: folder.join("app.db"),
    "monitor-interval": "100ms",
    "min-checkpoint-page-count": 100,
    replicas: [replica("steady", "whole"), replica("shaky", "segments")],
  };
  const path = folder.join("litestream.yml");
  writeFileSync(path, JSON.stringify({ dbs: [database] }));
  return path;
}

test("two replicas, one of them away for a while, stay small and equal to the database", async () => {
  await using folder = await tempFolder();
  const [dbPath, shaky] = [folder.join("app.db"), folder.join("shaky")];
  const settings = { path: dbPath, seed: 8, rowsMax: 300, rate: 150, whenDone: "hold" } as const;
  await using writer = await spawnWriter(settings);
  await using replicator = new Replicator(["-config", writeConfig(folder)], folder.join("trace"));
  const retained = (event: TracedEvent, replica: string): boolean => {
    return event.type === "retention" && event.replica === replica && event.deletedSnapshots > 0;
  };
  await replicator.waitFor((event) => retained(event, "steady"));
  const sizeThen = folderSizeBytes(folder.join("steady"));

  // Nothing is mounted there for a while.
  await replicator.waitFor((event) => event.type === "replica-sync" && event.replica === "shaky");
  renameSync(shaky, `${shaky}.away`);
  writeFileSync(shaky, "");
  await replicator.waitFor((event) => event.type === "error" && event.replica === "shaky");
  const syncsBefore = of(replicator, "replica-sync", "steady").length;
  const before = writer.lastAcknowledged();
  await writer.waitFor(before + 400);
  expect(of(replicator, "replica-sync", "steady").length).toBeGreaterThan(syncsBefore);
  rmSync(shaky);
  renameSync(`${shaky}.away`, shaky);
  const validationsThen = of(replicator, "validation", "shaky").length;
  await replicator.waitFor(() => of(replicator, "validation", "shaky").slice(validationsThen).some(isOk));
  await replicator.waitFor((event) => retained(event, "shaky"));

  await writer.stop();
  const committed = writer.lastAcknowledged();
  expect(await replicator.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
  const table: Record<string, unknown>[] = [];
  for (const name of ["steady", "shaky"]) {
    const outputPath = folder.join(`${name}.db`);
    expect(await restoreWithCommand(folder.join(name), outputPath)).toMatchObject({ exitCode: 0 });
    expect(integrityCheck(outputPath)).toBe("ok");
    expect(committedPrefix(outputPath)).toBe(committed);
    const validations = of(replicator, "validation", name);
    expect(validations.filter(({ status }) => status === "mismatch")).toEqual([]);
    expect(validations.some(isOk)).toBe(true);
    const walBytes = of(replicator, "replica-sync", name).reduce((sum, { bytes }) => sum + bytes, 0);
    table.push({
      replica: name,
      "WAL copied": walBytes,
      "size at the end": folderSizeBytes(folder.join(name)),
      snapshots: of(replicator, "snapshot", name).length,
      deleted: of(replicator, "retention", name).reduce((sum, { deletedSnapshots }) => sum + deletedSnapshots, 0),
      "validations ok": validations.filter(isOk).length,
      failures: of(replicator, "error", name).length,
      committed,
      restored: committedPrefix(outputPath),
    });
  }
  console.table(table);
  // The database has 300 rows at most: what grows is what is kept of its past.
  expect(folderSizeBytes(folder.join("steady"))).toBeLessThan(4 * sizeThen);
}, 120_000);

test("a damaged replica is found within one interval, told by log, event and exit code, and mended", async () => {
  await using folder = await tempFolder();
  const dbPath = folder.join("app.db");
  await using writer = await spawnWriter({ path: dbPath, seed: 9, transactions: 200, whenDone: "hold" });
  await writer.waitUntilDone();
  const replica = {
    name: "only",
    path: folder.join("only"),
    "retention-check-interval": "0s",
    "validation-interval": "2s",
  };
  const config = folder.join("litestream.yml");
  writeFileSync(config, JSON.stringify({ dbs: [{ path: dbPath, replicas: [replica] }] }));
  {
    await using replicator = new Replicator(["-config", config], folder.join("trace"));
    await replicator.waitFor((event) => event.type === "validation" && event.status === "ok");
    damageSnapshots(folder.join("only"));
    const validations = of(replicator, "validation", "only").length;
    await replicator.waitFor(() => of(replicator, "validation", "only").length > validations + 1);
    const [found, next] = of(replicator, "validation", "only").slice(validations);
    expect(found).toMatchObject({ status: "error" });
    expect(found?.message).toContain("damaged");
    expect(next).toMatchObject({ status: "ok" });
    expect(of(replicator, "snapshot", "only")).toHaveLength(2);
    expect(replicator.stderr).toMatch(/validation.*damaged|damaged.*validation/is);
    expect(await replicator.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
  }
  expect(await run([...commandLine, "validate", "-config", config])).toMatchObject({ exitCode: 0 });
  damageSnapshots(folder.join("only"));
  const { exitCode, stdout } = await run([...commandLine, "validate", "-config", config]);
  expect(exitCode).toBe(1);
  expect(stdout).toContain("damaged");
  expect(await run([...commandLine, "validate", "-config", config])).toMatchObject({ exitCode: 0 });
}, 120_000);

function isOk({ status }: { readonly status: string }): boolean {
  return status === "ok";
}

/** One bit in the middle of each. */
function damageSnapshots(replicaPath: string): void {
  for (const name of readdirSync(replicaPath, { recursive: true }) as string[]) {
    const path = join(replicaPath, name);
    if (!path.endsWith(".snapshot.lz4") || statSync(path).size === 0) continue;
    const bytes = readFileSync(path);
    const middle = bytes.byteLength >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  }
}
