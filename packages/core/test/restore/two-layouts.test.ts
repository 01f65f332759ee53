/** A replica that Litestream 0.3.13 wrote and 0.5.16 went on with: which of its two layouts holds the newest state. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { rowsDigest, type TempFolder, tempFolder } from "@litestream/testkit";
import { isLitestreamError } from "../../src/errors.ts";
import { parseGeneration } from "../../src/generation.ts";
import { formatTxid, parseTxid } from "../../src/ltx/txid.ts";
import { openReplica } from "../../src/open-replica.ts";
import { restore, type RestorePointOptions } from "../../src/restore/restore.ts";
import { failureOf } from "../bytes.ts";
import { copyGoldenReplica, goldenFixturesFolder } from "../golden-replica.ts";

const fixture = join(goldenFixturesFolder, "v05-upgraded-from-v0313");
const generation = parseGeneration("d96aa093f67fb2f5");
const lastTxid = parseTxid("000000000000000a");
const lastFile = "ltx/0/000000000000000a-000000000000000a.ltx";
const firstWal = `generations/${generation}/wal/00000000_00000000.wal.lz4`;

/** What Litestream 0.5.16 restored to this point. */
function golden(name: string): string {
  const { points } = JSON.parse(readFileSync(join(fixture, "case.json"), "utf8")) as {
    readonly points: readonly { readonly name: string; readonly rows_sha256: string }[];
  };
  const point = points.find((other) => other.name === name);
  if (point === undefined) throw new Error(`there is no point ${name}`);
  return point.rows_sha256;
}

class Scene {
  readonly replica: string;
  readonly #folder: TempFolder;
  #count = 0;

  constructor(folder: TempFolder) {
    this.#folder = folder;
    this.replica = folder.join("replica");
    copyGoldenReplica(join(fixture, "replica"), this.replica);
  }

  async rows(point: Omit<RestorePointOptions, "replica"> = {}): Promise<string> {
    const outputPath = this.#folder.join(`restored-${++this.#count}.db`);
    await restore({ replica: openReplica({ path: this.replica }), outputPath, ...point });
    return rowsDigest(outputPath);
  }

  /** The time of the store for one file. */
  touch(path: string, time: Date): void {
    utimesSync(join(this.replica, path), time, time);
  }

  /** As a copy without `-p` does. */
  loseTimes(): void {
    for (const entry of readdirSync(this.replica, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) utimesSync(join(entry.parentPath, entry.name), new Date(), new Date());
    }
  }
}

test("is the one that was written last", async () => {
  await using folder = await tempFolder();
  const scene = new Scene(folder);
  expect(await scene.rows()).toBe(golden("latest"));
  // Somebody went back to 0.3 later, or came to us.
  scene.touch(firstWal, new Date("2026-11-22T16:00:00Z"));
  expect(await scene.rows()).toBe(golden("v3era-gen0-ts-after-last"));
});

test("is not guessed where a copy has lost the times: nothing older is restored in silence", async () => {
  await using folder = await tempFolder();
  const scene = new Scene(folder);
  scene.loseTimes();
  const error = await failureOf(() => scene.rows());
  expect(error).toMatchObject({ code: "BACKUP_AMBIGUOUS", path: scene.replica });
  const hint = isLitestreamError(error) ? error.hint : undefined;
  expect(hint).toContain(`-txid ${formatTxid(lastTxid)}`);
  expect(hint).toContain(`-generation ${generation}`);
  expect(await scene.rows({ txid: lastTxid })).toBe(golden("latest"));
  expect(await scene.rows({ generation })).toBe(golden("v3era-gen0-ts-after-last"));
});

test("is told by the headers of its LTX files where only these have lost their times", async () => {
  await using folder = await tempFolder();
  const scene = new Scene(folder);
  for (const file of readdirSync(join(scene.replica, "ltx/0"))) scene.touch(`ltx/0/${file}`, new Date());
  expect(await scene.rows()).toBe(golden("latest"));
});

test("a timestamp goes by the headers of LTX files, whose times a copy has lost", async () => {
  await using folder = await tempFolder();
  const scene = new Scene(folder);
  scene.loseTimes();
  for (const [name, timestamp] of [
    ["ts1-exact", "2026-11-22T15:43:22.415Z"],
    ["ts-mid-plus1ms", "2026-11-22T15:43:23.621Z"],
    ["ts-snapshot1-plus1ms", "2026-11-22T15:43:25.004Z"],
  ] as const) {
    expect(await scene.rows({ timestamp })).toBe(golden(name));
  }
});

test("a file with a damaged time in its header is not left out in silence", async () => {
  await using folder = await tempFolder();
  const scene = new Scene(folder);
  const path = join(scene.replica, lastFile);
  const bytes = readFileSync(path);
  const later = new Date("2026-11-23T00:00:00Z");
  bytes.writeBigInt64BE(BigInt(later.getTime()), 32);
  await Bun.write(path, bytes);
  scene.touch(lastFile, new Date("2026-11-22T15:43:26.016Z"));
  const failure = await failureOf(() => scene.rows({ timestamp: "2026-11-22T15:43:26.017Z" }));
  expect(isLitestreamError(failure, "BACKUP_DAMAGED", "BACKUP_INCOMPLETE", "NO_SUCH_POINT")).toBe(true);
});
