import { describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describeWal, integrityCheck, SeededRandom, type TempFolder, tempFolder } from "@litestream/testkit";
import { isLitestreamError, type LitestreamError } from "../../src/errors.ts";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { parseGeneration } from "../../src/generation.ts";
import { snapshotKey } from "../../src/layout/generations.ts";
import { StoreReplicaReader } from "../../src/layout/reader.ts";
import { segmentKey } from "../../src/layout/segments.ts";
import { walKey } from "../../src/layout/whole.ts";
import { compressLz4 } from "../../src/lz4/frame-writer.ts";
import { formatPosition, walIndex } from "../../src/position.ts";
import { restore, type RestoreEvent, type RestoreOptions, type WalRestoreResult } from "../../src/restore/restore.ts";
import { FileStore } from "../../src/store/file.ts";
import { collect, failureOf, inChunks } from "../bytes.ts";

const generation = parseGeneration("0123456789abcdef");

/** A database's file before, its WALs one after another, and its file after them, as SQLite wrote them. */
interface History {
  readonly pageSize: number;
  readonly snapshot: Buffer;
  readonly wals: readonly Buffer[];
  /** The database file once each WAL was checkpointed. */
  readonly files: readonly Buffer[];
}

/** Grows, shrinks and grows again. No connection is open while the file is read: closing it would drop its locks. */
async function history(pageSize: number): Promise<History> {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  const run = (work: (database: Database) => void): Buffer => {
    const database = new Database(path);
    try {
      database.run(`PRAGMA page_size = ${pageSize}`);
      database.run("PRAGMA journal_mode = WAL");
      database.run("PRAGMA wal_autocheckpoint = 0");
      work(database);
      return existsSync(`${path}-wal`) ? readFileSync(`${path}-wal`) : Buffer.alloc(0);
    } finally {
      database.close();
    }
  };
  const insert = (database: Database, rows: number, seed: number): void => {
    const random = new SeededRandom(seed);
    for (let row = 0; row < rows; row++) {
      const blob = random.fill(new Uint8Array(random.uint32() % (pageSize * 2)));
      database.run("INSERT INTO t (blob) VALUES (?)", [blob]);
    }
  };
  run((database) => database.run("CREATE TABLE t (id INTEGER PRIMARY KEY, blob BLOB)"));
  const snapshot = readFileSync(path);
  const wals: Buffer[] = [];
  const files: Buffer[] = [];
  const steps = [
    (database: Database): void => insert(database, 60, 1),
    (database: Database): void => {
      database.run("DELETE FROM t WHERE id > 5");
      database.run("VACUUM");
    },
    (database: Database): void => insert(database, 30, 2),
    (database: Database): void => {
      insert(database, 10, 3);
      database.transaction(() => insert(database, 10, 4))();
    },
  ];
  for (const step of steps) {
    wals.push(run(step));
    files.push(readFileSync(path));
  }
  return { pageSize, snapshot, wals, files };
}

const small = await history(512);
const lastFile = small.files.at(-1) ?? Buffer.alloc(0);
const lastWal = small.wals.at(-1) ?? Buffer.alloc(0);
const lastIndex = small.wals.length - 1;
const frameSize = 24 + 512;

async function put(folder: TempFolder, key: string, content: Uint8Array): Promise<void> {
  const path = folder.join("replica", key);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, key.endsWith(".lz4") ? await collect(compressLz4(inChunks(content))) : content);
}

/** A replica of `past` as Litestream 0.3.4 leaves it: the last WAL uncompressed. */
async function wholeReplica(folder: TempFolder, past: History, changedLastWal?: Uint8Array): Promise<void> {
  await put(folder, snapshotKey(generation, walIndex(0), true), past.snapshot);
  for (const [index, wal] of past.wals.entries()) {
    const isLast = index === past.wals.length - 1;
    const content = isLast ? (changedLastWal ?? wal) : wal;
    await put(folder, walKey(generation, walIndex(index), !isLast), content);
  }
}

async function restoreFrom(folder: TempFolder, options: Partial<RestoreOptions> = {}): Promise<WalRestoreResult> {
  const replica = new StoreReplicaReader(new FileStore(folder.join("replica")), { type: "file" });
  const result = await restore({ replica, outputPath: folder.join("out", "app.db"), ...options });
  if (result.layout !== "wal") throw new Error("it was restored from LTX files");
  return result;
}

function outputOf(folder: TempFolder): Buffer {
  return readFileSync(folder.join("out", "app.db"));
}

function namesIn(folder: TempFolder): Set<string> {
  return new Set(readdirSync(folder.path, { recursive: true, encoding: "utf8" }));
}

