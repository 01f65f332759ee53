import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { committedPrefix, integrityCheck, rowsDigest, tempFolder, Workload } from "@litestream/testkit";
import { isLitestreamError } from "../../src/errors.ts";
import { type FilePoint, handleFaultPoints } from "../../src/fault-point.ts";
import { Engine } from "../../src/host/engine.ts";
import { openReplica } from "../../src/open-replica.ts";
import { restore } from "../../src/restore/restore.ts";

/** What the engine is about to do with a file when it is made to fail. */
interface Fault {
  /** Counting from 0, of all the operations of the scenario. */
  readonly operation: number;
  readonly code: "EIO" | "ENOSPC" | "EACCES";
  /** Until the cause is removed: every operation of the kind, on a file of that folder, fails. */
  readonly forGood: boolean;
}

interface Result {
  readonly operations: readonly string[];
  readonly failures: number;
}

function kindOf(point: FilePoint): string {
  const path = point.path.replace(/^.*litestream-testkit-[^/]*/, "").replaceAll(/[0-9a-f]{16}/g, "G");
  return `${point.operation} ${path.replaceAll(/[0-9a-f]{8}/g, "N")}`;
}

/** Every kind of operation of replication: first snapshot, WAL, checkpoints, next indexes, compression, a restart. */
async function scenario(fault: Fault | undefined): Promise<Result> {
  await using folder = await tempFolder();
  const [dbPath, replicaPath] = [folder.join("app.db"), folder.join("replica")];
  using database = new Database(dbPath, { create: true });
  database.run("PRAGMA journal_mode = wal");
  database.run("PRAGMA wal_autocheckpoint = 0");
  using workload = new Workload(database, { seed: 7 });
  workload.commit(2);

  const operations: string[] = [];
  let failures = 0;
  let isBroken = fault !== undefined;
  let isOver = false;
  let brokenKind: string | undefined;
  let reported = 0;
  let written = workload.committed;
  using _faults = handleFaultPoints((point) => {
    if (point.kind !== "file" || isOver) return;
    const kind = kindOf(point);
    const isFirst = operations.length === fault?.operation;
    operations.push(kind);
    if (isFirst) brokenKind = kind;
    if (fault === undefined || !isBroken || !(isFirst || (fault.forGood && kind === brokenKind))) return;
    failures += 1;
    throw Object.assign(new Error(`${fault.code}: injected`), { code: fault.code });
  });
  const start = (): Engine =>
    new Engine({
      path: dbPath,
      replicas: [{ path: replicaPath }],
      monitorEnabled: false,
      minCheckpointPageCount: 30,
      onEvent: (event) => {
        if (event.type === "replica-sync") reported = written;
      },
    });
  /** What fails must fail as an error that says what, and where. */
  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!isLitestreamError(error) || error.path === undefined) throw error;
    }
  };
  for (let run = 0; run < 2; run++) {
    await using litestream = start();
    await attempt(() => litestream.start());
    for (let round = 0; round < 6; round++) {
      written = workload.commit(3);
      await attempt(() => litestream.sync());
      // Its operations come at the same place in each run.
      for (const replica of litestream.replicas) await replica.settled();
    }
    isOver = true;
    // What was reported is there, whatever failed.
    if (reported > 0)
      expect(await restoredPrefix(replicaPath, folder.join("early.db"))).toBeGreaterThanOrEqual(reported);
    isOver = run === 1;
    if (run === 1) {
      isBroken = false;
      written = workload.commit(1);
      await litestream.sync();
    }
    await attempt(() => litestream.stop());
  }
  isOver = true;
  const outputPath = folder.join("restored.db");
  await restore({ replica: openReplica({ path: replicaPath }), outputPath });
  expect(rowsDigest(outputPath)).toBe(rowsDigest(dbPath));
  expect(integrityCheck(dbPath)).toBe("ok");
  return { operations, failures };
}

async function restoredPrefix(replicaPath: string, outputPath: string): Promise<number> {
  await restore({ replica: openReplica({ path: replicaPath }), outputPath });
  const restored = committedPrefix(outputPath);
  rmSync(outputPath);
  return restored;
}

const { operations } = await scenario(undefined);

/** One operation of each kind, the first of the scenario. */
const kinds = new Map([...operations.entries()].toReversed().map(([operation, kind]) => [kind, operation]));

/** All of them: every kind of operation with every error, once and for good. Otherwise one of them for each kind. */
const isLong = process.env["LITESTREAM_FAULTS"] === "all";
const faults = [
  { code: "EIO", forGood: false },
  { code: "ENOSPC", forGood: true },
  { code: "EACCES", forGood: true },
  { code: "EIO", forGood: true },
  { code: "ENOSPC", forGood: false },
  { code: "EACCES", forGood: false },
] as const;

for (const [number, [kind, operation]] of [...kinds].entries()) {
  for (const { code, forGood } of isLong
    ? faults
    : faults.slice(number % faults.length, (number % faults.length) + 1)) {
    const duration = forGood ? "until the cause is gone" : "once";
    test(`${code} at "${kind}", ${duration}, loses nothing that was reported`, async () => {
      const { failures } = await scenario({ operation, code, forGood });
      expect(failures).toBeGreaterThan(0);
    });
  }
}
