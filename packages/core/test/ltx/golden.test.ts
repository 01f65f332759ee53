/**
 * Replicas by Litestream 0.5.16, undamaged and damaged, out of the archive beside the project: each point of each case
 * is planned, decoded and applied here, going around what is found damaged, and compared with what Litestream restored,
 * byte for byte.
 */
import { afterAll, describe, expect } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { integrityCheck, rowsDigest, SeededRandom, tempFolder } from "@litestream/testkit";
import { skipWhen } from "@litestream/testkit/skip";
import { isLitestreamError } from "../../src/errors.ts";
import { type LtxInfo, ltxInfo, type LtxTarget, planLtx } from "../../src/layout/ltx.ts";
import { parseTxid } from "../../src/ltx/txid.ts";
import { applyLtx, type ReadLtx, readLtx } from "./read.ts";

const archive = join(import.meta.dirname, "../../../../../shared/golden/public.tar.xz");
const folder = mkdtempSync(join(tmpdir(), "litestream-ltx-"));
const unpackFailure = await unpack();

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One restore of a case, as Litestream 0.5.16 did it. */
interface Point {
  readonly name: string;
  readonly args: readonly string[];
  readonly exit: number;
  readonly sha256?: string;
  readonly rows_sha256?: string;
  readonly undamaged?: { readonly sha256: string | null; readonly rows_sha256: string | null };
}

interface GoldenCase {
  readonly points: readonly Point[];
  readonly levels: readonly { readonly file: string; readonly header?: { readonly timestamp_ms?: number } }[];
}

/** What becomes of a point: `same` as undamaged, or why not. */
interface Outcome {
  readonly result: string;
  readonly database?: Buffer;
  readonly avoided: readonly string[];
}

describe("gives what Litestream restored of", () => {
  for (const name of caseNames(/^v05-|^corrupt-v05-base/)) {
    testWithArchive(name, async () => {
      const points = readCase(name).points.filter(isLtxPoint(name));
      expect(points.length).toBeGreaterThan(5);
      for (const point of points) {
        const outcome = await restore(name, point);
        const context = `${name}, ${point.name}: ${outcome.result}`;
        expect(outcome.avoided).toEqual([]);
        if (point.exit !== 0) {
          expect(context).toMatch(/(empty|before-first|after-last|compacted|gap)$/);
          continue;
        }
        expect(`${context} ${sha256(outcome.database)}`).toBe(`${name}, ${point.name}: restored ${point.sha256}`);
        await requireRows(outcome.database, point.rows_sha256);
      }
    });
  }
});

/** The points that need what lies behind transaction 7, which is in one file only. */
const behindSeven = ["latest", "ts4-exact", "txid-0000000000000008", "txid-000000000000000b", "txid-000000000000000d"];
const behindEight = behindSeven.map((name) => name.replace(/8$/, "9"));
const damaged = { damaged: behindSeven };
/** Too small for any LTX file, or not there. */
const unusable = { gap: behindSeven };

/**
 * What becomes of the points that are not the same as without damage: `damaged`, where every way to the target leads
 * over a file that is; an obstacle of the plan; or `earlier`, a whole state before it. The last is right only where
 * what is gone leaves no trace, or no transaction between two states can be dated any more.
 */
const outcomes: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  "all-l0-missing": { "after-last": ["txid-beyond-last"], earlier: ["latest", "ts2-exact", "ts4-exact"] },
  "all-snapshots-missing": {},
  "covered-l0-flipped": {},
  "covered-l0-missing": {},
  "flipped-page-data": damaged,
  "flipped-page-header-pgno": damaged,
  "flipped-page-index": damaged,
  "flipped-page-size-field": damaged,
  "flipped-trailer-file-checksum": damaged,
  "flipped-trailer-post-apply": damaged,
  "header-bad-magic": damaged,
  "header-commit-changed": damaged,
  "header-max-txid-changed": damaged,
  "header-only-l0": unusable,
  "header-page-size-changed": damaged,
  "header-reserved-nonzero": damaged,
  "header-timestamp-changed": damaged,
  "header-unknown-flags": damaged,
  "header-wal-salt-changed": damaged,
  "l1-flipped": {},
  "l1-missing": {},
  "l1-zero": {},
  "missing-l0-first": {},
  "missing-l0-last": { "after-last": ["txid-beyond-last"], earlier: ["latest"] },
  "missing-l0-middle": { gap: behindEight },
  "name-range-mismatch": { damaged: behindEight },
  "newest-snapshot-flipped": {},
  "newest-snapshot-missing": {},
  "newest-snapshot-truncated": {},
  "newest-snapshot-zero": {},
  "no-snapshot-and-gap": {
    gap: ["latest", "ts4-exact", "txid-000000000000000c", "txid-000000000000000e", "txid-0000000000000012"],
  },
  "only-snapshots": { "after-last": ["txid-beyond-last"], earlier: ["latest", "ts2-exact"] },
  "short-l0-50-bytes": unusable,
  "stray-files": {},
  "trailing-garbage": damaged,
  "truncated-l0": damaged,
  "truncated-l0-in-index": damaged,
  "truncated-l0-no-file-checksum": damaged,
  "zero-l0": unusable,
};

