/**
 * Replicas by Litestream 0.3.4, 0.3.13 and 0.5.16, undamaged and damaged, restored to every point that the same release
 * restored. Four small ones are in golden/fixtures; all of them are in an archive beside the project, which is unpacked
 * where it is present. What becomes of each kind of damage is in docs/restore.md.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  isGeneration,
  isLitestreamError,
  openReplica,
  parseTxid,
  restore,
  type RestoreOptions,
  verifyReplica,
  walIndex,
} from "@litestream/core";
import { integrityCheck, rowsDigest, tempFolder } from "@litestream/testkit";
import { skipUnless, skipWhen } from "../src/tools/skip.ts";

const fixturesFolder = join(import.meta.dirname, "../golden/fixtures");
const archive = join(import.meta.dirname, "../../../shared/golden/public.tar.xz");
const archiveFolder = mkdtempSync(join(tmpdir(), "litestream-golden-"));
const unpackFailure = await unpack();

afterAll(() => rmSync(archiveFolder, { recursive: true, force: true }));

/** What a restore by the release that wrote the replica gave. */
interface GoldenResult {
  readonly exit: number;
  readonly rows_sha256?: string | null;
}

interface GoldenPoint extends GoldenResult {
  readonly name: string;
  readonly args: readonly string[];
  /** With nothing else in the replica that confuses that release. */
  readonly isolated?: GoldenResult;
  /** Of a damaged case: the same restore before the damage. */
  readonly undamaged?: Partial<GoldenResult>;
}

interface GoldenCase {
  readonly page_size: number;
  readonly points: readonly GoldenPoint[];
  readonly files: readonly { readonly path: string; readonly mtime_ns: string }[];
}

/**
 * What becomes of the latest state under each kind of damage: the undamaged rows, an error, or an earlier state. The
 * last is right only where the newest objects are gone or empty, which nothing that is left tells of.
 */
type Outcome = "same" | "earlier" | "BACKUP_DAMAGED" | "BACKUP_INCOMPLETE";

const outcomes: Readonly<Record<string, Outcome>> = {
  "all-l0-missing": "earlier",
  "all-snapshots-missing": "same",
  "all-wal-missing": "earlier",
  baseA: "same",
  baseB: "same",
  "both-wal-and-lz4": "same",
  "covered-l0-flipped": "same",
  "covered-l0-missing": "same",
  "empty-generation": "same",
  "flipped-lz4-block": "BACKUP_DAMAGED",
  "flipped-lz4-content-checksum": "BACKUP_DAMAGED",
  "flipped-lz4-header": "BACKUP_DAMAGED",
  "flipped-lz4-magic": "BACKUP_DAMAGED",
  "flipped-page-data": "BACKUP_DAMAGED",
  "flipped-page-header-pgno": "BACKUP_DAMAGED",
  "flipped-page-index": "BACKUP_DAMAGED",
  "flipped-page-size-field": "BACKUP_DAMAGED",
  "flipped-snapshot-block": "BACKUP_DAMAGED",
  "flipped-trailer-file-checksum": "BACKUP_DAMAGED",
  "flipped-trailer-post-apply": "BACKUP_DAMAGED",
  "frame-checksum-mismatch": "BACKUP_DAMAGED",
  "header-bad-magic": "BACKUP_DAMAGED",
  "header-commit-changed": "BACKUP_DAMAGED",
  "header-max-txid-changed": "BACKUP_DAMAGED",
  "header-only-l0": "BACKUP_INCOMPLETE",
  "header-page-size-changed": "BACKUP_DAMAGED",
  "header-reserved-nonzero": "BACKUP_DAMAGED",
  "header-timestamp-changed": "BACKUP_DAMAGED",
  "header-unknown-flags": "BACKUP_DAMAGED",
  "header-wal-salt-changed": "BACKUP_DAMAGED",
  "l1-flipped": "same",
  "l1-missing": "same",
  "l1-zero": "same",
  "lz4-block-checksums": "same",
  "lz4-concatenated-frames": "same",
  "lz4-other-valid-frames": "same",
  "lz4-trailing-garbage": "BACKUP_DAMAGED",
  "missing-index-middle": "BACKUP_INCOMPLETE",
  "missing-l0-first": "same",
  "missing-l0-last": "earlier",
  "missing-l0-middle": "BACKUP_INCOMPLETE",
  "missing-last-segment": "earlier",
  "missing-segment-first": "BACKUP_DAMAGED",
  // Nothing in this layout says where a WAL ends: it is the later WALs that happen to hold the same pages again.
  "missing-segment-last-of-index": "same",
  "missing-segment-middle": "BACKUP_DAMAGED",
  "missing-snapshot": "BACKUP_INCOMPLETE",
  "missing-wal-first": "BACKUP_INCOMPLETE",
  "missing-wal-last": "earlier",
  "missing-wal-middle": "BACKUP_INCOMPLETE",
  "name-range-mismatch": "BACKUP_DAMAGED",
  "newer-generation-without-snapshot": "BACKUP_INCOMPLETE",
  "newest-snapshot-flipped": "same",
  "newest-snapshot-missing": "same",
  "newest-snapshot-truncated": "same",
  "newest-snapshot-zero": "same",
  "no-snapshot-and-gap": "BACKUP_INCOMPLETE",
  "oldest-snapshot-missing": "same",
  "only-snapshots": "earlier",
  "overlapping-segment": "BACKUP_DAMAGED",
  "partial-wal-beside-lz4": "same",
  "salt-mismatch-frame": "BACKUP_DAMAGED",
  "salt-mismatch-header": "BACKUP_DAMAGED",
  "short-l0-50-bytes": "BACKUP_INCOMPLETE",
  "stray-files": "same",
  "trailing-garbage": "BACKUP_DAMAGED",
  "truncated-l0": "BACKUP_DAMAGED",
  "truncated-l0-in-index": "BACKUP_DAMAGED",
  "truncated-l0-no-file-checksum": "BACKUP_DAMAGED",
  "truncated-lz4": "BACKUP_DAMAGED",
  "truncated-lz4-no-checksum": "BACKUP_DAMAGED",
  "truncated-lz4-no-endmark": "BACKUP_DAMAGED",
  "truncated-snapshot": "BACKUP_DAMAGED",
  "wal-at-and-after-newest-snapshot-missing": "earlier",
  "wal-from-before-newest-snapshot-missing": "earlier",
  "zero-active-wal": "earlier",
  "zero-l0": "BACKUP_INCOMPLETE",
  "zero-lz4": "BACKUP_DAMAGED",
  "zero-snapshot": "BACKUP_DAMAGED",
};

