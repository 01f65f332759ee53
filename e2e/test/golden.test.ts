/**
 * Replicas by Litestream 0.3.4 and 0.3.13, undamaged and damaged, and what the latest state in them is. Two small ones
 * are in golden/fixtures; all of them are in an archive beside the project, which is unpacked where it is present.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isLitestreamError, openReplica, restore } from "@litestream/core";
import { integrityCheck, rowsDigest, tempFolder } from "@litestream/testkit";
import { skipWhen } from "../src/tools/skip.ts";

const fixturesFolder = join(import.meta.dirname, "../golden/fixtures");
const archive = join(import.meta.dirname, "../../../shared/golden/public.tar.xz");
const archiveFolder = mkdtempSync(join(tmpdir(), "litestream-golden-"));
const unpackFailure = await unpack();

afterAll(() => rmSync(archiveFolder, { recursive: true, force: true }));

/** One restore of a case, as the release that wrote the replica did it. */
interface GoldenState {
  readonly name?: string;
  readonly rows_sha256?: string;
  readonly integrity_check?: string;
}

interface GoldenCase {
  readonly page_size: number;
  readonly points: readonly GoldenState[];
  readonly undamaged_latest?: GoldenState;
  readonly source_at_end?: GoldenState;
}

/**
 * What becomes of each kind of damage: the undamaged rows, an error, or an earlier state. The last is right only where
 * the newest objects are gone or empty, which nothing that is left tells of.
 */
const outcomes: Readonly<Record<string, "same" | "earlier" | "BACKUP_DAMAGED" | "BACKUP_INCOMPLETE">> = {
  "all-wal-missing": "earlier",
  baseA: "same",
  baseB: "same",
  "both-wal-and-lz4": "same",
  "empty-generation": "same",
  "flipped-lz4-block": "BACKUP_DAMAGED",
  "flipped-lz4-content-checksum": "BACKUP_DAMAGED",
  "flipped-lz4-header": "BACKUP_DAMAGED",
  "flipped-lz4-magic": "BACKUP_DAMAGED",
  "flipped-snapshot-block": "BACKUP_DAMAGED",
  "frame-checksum-mismatch": "BACKUP_DAMAGED",
  "lz4-block-checksums": "same",
  "lz4-concatenated-frames": "same",
  "lz4-other-valid-frames": "same",
  "lz4-trailing-garbage": "BACKUP_DAMAGED",
  "missing-index-middle": "BACKUP_INCOMPLETE",
  "missing-last-segment": "earlier",
  "missing-segment-first": "BACKUP_DAMAGED",
  // Nothing in this layout says where a WAL ends: it is the later WALs that happen to hold the same pages again.
  "missing-segment-last-of-index": "same",
  "missing-segment-middle": "BACKUP_DAMAGED",
  "missing-snapshot": "BACKUP_INCOMPLETE",
  "missing-wal-first": "BACKUP_INCOMPLETE",
  "missing-wal-last": "earlier",
  "missing-wal-middle": "BACKUP_INCOMPLETE",
  "newer-generation-without-snapshot": "BACKUP_INCOMPLETE",
  "newest-snapshot-missing": "same",
  "newest-snapshot-truncated": "BACKUP_DAMAGED",
  "oldest-snapshot-missing": "same",
  "overlapping-segment": "BACKUP_DAMAGED",
  "partial-wal-beside-lz4": "same",
  "salt-mismatch-frame": "BACKUP_DAMAGED",
  "salt-mismatch-header": "BACKUP_DAMAGED",
  "stray-files": "same",
  "truncated-lz4": "BACKUP_DAMAGED",
  "truncated-lz4-no-checksum": "BACKUP_DAMAGED",
  "truncated-lz4-no-endmark": "BACKUP_DAMAGED",
  "truncated-snapshot": "BACKUP_DAMAGED",
  "wal-at-and-after-newest-snapshot-missing": "earlier",
  "wal-from-before-newest-snapshot-missing": "earlier",
  "zero-active-wal": "earlier",
  "zero-lz4": "BACKUP_DAMAGED",
  "zero-snapshot": "BACKUP_DAMAGED",
};

describe("restore gives the recorded rows of", () => {
  for (const name of readdirSync(fixturesFolder)) {
    test(`${name}, a fixture`, () => expectRecordedRows(join(fixturesFolder, name)));
  }
  for (const name of caseNames(/^v03(4|13)-/)) {
    testWithArchive(name, () => expectRecordedRows(join(archiveFolder, name)));
  }
});

describe("restore gives the undamaged rows, an error or an earlier whole state of", () => {
  for (const name of caseNames(/^corrupt-v03(4|13)-/)) {
    testWithArchive(name, () => expectOutcome(name));
  }
});

async function expectRecordedRows(folder: string): Promise<void> {
  const golden = readCase(folder);
  const recorded = golden.points.find(({ name }) => name === "latest");
  expect(recorded?.integrity_check).toBe("ok");
  await using output = await tempFolder();
  const outputPath = output.join("restored.db");
  const result = await restore({ replica: openReplica({ path: join(folder, "replica") }), outputPath });
  expect(result.droppedBytes).toBe(0);
  expect(result.pageSize).toBe(golden.page_size);
  expect(integrityCheck(outputPath)).toBe("ok");
  expect(rowsDigest(outputPath)).toBe(recorded?.rows_sha256 ?? "");
}

async function expectOutcome(name: string): Promise<void> {
  const folder = join(archiveFolder, name);
  const golden = readCase(folder);
  const expected = outcomes[name.replace(/^corrupt-v03(4|13)-/, "")];
  await using output = await tempFolder();
  const outputPath = output.join("restored.db");
  try {
    await restore({ replica: openReplica({ path: join(folder, "replica") }), outputPath });
  } catch (error) {
    if (!isLitestreamError(error)) throw error;
    expect(String(error.code)).toBe(expected ?? "a known case");
    expect(error.path).toStartWith(join(folder, "replica"));
    expect(error.hint).toBeDefined();
    expect(readdirSync(output.path)).toEqual([]);
    return;
  }
  expect(integrityCheck(outputPath)).toBe("ok");
  const latest = golden.undamaged_latest ?? golden.points.find((point) => point.name === "latest");
  const isSame = rowsDigest(outputPath) === latest?.rows_sha256;
  expect(String(isSame ? "same" : "earlier")).toBe(expected ?? "a known case");
}

function readCase(folder: string): GoldenCase {
  return JSON.parse(readFileSync(join(folder, "case.json"), "utf8")) as GoldenCase;
}

function caseNames(pattern: RegExp): string[] {
  const names = readdirSync(archiveFolder).filter((name) => pattern.test(name));
  return names.length > 0 ? names : ["all cases of the archive"];
}

function testWithArchive(name: string, body: () => Promise<void>): void {
  skipWhen(unpackFailure !== undefined, unpackFailure ?? "")(name, body);
}

/** @returns why the archive is not there to test with */
async function unpack(): Promise<string | undefined> {
  if (!existsSync(archive)) return "the archive of golden replicas is not beside the project";
  for (const tool of ["tar", "xz"]) {
    if (Bun.which(tool) === null) return `${tool} is not installed, which unpacks the golden replicas`;
  }
  const patterns = ["*v034-*", "*v0313-*"];
  const child = Bun.spawn(["tar", "-xJf", archive, "-C", archiveFolder, "--wildcards", ...patterns], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const message = await new Response(child.stderr).text();
  if ((await child.exited) === 0) return undefined;
  rmSync(archiveFolder, { recursive: true, force: true });
  throw new Error(`GNU tar cannot unpack ${archive}: ${message.trim()}`);
}
