import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { buildWal, describeWal } from "../../src/wal/builder.ts";
import { walCommits } from "../../src/wal/reader.ts";
import { WalReplay } from "../../src/wal/replay.ts";
import { spawnWriter } from "../../src/workload/writer.ts";
import { makeStates, transactionBetween } from "../states.ts";

const salts = { salt1: 1, salt2: 2 };

describe.each([512, 4096, 65536])("WalReplay, %d-byte pages,", (pageSize) => {
  test("makes each file that a checkpoint by SQLite makes of the WAL up to there", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    const options = { path, seed: 21, pageSize, transactions: 15, autocheckpointPages: 0 };
    await using writer = await spawnWriter({ ...options, whenDone: "hold" });
    await writer.waitUntilDone();
    await writer.kill();

    const walPath = `${path}-wal`;
    const outputPath = folder.join("state.db");
    using replay = new WalReplay({ databasePath: path, walPath, outputPath });
    const commits = [...walCommits(walPath)];
    expect(commits.length).toBeGreaterThanOrEqual(15);
    for (const commit of commits) {
      expect(replay.advance()).toEqual(commit);
      const copy = folder.join("copy.db");
      copyFileSync(path, copy);
      copyFileSync(walPath, `${copy}-wal`);
      truncateSync(`${copy}-wal`, commit.offset);
      checkpoint(copy);
      expect(readFileSync(outputPath).equals(readFileSync(copy))).toBe(true);
    }
    expect(replay.advance()).toBeUndefined();
  });

  test("follows a database that grows and shrinks, and applies nothing behind its last commit", async () => {
    await using folder = await tempFolder();
    const { files } = makeStates(folder, pageSize, [
      "PRAGMA auto_vacuum = FULL; CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB); INSERT INTO t VALUES (1, 'a')",
      "INSERT INTO t VALUES (2, randomblob(200000)), (3, 'b')",
      "DELETE FROM t WHERE id = 2; VACUUM",
      "INSERT INTO t VALUES (4, randomblob(90000))",
      "UPDATE t SET x = 'c'; VACUUM",
    ]);
    const [first, ...later] = files;
    if (first === undefined) throw new Error("the states are made");
    const transactions = later.map((file, i) => transactionBetween(files[i] ?? first, file, pageSize));
    const databasePath = folder.join("app.db");
    const walPath = `${databasePath}-wal`;
    const outputPath = folder.join("state.db");
    writeFileSync(databasePath, first);
    const uncommitted = [{ pgno: 1 }, { pgno: 300 }];
    const wal = describeWal({ pageSize, ...salts, transactions, uncommitted, staleFrames: 4 });
    writeFileSync(walPath, wal.bytes);

    using replay = new WalReplay({ databasePath, walPath, outputPath });
    expect(readFileSync(outputPath).equals(first)).toBe(true);
    let n = 0;
    for (const { pageCount, frame } of replay) {
      const file = later[n++];
      expect(readFileSync(outputPath).equals(file ?? first)).toBe(true);
      expect(pageCount * pageSize).toBe(file?.length ?? 0);
      if (n === later.length) expect(frame).toBe(wal.mxFrame);
    }
    expect(n).toBe(4);
    expect(readFileSync(databasePath).equals(first)).toBe(true);
  });
});

test("WalReplay begins with an empty file where all pages are still in the WAL", async () => {
  await using folder = await tempFolder();
  const { files } = makeStates(folder, 1024, ["CREATE TABLE t(x)"]);
  const [file] = files;
  if (file === undefined) throw new Error("the state is made");
  const databasePath = folder.join("app.db");
  writeFileSync(databasePath, "");
  const transactions = [transactionBetween(Buffer.alloc(0), file, 1024)];
  writeFileSync(`${databasePath}-wal`, buildWal({ pageSize: 1024, ...salts, transactions }));
  const outputPath = folder.join("state.db");
  using replay = new WalReplay({ databasePath, walPath: `${databasePath}-wal`, outputPath });
  expect(replay.advance()).toMatchObject({ frame: 2, pageCount: 2 });
  expect(readFileSync(outputPath).equals(file)).toBe(true);
});

test("WalReplay refuses a WAL of another page size, what is no database, and an output that exists", async () => {
  await using folder = await tempFolder();
  const { files } = makeStates(folder, 1024, ["CREATE TABLE t(x)"]);
  const databasePath = folder.join("app.db");
  const walPath = folder.join("app.db-wal");
  const outputPath = folder.join("state.db");
  writeFileSync(databasePath, files[0] ?? "");
  writeFileSync(walPath, buildWal({ pageSize: 512, ...salts, transactions: [] }));
  const open = (): WalReplay => new WalReplay({ databasePath, walPath, outputPath });
  expect(open).toThrow(`${databasePath} has pages of 1024 bytes and ${walPath} of 512`);
  writeFileSync(databasePath, "no database");
  expect(open).toThrow(`${databasePath} does not begin with the header of a SQLite database`);
  expect(existsSync(outputPath)).toBe(false);
  writeFileSync(databasePath, "");
  writeFileSync(outputPath, "mine");
  expect(open).toThrow("EEXIST");
  expect(readFileSync(outputPath, "utf8")).toBe("mine");
});

function checkpoint(path: string): void {
  using database = new Database(path, { readwrite: true });
  expect(database.query("PRAGMA wal_checkpoint(TRUNCATE)").get()).toEqual({ busy: 0, log: 0, checkpointed: 0 });
}
