import { describe, expect, test } from "bun:test";
import { cpSync, existsSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { integrityCheck, type TempFolder, tempFolder } from "@litestream/testkit";
import { litestream } from "./command.ts";

const fixtures = join(import.meta.dirname, "../../../e2e/golden/fixtures");
const generation = "0098189244fad84e";

/** A copy of the replica that Litestream 0.3.4 wrote: snapshots 0, 2 and 3, WALs 0 to 3. */
function replicaIn(folder: TempFolder, name: string = "v034-ps512"): string {
  const path = folder.join("replica");
  cpSync(join(fixtures, name, "replica"), path, { recursive: true, preserveTimestamps: true });
  return path;
}

function objectOf(replica: string, name: string): string {
  return join(replica, "generations", generation, name);
}

describe("litestream restore", () => {
  test("prints the plan of a dry run, and writes nothing", async () => {
    await using folder = await tempFolder();
    const replica = replicaIn(folder);
    const output = folder.join("out.db");
    const { stdout, exitCode } = await litestream("restore", "-dry-run", "-o", output, replica);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`generation: ${generation}`);
    expect(stdout).toContain("index: 00000003");
    expect(stdout).toContain("00000003.snapshot.lz4");
    expect(existsSync(output)).toBe(false);
    const asJson = await litestream("restore", "--dry-run", "--json", "-o", output, replica);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ generation, index: "00000003", db_path: output });
  });

  test("says as JSON what it restored, to an index, with any check", async () => {
    for (const check of ["quick", "full", "none"]) {
      await using folder = await tempFolder();
      const replica = replicaIn(folder);
      const output = folder.join("out.db");
      const point = ["-generation", generation, "-index", "1"];
      const outcome = await litestream("restore", "-json", "-integrity-check", check, ...point, "-o", output, replica);
      expect(outcome.exitCode).toBe(0);
      expect(JSON.parse(outcome.stdout)).toMatchObject({ generation, index: "00000001", integrity_check: check });
      expect(integrityCheck(output)).toBe("ok");
    }
  });

  test("restores a transaction of a replica by Litestream 0.5", async () => {
    await using folder = await tempFolder();
    const replica = replicaIn(folder, "v05-ps512");
    const output = folder.join("out.db");
    const outcome = await litestream("restore", "-json", "-txid", "0000000000000003", "-o", output, replica);
    expect(JSON.parse(outcome.stdout)).toMatchObject({ txid: "0000000000000003" });
    expect(integrityCheck(output)).toBe("ok");
  });

  test("refuses what makes no sense, before it looks at anything", async () => {
    const refusals: [string[], string][] = [
      [["-index", "1"], "must specify generation"],
      [["-f", "-timestamp", "2026-01-01T00:00:00Z"], "cannot take both -f and -timestamp"],
      [["-f", "-dry-run"], "cannot take both -f and -dry-run"],
      [["-f", "-follow-interval", "soon"], "is a duration such as 1s"],
      [["-follow-interval", "1s"], "needs -f"],
      [["-generation", generation, "-index", "1", "-timestamp", "2026-01-01T00:00:00Z"], "cannot take more than one"],
      [["-timestamp", "yesterday"], 'not a time: "yesterday"'],
      [["-timestamp", "2026-02-30T00:00:00Z"], "not a time"],
      [["-generation", generation, "-index", "xyz"], 'not a WAL index: "xyz"'],
      [["-txid", "12"], "not a transaction ID"],
      [["-integrity-check", "deep"], "quick, full or none"],
      [["-parallelism", "0"], "a number from 1 on"],
      [["-progress", "sometimes"], "auto, always or never"],
    ];
    for (const [args, message] of refusals) {
      const { stderr, exitCode } = await litestream("restore", ...args, "-o", "/nowhere/out.db", "/nowhere/replica");
      expect([args.join(" "), exitCode]).toEqual([args.join(" "), 1]);
      expect(stderr).toContain(message);
      expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    }
  });

  test("names the command that takes what can be restored, and that command works", async () => {
    await using folder = await tempFolder();
    const replica = replicaIn(folder);
    const output = folder.join("it's out.db");
    rmSync(objectOf(replica, "wal/00000002.wal.lz4"));
    rmSync(objectOf(replica, "snapshots/00000003.snapshot.lz4"));
    const { stderr, exitCode } = await litestream("restore", "-o", output, replica);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("WAL 00000002 is missing");
    const [, words] = /with: litestream (restore -force .*)\n$/.exec(stderr) ?? [];
    const script = `litestream() { printf '%s\\n' "$@"; }; litestream ${words}`;
    const args = Bun.spawnSync(["sh", "-c", script]).stdout.toString().trimEnd().split("\n");
    expect(args.slice(0, 2)).toEqual(["restore", "-force"]);
    const forced = await litestream(...args);
    expect(forced.stderr).toContain("lost by -force");
    expect(forced.exitCode).toBe(0);
    expect(integrityCheck(output)).toBe("ok");
  });

  test("leaves a damaged snapshot out where an older one gives the same, and says so", async () => {
    await using folder = await tempFolder();
    const replica = replicaIn(folder);
    const output = folder.join("out.db");
    truncateSync(objectOf(replica, "snapshots/00000003.snapshot.lz4"), 100);
    const { stderr, exitCode } = await litestream("restore", "-o", output, replica);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("warning: damaged LZ4 data");
    expect(stderr).toContain("it is left out");
    expect(readdirSync(folder.path).toSorted()).toEqual(["out.db", "replica"]);
  });

  test("never overwrites, not even when forced", async () => {
    await using folder = await tempFolder();
    const replica = replicaIn(folder);
    const output = folder.join("out.db");
    writeFileSync(output, "mine");
    const { stderr, exitCode } = await litestream("restore", "-force", "-o", output, replica);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("exists already");
  });
});

describe("litestream verify", () => {
  test("prints what can be restored, in 80 columns, with exit code 0", async () => {
    for (const name of readdirSync(fixtures)) {
      await using folder = await tempFolder();
      const replica = replicaIn(folder, name);
      const { stdout, exitCode } = await litestream("verify", replica);
      expect([name, exitCode]).toEqual([name, 0]);
      expect(stdout).toContain("sound: everything in it can be restored");
      const [, ...lines] = stdout.trimEnd().split("\n");
      expect(lines.filter((line) => line.length > 80)).toEqual([]);
    }
  });

  test("names what is damaged, missing and no part of it, with exit code 1", async () => {
    await using folder = await tempFolder();
    const replica = replicaIn(folder);
    rmSync(objectOf(replica, "wal/00000001.wal.lz4"));
    truncateSync(objectOf(replica, "snapshots/00000003.snapshot.lz4"), 100);
    writeFileSync(objectOf(replica, "notes.txt"), "");
    const { stdout, exitCode } = await litestream("verify", replica);
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`damaged  generations/${generation}/snapshots/00000003.snapshot.lz4`);
    expect(stdout).toContain(`missing  generations/${generation}/wal/00000001`);
    expect(stdout).toContain(`extra    generations/${generation}/notes.txt`);
    expect(stdout).toContain("00000002-00000003");
    const [report] = JSON.parse((await litestream("verify", "-json", replica)).stdout) as [{ sound: boolean }];
    expect(report.sound).toBe(false);
  });

  test("finds no backup in an empty folder, with exit code 1", async () => {
    await using folder = await tempFolder();
    const { stdout, exitCode } = await litestream("verify", folder.path);
    expect(stdout).toContain("no backup found");
    expect(exitCode).toBe(1);
  });
});
