import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { isLitestreamError, type LitestreamError } from "../../src/errors.ts";
import { pointRecordSizeBytes } from "../../src/layout/restore-points.ts";
import { compressLz4 } from "../../src/lz4/frame-writer.ts";
import { decompressLz4 } from "../../src/lz4/frame-reader.ts";
import { walIndex } from "../../src/position.ts";
import type { RestoreOptions } from "../../src/restore/restore.ts";
import { verifyReplica } from "../../src/restore/verify.ts";
import { frameSizeBytes, parseWalHeader } from "../../src/wal/header.ts";
import { collect, failureOf, inChunks } from "../bytes.ts";
import { type OwnReplica, ownReplica } from "./own-replica.ts";

const made = await ownReplica(8);
const pristine = made.folder.join("pristine");
cpSync(made.folder.join("replica"), pristine, { recursive: true, preserveTimestamps: true });

afterAll(() => made[Symbol.asyncDispose]());

/** The replica without any change of an earlier test. */
function fresh(): OwnReplica {
  rmSync(made.folder.join("replica"), { recursive: true, force: true });
  cpSync(pristine, made.folder.join("replica"), { recursive: true, preserveTimestamps: true });
  return made;
}

async function failure(replica: OwnReplica, options: Partial<RestoreOptions> = {}): Promise<LitestreamError> {
  const error = await failureOf(() => replica.restored(options));
  if (!isLitestreamError(error)) throw error;
  return error;
}

/** The newest WAL, and one before it that is compressed. */
function walNames(replica: OwnReplica): { newest: string; sealed: string } {
  const names = readdirSync(replica.file("wal")).toSorted();
  const newest = names.find((name) => name.endsWith(".wal"));
  const sealed = names.findLast((name) => name.endsWith(".wal.lz4"));
  if (newest === undefined || sealed === undefined) throw new Error(`it has only ${names.join()}`);
  return { newest: `wal/${newest}`, sealed: `wal/${sealed}` };
}

function latest(replica: OwnReplica): number {
  return replica.states.at(-1)?.transactions ?? 0;
}