/** The error of a restore, which must have left nothing. */
async function restoreFailure(folder: TempFolder, options: Partial<RestoreOptions> = {}): Promise<LitestreamError> {
  const before = namesIn(folder);
  const error = await failureOf(() => restoreFrom(folder, options));
  if (!isLitestreamError(error)) throw error;
  expect(namesIn(folder)).toEqual(before);
  return error;
}

describe("restore", () => {
  for (const pageSize of [512, 4096, 65_536]) {
    test(`gives SQLite's own file byte for byte, page size ${pageSize}`, async () => {
      await using folder = await tempFolder();
      const past = await history(pageSize);
      await wholeReplica(folder, past);
      const progress: RestoreEvent[] = [];
      const result = await restoreFrom(folder, { onProgress: (step) => progress.push(step) });

      const expected = past.files.at(-1) ?? Buffer.alloc(0);
      expect(outputOf(folder).equals(expected)).toBe(true);
      expect(integrityCheck(folder.join("out", "app.db"))).toBe("ok");
      expect(formatPosition(result.position)).toBe(
        `${generation}/00000003:${(past.wals.at(-1)?.byteLength ?? 0).toString(16).padStart(8, "0")}`,
      );
      expect(result).toMatchObject({ generation, snapshotIndex: walIndex(0), walCount: 4, pageSize, droppedBytes: 0 });
      expect(result.sizeBytes).toBe(expected.byteLength);
      expect(result.pageCount * pageSize).toBe(expected.byteLength);
      expect(readdirSync(folder.join("out"))).toEqual(["app.db"]);
      expect(statSync(folder.join("out", "app.db")).mode & 0o777).toBe(0o600);
      const types = progress.map(({ type }) => type).filter((type) => type !== "read");
      expect(types).toEqual(["plan", "snapshot", "wal", "wal", "wal", "wal", "integrity-check"]);
    });
  }

  test("begins at any snapshot, and gives the same file", async () => {
    for (const [i, file] of small.files.entries()) {
      await using folder = await tempFolder();
      await wholeReplica(folder, small);
      await put(folder, snapshotKey(generation, walIndex(i + 1), true), file);
      const result = await restoreFrom(folder);
      expect(outputOf(folder).equals(lastFile)).toBe(true);
      expect(Number(result.snapshotIndex)).toBe(i + 1);
      expect(result.walCount).toBe(small.wals.length - 1 - i);
    }
  });

  test("reads segments", async () => {
    await using folder = await tempFolder();
    await put(folder, snapshotKey(generation, walIndex(0), true), small.snapshot);
    for (const [index, wal] of small.wals.entries()) {
      const size = Math.ceil(wal.byteLength / 3);
      for (let offset = 0; offset < wal.byteLength; offset += size) {
        await put(folder, segmentKey(generation, walIndex(index), offset, true), wal.subarray(offset, offset + size));
      }
    }
    await restoreFrom(folder);
    expect(outputOf(folder).equals(lastFile)).toBe(true);
  });

  test("has zeros, not old pages, where a later WAL grows the database over what an earlier one cut off", async () => {
    await using folder = await tempFolder();
    const { snapshot } = small;
    const page1 = Uint8Array.from(snapshot.subarray(0, 512));
    // No size in the header: these WALs are made up, and leave pages of it unwritten.
    page1.fill(0, 24, 32);
    let salt1 = 0;
    const wal = (pgnos: number[], commitPageCount: number): Uint8Array =>
      describeWal({
        pageSize: 512,
        salt1: ++salt1,
        salt2: commitPageCount,
        transactions: [
          { pages: pgnos.map((pgno) => (pgno === 1 ? { pgno, data: page1 } : { pgno })), commitPageCount },
        ],
      }).bytes;
    await put(folder, snapshotKey(generation, walIndex(0), true), snapshot);
    await put(folder, walKey(generation, walIndex(0), true), wal([1, 2, 3, 4, 5, 6], 6));
    await put(folder, walKey(generation, walIndex(1), true), wal([1], 2));
    await put(folder, walKey(generation, walIndex(2), true), wal([1, 6], 6));
    await restoreFrom(folder, { integrityCheck: "none" });
    const output = outputOf(folder);
    expect(output.byteLength).toBe(6 * 512);
    expect(output.subarray(2 * 512, 5 * 512).every((byte) => byte === 0)).toBe(true);
    expect(output.subarray(5 * 512).every((byte) => byte === 0)).toBe(false);
  });

  test("cuts the last WAL to its last commit, wherever it ends, and says how much it left out", async () => {
    await using folder = await tempFolder();
    const seen = new Set<number>();
    for (let size = 0; size < lastWal.byteLength; size += 977) {
      await wholeReplica(folder, small, lastWal.subarray(0, size));
      const outputPath = folder.join("out", `${size}.db`);
      const result = await restoreFrom(folder, { outputPath });
      expect(integrityCheck(outputPath)).toBe("ok");
      const isBegun = Number(result.position.index) === lastIndex;
      expect(result.droppedBytes).toBe(isBegun ? size - result.position.offset : size);
      seen.add(isBegun ? result.position.offset : 0);
    }
    expect(seen.size).toBeGreaterThan(5);
  });

  test("leaves out a torn end of a WAL that grows in place, and nothing else", async () => {
    const tails = [new Uint8Array(1000), new Uint8Array(5 * frameSize), lastWal.subarray(32, 32 + frameSize)];
    for (const tail of tails) {
      await using folder = await tempFolder();
      await wholeReplica(folder, small, Buffer.concat([lastWal, tail]));
      expect((await restoreFrom(folder)).droppedBytes).toBe(tail.byteLength);
      expect(outputOf(folder).equals(lastFile)).toBe(true);
    }
  });

  test("fails on damage inside the last WAL, naming it and the place", async () => {
    for (const at of [32 + 3 * frameSize + 100, 32 + 3 * frameSize + 9]) {
      await using folder = await tempFolder();
      const wal = Buffer.from(lastWal);
      wal[at] = (wal[at] ?? 0) ^ 1;
      await wholeReplica(folder, small, wal);
      const error = await restoreFailure(folder);
      expect(error.code).toBe("BACKUP_DAMAGED");
      expect(error.offset).toBe(32 + 3 * frameSize);
      expect(error.position).toBe(`${generation}/00000003:${(32 + 3 * frameSize).toString(16).padStart(8, "0")}`);
      expect(error.message).toContain(folder.join("replica"));
      expect(error.hint).toBeDefined();
    }
  });

  test("fails on anything but a whole WAL before the last one", async () => {
    const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = small.wals;
    const torn = Buffer.concat([first, Buffer.alloc(frameSize)]);
    const changed = Buffer.from(first);
    changed[32 + 24] = (changed[32 + 24] ?? 0) ^ 1;
    const otherPages = describeWal({
      pageSize: 1024,
      salt1: 1,
      salt2: 2,
      transactions: [{ pages: [{ pgno: 1 }], commitPageCount: 1 }],
    }).bytes;
    const uncommitted = describeWal({
      pageSize: 512,
      salt1: 1,
      salt2: 2,
      transactions: [{ pages: [{ pgno: 1 }], commitPageCount: 1 }],
      uncommitted: [{ pgno: 2 }],
    }).bytes;
    const cases: [Uint8Array, string][] = [
      [first.subarray(0, -1), "ends inside a frame"],
      [first.subarray(0, 31), "less than a header"],
      [new Uint8Array(0), "less than a header"],
      [torn, "other salts"],
      [changed, "fails its checksum"],
      [Buffer.concat([first, second]), "checksum|other salts"],
      [Buffer.alloc(100, 1), "not a WAL"],
      [otherPages, "1024 bytes"],
      [uncommitted, "no end"],
    ];
    for (const [wal, message] of cases) {
      for (const compressed of [false, true]) {
        await using folder = await tempFolder();
        await wholeReplica(folder, { ...small, wals: [] });
        await put(folder, walKey(generation, walIndex(0), compressed), wal);
        await put(folder, walKey(generation, walIndex(1), true), second);
        const error = await restoreFailure(folder);
        expect(error.code).toBe("BACKUP_DAMAGED");
        expect(error.message).toMatch(new RegExp(message));
        expect(error.position).toStartWith(`${generation}/00000000:`);
      }
    }
  });

  test("fails on a torn end of a last WAL that does not grow in place", async () => {
    for (const [tail, message] of [
      [Buffer.alloc(frameSize), "other salts"],
      [undefined, "less than a header"],
    ] as const) {
      await using folder = await tempFolder();
      await wholeReplica(folder, { ...small, wals: small.wals.slice(0, -1) });
      await Bun.file(folder.join("replica", walKey(generation, walIndex(lastIndex - 1), false))).delete();
      await put(
        folder,
        walKey(generation, walIndex(lastIndex - 1), true),
        small.wals[lastIndex - 1] ?? Buffer.alloc(0),
      );
      const content = tail === undefined ? Buffer.alloc(0) : Buffer.concat([lastWal, tail]);
      await put(folder, walKey(generation, walIndex(lastIndex), true), content);
      const error = await restoreFailure(folder);
      expect(error.code).toBe("BACKUP_DAMAGED");
      expect(error.message).toContain(message);
    }
  });

  test("fails on a snapshot that is not whole pages of a SQLite database", async () => {
    const larger = Buffer.from(small.snapshot);
    larger.writeUInt32BE(1000, 28);
    for (const [snapshot, message] of [
      [Buffer.alloc(0), "no SQLite database"],
      [Buffer.alloc(4096, 7), "no SQLite database"],
      [small.snapshot.subarray(0, -1), "no whole number of pages"],
      [larger, "its header says 1000"],
    ] as const) {
      await using folder = await tempFolder();
      await put(folder, snapshotKey(generation, walIndex(0), true), snapshot);
      const error = await restoreFailure(folder);
      expect(error.code).toBe("BACKUP_DAMAGED");
      expect(error.message).toContain(message);
    }
  });

  test("needs a free output path, also of what SQLite would take for a part of it", async () => {
    for (const suffix of ["", "-wal", "-shm", "-journal"]) {
      await using folder = await tempFolder();
      await wholeReplica(folder, small);
      mkdirSync(folder.join("out"));
      writeFileSync(folder.join("out", `app.db${suffix}`), "precious");
      const error = await restoreFailure(folder);
      expect(error.code).toBe("OUTPUT_EXISTS");
      expect(error.path).toBe(folder.join("out", `app.db${suffix}`));
      expect(readFileSync(folder.join("out", `app.db${suffix}`), "utf8")).toBe("precious");
    }
    await using folder = await tempFolder();
    mkdirSync(folder.join("out"));
    symlinkSync(folder.join("gone"), folder.join("out", "app.db"));
    expect((await restoreFailure(folder)).code).toBe("OUTPUT_EXISTS");
  });

  test("does not replace a file that appears while it works", async () => {
    await using folder = await tempFolder();
    await wholeReplica(folder, small);
    const output = folder.join("out", "app.db");
    const error = await failureOf(() =>
      restoreFrom(folder, { onProgress: ({ type }) => type === "wal" && writeFileSync(output, "precious") }),
    );
    expect(isLitestreamError(error, "OUTPUT_EXISTS")).toBe(true);
    expect(readdirSync(folder.join("out"))).toEqual(["app.db"]);
    expect(readFileSync(output, "utf8")).toBe("precious");
  });

  test("leaves nothing when it is aborted, at any point", async () => {
    await using folder = await tempFolder();
    await wholeReplica(folder, small);
    for (const at of ["plan", "snapshot", "wal"]) {
      const controller = new AbortController();
      const error = await restoreFailure(folder, {
        signal: controller.signal,
        onProgress: ({ type }) => type === at && controller.abort(),
      });
      expect(error.code).toBe("ABORTED");
    }
  });

  test("says OUTPUT_UNAVAILABLE where the output cannot be made", async () => {
    await using folder = await tempFolder();
    await wholeReplica(folder, small);
    writeFileSync(folder.join("file"), "");
    const error = await restoreFailure(folder, { outputPath: folder.join("file", "sub", "app.db") });
    expect(error.code).toBe("OUTPUT_UNAVAILABLE");
    expect(error.path).toBe(folder.join("file", "sub", "app.db"));
  });

  test("has the disk begin before SQLite's check, and reports what only that flush was told", async () => {
    await using folder = await tempFolder();
    await wholeReplica(folder, small);
    const seen: string[] = [];
    using _ = handleFaultPoints((point) => {
      if (point.kind !== "file" || point.operation !== "sync" || !point.path.includes("app.db.tmp-")) return;
      seen.push("sync");
      if (!seen.includes("integrity-check")) throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" });
    });
    const error = await restoreFailure(folder, { onProgress: ({ type }) => seen.push(type) });
    expect(error.code).toBe("OUTPUT_UNAVAILABLE");
    expect(seen.filter((name) => name === "sync" || name === "integrity-check")).toEqual(["sync", "integrity-check"]);
  });

  test("is an error, and leaves nothing, where SQLite finds damage in what every checksum vouches for", async () => {
    await using folder = await tempFolder();
    const damaged = Buffer.from(lastFile);
    damaged.fill(0xff, small.pageSize, small.pageSize + 8);
    await put(folder, snapshotKey(generation, walIndex(0), true), damaged);
    const error = await restoreFailure(folder);
    expect(error.code).toBe("BACKUP_DAMAGED");
    expect(error.message).toContain("by SQLite's check");
    await restoreFrom(folder, { integrityCheck: "none" });
    expect(outputOf(folder).equals(damaged)).toBe(true);
  });

  test("flushes once more after the check, and last", async () => {
    await using folder = await tempFolder();
    await wholeReplica(folder, small);
    const seen: string[] = [];
    {
      using _ = handleFaultPoints((point) => {
        if (point.kind === "file" && point.path.includes("app.db.tmp-")) seen.push(point.operation);
      });
      await restoreFrom(folder, { onProgress: ({ type }) => type === "integrity-check" && seen.push(type) });
    }
    expect(seen.slice(seen.indexOf("sync"))).toEqual(["sync", "integrity-check", "sync"]);
  });

  test("says NO_BACKUP for a replica without one", async () => {
    await using folder = await tempFolder();
    expect((await restoreFailure(folder)).code).toBe("NO_BACKUP");
  });
});