/** Kinds in which the newest object of some point other than the latest is gone. */
const earlierAtPoints = new Set(["missing-segment-last-of-index"]);

const largeTimeoutMs = 300_000;

describe("restore gives the recorded rows at every point of", () => {
  for (const name of readdirSync(fixturesFolder)) {
    skipUnless(Bun.which("touch") ?? undefined, "touch is not installed, which sets times to the nanosecond")(
      `${name}, a fixture`,
      async (touch) => {
        await using copy = await tempFolder();
        cpSync(join(fixturesFolder, name), copy.path, { recursive: true });
        restoreTimes(touch, copy.path);
        await expectRecordedRows(copy.path);
      },
      largeTimeoutMs,
    );
  }
  for (const name of caseNames(/^v(034|0313|05)-/)) {
    testWithArchive(name, () => expectRecordedRows(join(archiveFolder, name)));
  }
});

describe("restore gives the undamaged rows, an error or an earlier whole state at every point of", () => {
  for (const name of caseNames(/^corrupt-/)) testWithArchive(name, () => expectOutcomes(name));
});

test("every kind of damage has an outcome", () => {
  const kinds = readdirSync(archiveFolder).filter((name) => name.startsWith("corrupt-"));
  expect(kinds.map(kindOf).filter((kind) => outcomes[kind] === undefined)).toEqual([]);
});

async function expectRecordedRows(folder: string): Promise<void> {
  const golden = readCase(folder);
  const replicaPath = join(folder, "replica");
  await using output = await tempFolder();
  const outputPath = output.join("restored.db");
  for (const point of golden.points) {
    const recorded = point.isolated ?? point;
    const expected = recorded.exit === 0 ? (recorded.rows_sha256 ?? "") : "no such state";
    expect([point.name, await rowsAt(point, replicaPath, outputPath)]).toEqual([point.name, expected]);
  }
  const report = await verifyReplica({ replica: openReplica({ path: replicaPath }) });
  expect([...report.generations, report.ltx].flatMap((part) => part?.damaged ?? [])).toEqual([]);
  expect([...report.generations, report.ltx].flatMap((part) => part?.missing ?? [])).toEqual([]);
}

/** Rows of the restored state, or that there is none; anything else is thrown. */
async function rowsAt(point: GoldenPoint, replicaPath: string, outputPath: string): Promise<string> {
  try {
    const result = await restore({ ...optionsOf(point), replica: openReplica({ path: replicaPath }), outputPath });
    expect(result.droppedBytes).toBe(0);
    expect(result.warnings).toEqual([]);
    expect(integrityCheck(outputPath)).toBe("ok");
    return rowsDigest(outputPath);
  } catch (error) {
    if (!isLitestreamError(error, "NO_SUCH_POINT", "NO_BACKUP", "BACKUP_INCOMPLETE")) throw error;
    expect(error.hint).toBeDefined();
    return "no such state";
  } finally {
    rmSync(outputPath, { force: true });
  }
}

