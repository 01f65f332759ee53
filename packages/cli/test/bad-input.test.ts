import { canMakeUnwritable, makeUnwritable, Workload } from "@litestream/testkit";
import { skipUnless } from "@litestream/testkit/skip";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RunningCommand, contents, litestream } from "./command.ts";

const testUnwritable = skipUnless(canMakeUnwritable() || undefined, "root may write anywhere, and chattr is not there");

let folder: string;
let db: string;
let replica: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bad-input-"));
  db = join(folder, "app.db");
  replica = join(folder, "replica");
});
afterEach(() => rmSync(folder, { recursive: true }));

function createDatabase(): void {
  using database = new Database(db);
  database.run("PRAGMA journal_mode = wal");
  new Workload(database, { seed: 1 })[Symbol.dispose]();
}

/** Runs the command, which must say one line on stderr that names `path`, change nothing and exit with 1. */
async function refusal(args: readonly string[], path: string): Promise<string> {
  const before = contents(folder);
  const { stdout, stderr, exitCode } = await litestream(...args);
  expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
  expect(stderr).toEndWith("\n");
  expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  expect(stderr).toContain(path);
  expect(contents(folder)).toEqual(before);
  return stderr;
}

describe("replicate refuses", () => {
  test("a file that is not a database", async () => {
    writeFileSync(db, "not a database\n".repeat(1000));
    await refusal(["replicate", db, replica], db);
  });

  test("an encrypted database", async () => {
    writeFileSync(db, randomBytes(8192));
    await refusal(["replicate", db, replica], db);
  });

  test("a file of no length", async () => {
    writeFileSync(db, "");
    await refusal(["replicate", db, replica], db);
  });

  test("a folder", async () => {
    mkdirSync(db);
    await refusal(["replicate", db, replica], db);
  });

  test("a replica below a folder that does not exist", async () => {
    createDatabase();
    await refusal(["replicate", db, join(folder, "none", "replica")], join(folder, "none"));
  });

  test("a replica that is a file", async () => {
    createDatabase();
    writeFileSync(replica, "");
    await refusal(["replicate", db, replica], replica);
  });

  testUnwritable("a replica that cannot be written", async () => {
    createDatabase();
    mkdirSync(replica);
    using _unwritable = makeUnwritable(replica);
    await refusal(["replicate", db, replica], replica);
  });

  test("one folder for two replicas, by whatever name", async () => {
    createDatabase();
    expect(await refusal(["replicate", db, replica, `file://${folder}/./replica`], replica)).toContain("used twice");
  });

  test("a database for a replica", async () => {
    createDatabase();
    expect(await refusal(["replicate", db, db], db)).toContain("used twice");
  });

  test("a database without a replica, naming what to write", async () => {
    createDatabase();
    expect(await refusal(["replicate", db], db)).toContain(`litestream replicate ${db} REPLICA`);
  });

  test("both a configuration file and arguments", async () => {
    expect(await refusal(["replicate", "-config", "x.yml", db, replica], "-config")).toContain("cannot take both");
  });

  test("replicas that are not files, and URLs for databases", async () => {
    await refusal(["replicate", db, "sftp://host/app"], "sftp replicas are not here");
    await refusal(["replicate", `file://${db}`, replica], `file://${db}`);
  });

  test("a configuration file that is not there, or is wrong", async () => {
    const config = join(folder, "litestream.yml");
    expect(await refusal(["replicate", "-config", config], config)).toContain("config file not found");
    writeFileSync(config, `dbs:\n  - path: ${db}\n    replcas: []\n`);
    expect(await refusal(["replicate", "-config", config], `${config}:3:5`)).toContain('did you mean "replicas"?');
  });

  test("a trace into the database", async () => {
    createDatabase();
    await refusal(["replicate", "-trace", db, db, replica], db);
  });

  test("an unknown flag, with the nearest", async () => {
    expect(await refusal(["replicate", "--confgi", "x"], "-confgi")).toContain('did you mean "-config"?');
  });
});

test("replicate waits for a database that is not there, and says so once", async () => {
  await using command = new RunningCommand("replicate", db, replica);
  await command.saying("waiting for the database");
  createDatabase();
  await command.saying("snapshot");
  const { stderr, exitCode } = await command.end("SIGTERM");
  expect(exitCode).toBe(0);
  expect(stderr.split("waiting for the database")).toHaveLength(2);
});

test("replicate that still waits is stopped by a signal, having changed nothing", async () => {
  await using command = new RunningCommand("replicate", db, replica);
  await command.saying("waiting for the database");
  const { stderr, exitCode } = await command.end("SIGINT");
  expect(stderr).toContain("stopped; nothing was replicated");
  expect(exitCode).toBe(0);
  expect(contents(folder)).toEqual([]);
});

describe("restore refuses", () => {
  test("a replica without backups, or that is not there; -if-replica-exists takes both for done", async () => {
    for (const args of [
      ["-o", db, replica],
      ["-o", db, `file://${replica}`],
    ]) {
      await refusal(["restore", ...args], replica);
      const { stderr, exitCode } = await litestream("restore", "-if-replica-exists", ...args);
      expect(stderr).toContain("no matching backups found");
      expect(exitCode).toBe(0);
    }
    mkdirSync(replica);
    await refusal(["restore", "-o", db, replica], replica);
  });

  test("an output that exists; -if-db-not-exists takes it for done", async () => {
    mkdirSync(replica);
    createDatabase();
    await refusal(["restore", "-o", db, replica], db);
    const before = contents(folder);
    const { stderr, exitCode } = await litestream("restore", "-if-db-not-exists", "-o", db, replica);
    expect(stderr).toBe(`database already exists, skipping: ${db}\n`);
    expect(exitCode).toBe(0);
    expect(contents(folder)).toEqual(before);
  });

  test("a replica without an output path", async () => {
    expect(await refusal(["restore", replica], replica)).toContain("output path required");
  });

  test("no source, and several", async () => {
    expect(await refusal(["restore"], "")).toContain("database path or replica URL required");
    expect(await refusal(["restore", "a", "b"], "b")).toContain("too many arguments");
  });

  test("a file for a replica", async () => {
    createDatabase();
    expect(await refusal(["restore", "-o", join(folder, "out.db"), db], db)).toContain("is a file, not a replica");
  });

  test("a generation that is none", async () => {
    await refusal(["restore", "-generation", "xyz", "-o", db, replica], "xyz");
  });

  test("a database or replica that the configuration file does not have", async () => {
    const config = join(folder, "litestream.yml");
    writeFileSync(config, `dbs:\n  - path: ${db}\n    replicas: [{ path: ${replica} }]\n`);
    const other = join(folder, "appp.db");
    expect(await refusal(["restore", "-config", config, other], other)).toContain(`did you mean "${db}"?`);
    expect(await refusal(["restore", "-config", config, "-replica", "flie", db], "flie")).toContain('mean "file"?');
  });
});