describe("gives the undamaged database, an error or an earlier whole state of", () => {
  for (const name of caseNames(/^corrupt-v05-(?!base)/)) {
    testWithArchive(name, async () => {
      const golden = readCase(name);
      const found: Record<string, string[]> = {};
      for (const point of golden.points) {
        const { result, database } = await restore(name, point);
        const undamaged = point.undamaged?.sha256 ?? undefined;
        let kind = result;
        if (database !== undefined) {
          kind = sha256(database) === undamaged ? "same" : "earlier";
          await requireRows(database, kind === "same" ? (point.undamaged?.rows_sha256 ?? "") : undefined);
        }
        if (kind === "same" || undamaged === undefined) continue;
        (found[kind] ??= []).push(point.name);
      }
      for (const names of Object.values(found)) names.sort();
      expect<unknown>(found).toEqual(outcomes[name.replace("corrupt-v05-", "")]);
    });
  }
});

describe("never gives other content of changed files of", () => {
  for (const name of caseNames(/^v05-(?!large)/)) {
    testWithArchive(name, async () => {
      const seed = 5;
      const random = new SeededRandom(seed);
      for (const { path } of list(name)) {
        const bytes = readFileSync(join(folder, name, "replica", path));
        const whole = await readLtx(bytes);
        for (let round = 0; round < 6; round++) {
          const changed = Buffer.from(bytes);
          const at = random.below(bytes.byteLength);
          changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
          const cut = round === 0 ? bytes.subarray(0, at) : changed;
          const result = await readLtx(cut).catch((error: unknown) => error);
          if (isLitestreamError(result, "BACKUP_DAMAGED")) continue;
          if (result instanceof Error) throw result;
          expect({ seed, path, at, round, same: Bun.deepEquals(result, whole) }).toEqual({
            seed,
            path,
            at,
            round,
            same: true,
          });
        }
      }
    });
  }
});

/** Plans, decodes and applies; plans again without what is damaged. */
async function restore(name: string, point: Point): Promise<Outcome> {
  const entries = list(name);
  const avoided = new Set<string>();
  for (;;) {
    const plan = planLtx(entries, targetOf(point), avoided);
    if (plan.kind === "obstacle") {
      return { result: avoided.size === 0 ? plan.reason : "damaged", avoided: [...avoided] };
    }
    const files: ReadLtx[] = [];
    for (const info of plan.files) {
      try {
        files.push(await readLtx(readFileSync(join(folder, name, "replica", info.path)), { expected: info }));
      } catch (error) {
        if (!isLitestreamError(error, "BACKUP_DAMAGED")) throw error;
        avoided.add(info.path);
        break;
      }
    }
    if (files.length < plan.files.length) continue;
    return { result: "restored", database: applyLtx(files), avoided: [...avoided] };
  }
}

function targetOf({ args }: Point): LtxTarget {
  const [option, value] = args;
  if (option === undefined || value === undefined) return {};
  if (option === "-txid") return { txid: parseTxid(value) };
  if (option === "-timestamp") return { timestamp: new Date(value) };
  throw new Error(`no target: ${args.join(" ")}`);
}

/** In a replica of both layouts, Litestream takes some points from the older one. */
function isLtxPoint(name: string): (point: Point) => boolean {
  if (name !== "v05-upgraded-from-v0313") return () => true;
  return (point) => !point.name.startsWith("v3era-") && !["ts0-exact", "ts-before-first"].includes(point.name);
}

async function requireRows(database: Buffer | undefined, rowsSha256: string | undefined): Promise<void> {
  await using output = await tempFolder();
  const path = output.join("restored.db");
  writeFileSync(path, database ?? "");
  expect(integrityCheck(path)).toBe("ok");
  if (rowsSha256 !== undefined) expect(rowsDigest(path)).toBe(rowsSha256);
}

function list(name: string): LtxInfo[] {
  const root = join(folder, name, "replica");
  return readdirSync(root, { recursive: true, encoding: "utf8" }).flatMap((key) => {
    const { size, mtime } = statSync(join(root, key));
    return ltxInfo({ key, sizeBytes: size, modifiedAt: mtime }) ?? [];
  });
}

function sha256(bytes: Buffer | undefined): string {
  return createHash("sha256")
    .update(bytes ?? "")
    .digest("hex");
}

function readCase(name: string): GoldenCase {
  return JSON.parse(readFileSync(join(folder, name, "case.json"), "utf8")) as GoldenCase;
}

function caseNames(pattern: RegExp): string[] {
  const names = readdirSync(folder).filter((name) => pattern.test(name));
  return names.length > 0 ? names.toSorted() : ["all cases of the archive"];
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
  const child = Bun.spawn(["tar", "-xJf", archive, "-C", folder, "--wildcards", "*v05-*"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const message = await new Response(child.stderr).text();
  if ((await child.exited) === 0) return undefined;
  rmSync(folder, { recursive: true, force: true });
  throw new Error(`GNU tar cannot unpack ${archive}: ${message.trim()}`);
}