describe("restore of a replica of ours", () => {
  test("misses the newest WAL also where its side file was exchanged for another, and so does verify", async () => {
    const replica = fresh();
    const { newest, sealed } = walNames(replica);
    const sideOf = (wal: string): string => replica.file(`times/${wal.slice(4, 12)}.wal`);
    const [first, second] = [readFileSync(sideOf(newest)), readFileSync(sideOf(sealed))];
    writeFileSync(sideOf(newest), second);
    writeFileSync(sideOf(sealed), first);
    expect((await replica.restored()).transactions).toBe(latest(replica));
    rmSync(replica.file(newest));
    const error = await failure(replica);
    expect(error.code).toBe("BACKUP_INCOMPLETE");
    expect(error.message).toContain(newest.slice(4, 12));
    const [report] = (await verifyReplica({ replica: replica.reader() })).generations;
    expect(report?.missing.map(({ path }) => path)).toContain(
      `generations/${replica.generation}/wal/${newest.slice(4, 12)}`,
    );
  });

  test("gives each state that was replicated, at the time its sync had ended", async () => {
    const replica = fresh();
    expect(walNames(replica).sealed).toEndWith(".lz4");
    for (const { timeMs, transactions } of replica.states.slice(0, -1)) {
      const restored = await replica.restored({ timestamp: new Date(timeMs) });
      expect(restored.transactions).toBe(transactions);
    }
    expect((await replica.restored()).transactions).toBe(latest(replica));
  });

  test("gives the last state before a time between two syncs, with any digits of a second", async () => {
    const replica = fresh();
    for (const [i, { timeMs }] of replica.states.entries()) {
      if (i < 2) continue;
      const before = replica.states[i - 1];
      const timestamp = `${new Date(before?.timeMs ?? 0).toISOString().slice(0, -1)}999999Z`;
      const restored = await replica.restored({ timestamp });
      expect([timeMs, restored.transactions]).toEqual([timeMs, before?.transactions ?? 0]);
    }
  });

  test("refuses a time before the first state and after the last, and names what there is", async () => {
    const replica = fresh();
    const [first, last] = [replica.states[0], replica.states.at(-1)];
    for (const timeMs of [(first?.timeMs ?? 0) - 60_000, (last?.timeMs ?? 0) + 60_000]) {
      const error = await failure(replica, { timestamp: new Date(timeMs) });
      expect(error.code).toBe("NO_SUCH_POINT");
      expect(error.hint).toContain(new Date(last?.timeMs ?? 0).toISOString().slice(0, 17));
      expect(error.hint).toContain(replica.generation);
    }
  });

  test("has no state inside the time in which the snapshot was copied", async () => {
    const replica = fresh();
    const reader = replica.reader();
    const info = (await reader.sideFiles.list()).find(({ kind }) => kind === "snapshot");
    if (info === undefined) throw new Error("the snapshot has no side file");
    const end = await reader.sideFiles.snapshotEnd(info);
    const error = await failure(replica, { timestamp: new Date((end?.timeMs ?? 0) - 1) });
    expect(error.code).toBe("NO_SUCH_POINT");
    expect(end?.end.generation).toBe(replica.generation);
  });

  test("needs no side file, and none that is whole", async () => {
    for (const change of ["removed", "emptied", "cut", "flipped", "another's"]) {
      const replica = fresh();
      const snapshotEnd = readFileSync(replica.file("times/00000000.snapshot"));
      for (const name of readdirSync(replica.file("times"))) {
        const path = replica.file(`times/${name}`);
        if (change === "removed") rmSync(path);
        if (change === "emptied") truncateSync(path, 0);
        if (change === "cut") truncateSync(path, statSync(path).size - 5);
        if (change === "flipped") {
          const bytes = readFileSync(path);
          bytes[pointRecordSizeBytes + 5] = (bytes[pointRecordSizeBytes + 5] ?? 0) ^ 0xff;
          writeFileSync(path, bytes);
        }
        if (change === "another's") writeFileSync(path, snapshotEnd);
      }
      expect([change, (await replica.restored()).transactions]).toEqual([change, latest(replica)]);
    }
  });

  test("says that the newest WAL lost what had been replicated, and gives what is left when forced", async () => {
    const replica = fresh();
    const path = replica.file(walNames(replica).newest);
    const { pageSize } = parseWalHeader(readFileSync(path).subarray(0, 32), path);
    truncateSync(path, statSync(path).size - frameSizeBytes(pageSize));
    const error = await failure(replica);
    expect(error.code).toBe("BACKUP_DAMAGED");
    expect(error.message).toContain("side file");
    expect(error.hint).toContain("with: -force");
    const { result, transactions } = await replica.restored({ force: true });
    expect(transactions).toBe(latest(replica) - 1);
    expect(result.lost).toContain("WAL");
    expect(result.warnings).toHaveLength(1);
  });

  test("says that the newest WAL is missing, which its side file tells of", async () => {
    const replica = fresh();
    const { newest } = walNames(replica);
    rmSync(replica.file(newest));
    const error = await failure(replica);
    expect(error.code).toBe("BACKUP_INCOMPLETE");
    expect(error.message).toContain(newest.slice(4, 12));
    const forced = await replica.restored({ force: true });
    expect(forced.transactions).toBeLessThan(latest(replica));
    expect(forced.result.lost).toContain(newest.slice(4, 12));
  });

  test("says that a sealed WAL was cut, although what is left of it is right", async () => {
    const replica = fresh();
    const { sealed } = walNames(replica);
    const path = replica.file(sealed);
    const content = await collect(decompressLz4(inChunks(readFileSync(path)), { path }));
    const { pageSize } = parseWalHeader(content.subarray(0, 32), path);
    // The whole last transaction goes: three pages or more.
    let end = content.byteLength - frameSizeBytes(pageSize);
    while (content.readUInt32BE(end - frameSizeBytes(pageSize) + 4) === 0) end -= frameSizeBytes(pageSize);
    writeFileSync(path, await collect(compressLz4(inChunks(content.subarray(0, end)))));
    const error = await failure(replica);
    expect(error.code).toBe("BACKUP_DAMAGED");
    expect(error.message).toContain(sealed.slice(4, 12));
    const forced = await replica.restored({ force: true });
    expect(forced.transactions).toBeLessThan(latest(replica));
  });

  test("tells two WALs that were exchanged, with their side files and without", async () => {
    for (const withSideFiles of [true, false]) {
      const replica = fresh();
      const { newest, sealed } = walNames(replica);
      const [path, other] = [replica.file(sealed), replica.file(newest)];
      const content = await collect(decompressLz4(inChunks(readFileSync(path)), { path }));
      writeFileSync(path, await collect(compressLz4(inChunks(readFileSync(other)))));
      writeFileSync(other, content);
      if (!withSideFiles) rmSync(replica.file("times"), { recursive: true });
      expect((await failure(replica)).code).toBe("BACKUP_DAMAGED");
    }
  });

  test("tells a snapshot that was exchanged for another one that is right in itself", async () => {
    const replica = fresh();
    const outputPath = replica.folder.join("older.db");
    const { restore } = await import("../../src/restore/restore.ts");
    await restore({ replica: replica.reader(), outputPath, index: walIndex(1) });
    const older = await collect(compressLz4(inChunks(readFileSync(outputPath))));
    rmSync(outputPath);
    writeFileSync(replica.file("snapshots/00000000.snapshot.lz4"), older);
    const error = await failure(replica);
    expect(error.code).toBe("BACKUP_DAMAGED");
    expect(error.path).toEndWith("00000000.snapshot.lz4");
  });

  test("takes a hole behind all that was replicated for the end of an interrupted append", async () => {
    const replica = fresh();
    const { newest } = walNames(replica);
    const path = replica.file(newest);
    const times = replica.file(`times/${newest.slice(4, 12)}.wal`);
    // What our side file knows ends one sync earlier than the WAL; a hole in that last part, with right frames after
    // it.
    truncateSync(times, statSync(times).size - pointRecordSizeBytes);
    const known = readFileSync(times);
    expect(known.byteLength).toBeGreaterThan(pointRecordSizeBytes);
    const end = Number(known.readBigUInt64BE(known.byteLength - pointRecordSizeBytes + 12));
    const content = readFileSync(path);
    const { pageSize } = parseWalHeader(content.subarray(0, 32), path);
    expect(content.byteLength - end).toBeGreaterThan(2 * frameSizeBytes(pageSize));
    content.fill(0, end, end + frameSizeBytes(pageSize));
    writeFileSync(path, content);
    const { result, transactions } = await replica.restored();
    expect(transactions).toBe(latest(replica) - 1);
    expect(result.droppedBytes).toBe(content.byteLength - end);
    rmSync(times);
    expect((await failure(replica)).code).toBe("BACKUP_DAMAGED");
  });

  test("leaves no folder of side files that Litestream would take for a backup's part", () => {
    const replica = fresh();
    expect(readdirSync(replica.file("")).toSorted()).toEqual(["snapshots", "times", "wal"]);
    expect(readdirSync(replica.file("wal")).every((name) => /^[0-9a-f]{8}\.wal(?:\.lz4)?$/.test(name))).toBe(true);
    expect(existsSync(replica.file("times/00000000.snapshot"))).toBe(true);
  });
});