async function expectOutcomes(name: string): Promise<void> {
  const replicaPath = join(archiveFolder, name, "replica");
  const golden = readCase(join(archiveFolder, name));
  const kind = kindOf(name);
  const expected = outcomes[kind];
  await using output = await tempFolder();
  const outputPath = output.join("restored.db");
  for (const point of golden.points) {
    if (point.args.some((arg, i) => point.args[i - 1] === "-generation" && !isGeneration(arg))) continue;
    const outcome = await outcomeAt(point, replicaPath, outputPath);
    expect(readdirSync(output.path)).toEqual([]);
    if (point.name === "latest") expect([point.name, outcome]).toEqual([point.name, expected ?? "a known kind"]);
    const allowed = ["same", "BACKUP_DAMAGED", "BACKUP_INCOMPLETE", "NO_SUCH_POINT", "NO_BACKUP"];
    if (expected === "earlier" || earlierAtPoints.has(kind)) allowed.push("earlier");
    expect([point.name, allowed.includes(outcome) ? "allowed" : outcome]).toEqual([point.name, "allowed"]);
  }
  const { isSound } = await verifyReplica({ replica: openReplica({ path: replicaPath }) });
  if (expected === "BACKUP_DAMAGED") expect(isSound).toBe(false);
}

async function outcomeAt(point: GoldenPoint, replicaPath: string, outputPath: string): Promise<string> {
  try {
    await restore({ ...optionsOf(point), replica: openReplica({ path: replicaPath }), outputPath });
    expect(integrityCheck(outputPath)).toBe("ok");
    // Where the undamaged replica has no such state either, any state of it is right.
    const { exit = point.exit, rows_sha256: rows = point.rows_sha256 } = point.undamaged ?? {};
    return exit !== 0 || rowsDigest(outputPath) === rows ? "same" : "earlier";
  } catch (error) {
    if (!isLitestreamError(error)) throw error;
    expect(error.path).toStartWith(replicaPath);
    expect(error.hint).toBeDefined();
    if (error.code === "NO_SUCH_POINT" && point.undamaged?.exit !== 0 && point.exit !== 0) return "same";
    return error.code;
  } finally {
    rmSync(outputPath, { force: true });
  }
}

function optionsOf({ name, args }: GoldenPoint): Partial<RestoreOptions> {
  let options: Partial<RestoreOptions> = {};
  for (let i = 0; i < args.length; i += 2) {
    const value = args[i + 1] ?? "";
    switch (args[i]) {
      case "-generation":
        if (!isGeneration(value)) throw new Error(`${name}: no generation: ${value}`);
        options = { ...options, generation: value };
        break;
      case "-index":
        options = { ...options, index: walIndex(Number.parseInt(value, 16)) };
        break;
      case "-timestamp":
        options = { ...options, timestamp: value };
        break;
      case "-txid":
        options = { ...options, txid: parseTxid(value) };
        break;
      default:
        throw new Error(`${name}: unknown flag ${args[i]}`);
    }
  }
  return options;
}

/** A checkout has other times than the replica, and timestamps are exact to the nanosecond: only `touch` sets that. */
function restoreTimes(touch: string, folder: string): void {
  for (const { path, mtime_ns: ns } of readCase(folder).files) {
    const time = `@${ns.slice(0, -9)}.${ns.slice(-9)}`;
    const { exitCode, stderr } = Bun.spawnSync([touch, "-d", time, join(folder, "replica", path)]);
    if (exitCode !== 0) throw new Error(`touch cannot set ${time}: ${stderr.toString()}`);
  }
}

function kindOf(name: string): string {
  return name.replace(/^corrupt-v\d+-/, "");
}

function readCase(folder: string): GoldenCase {
  return JSON.parse(readFileSync(join(folder, "case.json"), "utf8")) as GoldenCase;
}

function caseNames(pattern: RegExp): string[] {
  const names = readdirSync(archiveFolder).filter((name) => pattern.test(name));
  return names.length > 0 ? names : ["all cases of the archive"];
}

function testWithArchive(name: string, body: () => Promise<void>): void {
  skipWhen(unpackFailure !== undefined, unpackFailure ?? "")(name, body, largeTimeoutMs);
}

/** @returns why the archive is not there to test with */
async function unpack(): Promise<string | undefined> {
  if (!existsSync(archive)) return "the archive of golden replicas is not beside the project";
  for (const tool of ["tar", "xz"]) {
    if (Bun.which(tool) === null) return `${tool} is not installed, which unpacks the golden replicas`;
  }
  const child = Bun.spawn(["tar", "-xJf", archive, "-C", archiveFolder], { stdio: ["ignore", "ignore", "pipe"] });
  const message = await new Response(child.stderr).text();
  if ((await child.exited) === 0) return undefined;
  rmSync(archiveFolder, { recursive: true, force: true });
  throw new Error(`GNU tar cannot unpack ${archive}: ${message.trim()}`);
}
