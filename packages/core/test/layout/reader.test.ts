import { describe, expect, test } from "bun:test";
import { renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { type TempFolder, tempFolder } from "@litestream/testkit";
import { isLitestreamError, type LitestreamError } from "../../src/errors.ts";
import { type Generation, parseGeneration } from "../../src/generation.ts";
import { snapshotKey } from "../../src/layout/generations.ts";
import { StoreReplicaReader } from "../../src/layout/reader.ts";
import { segmentKey } from "../../src/layout/segments.ts";
import { walKey } from "../../src/layout/whole.ts";
import { compressLz4 } from "../../src/lz4/frame-writer.ts";
import { walIndex } from "../../src/position.ts";
import { FileStore } from "../../src/store/file.ts";
import { collect, failureOf, inChunks } from "../bytes.ts";

const a = parseGeneration("aaaaaaaaaaaaaaaa");
const b = parseGeneration("bbbbbbbbbbbbbbbb");
const [zero, one, two] = [walIndex(0), walIndex(1), walIndex(2)];

class Fixture implements AsyncDisposable {
  readonly folder: TempFolder;
  readonly reader: StoreReplicaReader;

  constructor(folder: TempFolder) {
    this.folder = folder;
    this.reader = new StoreReplicaReader(new FileStore(folder.path), { type: "file" });
  }

  /** Stores `content` under `key`, compressed where the key says so. */
  async put(key: string, content: string | Uint8Array, modifiedSeconds: number = 1000): Promise<void> {
    const path = this.folder.join(key);
    await mkdir(dirname(path), { recursive: true });
    const bytes = Buffer.from(content);
    writeFileSync(path, key.endsWith(".lz4") ? await collect(compressLz4(inChunks(bytes))) : bytes);
    utimesSync(path, modifiedSeconds, modifiedSeconds);
  }

  async wal(generation: Generation, index: typeof zero): Promise<string> {
    return (await collect(this.reader.walReader(generation, index))).toString();
  }

  async walFailure(index: typeof zero): Promise<LitestreamError> {
    const error = await failureOf(() => this.wal(a, index));
    if (!isLitestreamError(error)) throw error;
    return error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.folder[Symbol.asyncDispose]();
  }
}

async function fixture(): Promise<Fixture> {
  return new Fixture(await tempFolder());
}

describe("StoreReplicaReader", () => {
  test("lists nothing where there is nothing", async () => {
    const reader = new StoreReplicaReader(new FileStore("/nowhere/at/all"), { type: "file", name: "n" });
    expect([reader.name, reader.type, reader.location]).toEqual(["n", "file", "/nowhere/at/all"]);
    expect(await reader.generations()).toEqual([]);
    expect(await reader.snapshots()).toEqual([]);
    expect(await reader.wals()).toEqual([]);
    expect(await reader.generationStats(a)).toEqual({
      snapshotCount: 0,
      walCount: 0,
      snapshotSizeBytes: 0,
      walSizeBytes: 0,
      createdAt: undefined,
      updatedAt: undefined,
    });
  });

  test("lists both layouts in one replica, and no strays", async () => {
    await using replica = await fixture();
    await replica.put(snapshotKey(b, one, true), "s", 10);
    await replica.put(snapshotKey(a, zero, true), "s", 20);
    await replica.put(walKey(a, zero, true), "0", 40);
    await replica.put(walKey(a, one, false), "1", 30);
    await replica.put(segmentKey(b, one, 32, true), "", 50);
    await replica.put(segmentKey(b, one, 0, true), "", 60);
    await replica.put("generations/aaaaaaaaaaaaaaaa/wal/README.txt", "");
    await replica.put("generations/aaaaaaaaaaaaaaaa/wal/00000001.wal.lz4.tmp", "");
    await replica.put("generations/other/wal/00000001.wal", "");

    const { reader } = replica;
    expect(await reader.generations()).toEqual([a, b]);
    expect((await reader.snapshots()).map(({ generation, index }) => [generation, index])).toEqual([
      [a, zero],
      [b, one],
    ]);
    const wals = await reader.wals();
    expect(wals.map(({ generation, index, offset, compressed }) => [generation, index, offset, compressed])).toEqual([
      [a, zero, 0, true],
      [a, one, 0, false],
      [b, one, 0, true],
      [b, one, 32, true],
    ]);
    expect(wals[1]).toEqual({
      generation: a,
      index: one,
      offset: 0,
      compressed: false,
      path: "generations/aaaaaaaaaaaaaaaa/wal/00000001.wal",
      sizeBytes: 1,
      createdAt: new Date(30_000),
      createdAtNs: 30_000_000_000n,
    });
    expect(await reader.generationStats(a)).toEqual({
      snapshotCount: 1,
      walCount: 2,
      // Frames of one byte, and a WAL that is not compressed.
      snapshotSizeBytes: 20,
      walSizeBytes: 21,
      createdAt: new Date(20_000),
      updatedAt: new Date(40_000),
    });
  });

  test("reads snapshots compressed or not, the latter first", async () => {
    await using replica = await fixture();
    await replica.put(snapshotKey(a, one, true), "compressed");
    const read = async (): Promise<string> => (await collect(replica.reader.snapshotReader(a, one))).toString();
    expect(await read()).toBe("compressed");
    await replica.put(snapshotKey(a, one, false), "plain");
    expect(await read()).toBe("plain");
    const missing = await failureOf(() => collect(replica.reader.snapshotReader(a, two)));
    expect(isLitestreamError(missing, "OBJECT_MISSING")).toBe(true);
  });

  test("reads a WAL in each of its forms", async () => {
    await using replica = await fixture();
    await replica.put(walKey(a, zero, false), "plain");
    await replica.put(walKey(a, one, true), "compressed");
    await replica.put(segmentKey(a, two, 3, true), "defg");
    await replica.put(segmentKey(a, two, 0, true), "abc");
    await replica.put(segmentKey(a, two, 7, true), "h");
    expect(await replica.wal(a, zero)).toBe("plain");
    expect(await replica.wal(a, one)).toBe("compressed");
    expect(await replica.wal(a, two)).toBe("abcdefgh");
  });

  test("says OBJECT_MISSING, with the position, for a WAL that is not there", async () => {
    await using replica = await fixture();
    const error = await replica.walFailure(two);
    expect(error.code).toBe("OBJECT_MISSING");
    expect(error.position).toBe("aaaaaaaaaaaaaaaa/00000002:00000000");
  });

  test("says which segment leaves a gap, and which overlaps", async () => {
    await using replica = await fixture();
    await replica.put(segmentKey(a, zero, 3, true), "defg");
    const first = await replica.walFailure(zero);
    expect([first.code, first.offset]).toEqual(["BACKUP_DAMAGED", 0]);
    expect(first.path).toBe(replica.folder.join(segmentKey(a, zero, 3, true)));

    await replica.put(segmentKey(a, one, 0, true), "abc");
    await replica.put(segmentKey(a, one, 5, true), "fgh");
    const gap = await replica.walFailure(one);
    expect([gap.code, gap.offset]).toEqual(["BACKUP_DAMAGED", 3]);
    expect(gap.path).toBe(replica.folder.join(segmentKey(a, one, 5, true)));
    expect(gap.message).toContain("is missing");

    await replica.put(segmentKey(a, two, 0, true), "abc");
    await replica.put(segmentKey(a, two, 2, true), "cde");
    const overlap = await replica.walFailure(two);
    expect(overlap.code).toBe("BACKUP_DAMAGED");
    expect(overlap.message).toContain("overlaps");
  });

  test("takes the longest of several forms of a WAL that agree, and fails where they do not", async () => {
    await using replica = await fixture();
    const long = "0123456789".repeat(300_000);
    await replica.put(walKey(a, zero, false), long.slice(0, 1_500_001));
    await replica.put(walKey(a, zero, true), long);
    expect((await replica.wal(a, zero)) === long).toBe(true);
    await replica.put(walKey(a, zero, false), "");
    expect((await replica.wal(a, zero)) === long).toBe(true);

    await replica.put(walKey(a, one, false), "abcdef");
    await replica.put(walKey(a, one, true), "abc");
    await replica.put(segmentKey(a, one, 0, true), "ab");
    await replica.put(segmentKey(a, one, 2, true), "cdefgh");
    expect(await replica.wal(a, one)).toBe("abcdefgh");
    await replica.put(walKey(a, one, true), "abX");
    const error = await replica.walFailure(one);
    expect(error.code).toBe("BACKUP_DAMAGED");
    expect(error.message).toContain("00000001.wal and ");
    expect(error.message).toContain("00000001.wal.lz4");
  });

  test("finds a WAL that was compressed after it was listed", async () => {
    await using replica = await fixture();
    await replica.put(walKey(a, zero, false), "same");
    await replica.put(walKey(a, one, false), "next");
    await replica.reader.wals();
    await replica.put(walKey(a, zero, true), "same");
    rmSync(replica.folder.join(walKey(a, zero, false)));
    expect(await replica.wal(a, zero)).toBe("same");
  });

  test("reads the newest WAL as it is now, not as it was listed", async () => {
    await using replica = await fixture();
    await replica.put(segmentKey(a, zero, 0, true), "abc");
    await replica.reader.wals();
    await replica.put(segmentKey(a, zero, 3, true), "def");
    expect(await replica.wal(a, zero)).toBe("abcdef");
  });

  test("closes its objects when reading ends early", async () => {
    await using replica = await fixture();
    await replica.put(walKey(a, zero, false), "abc");
    await replica.put(walKey(a, zero, true), "abc");
    for await (const chunk of replica.reader.walReader(a, zero)) {
      expect(Buffer.from(chunk).toString()).toBe("abc");
      break;
    }
    renameSync(replica.folder.join(walKey(a, zero, true)), replica.folder.join(walKey(a, one, true)));
    expect(await replica.wal(a, one)).toBe("abc");
  });

  test("is ended by its signal", async () => {
    await using replica = await fixture();
    await replica.put(walKey(a, zero, false), "abc");
    const reader = new StoreReplicaReader(new FileStore(replica.folder.path), {
      type: "file",
      signal: AbortSignal.abort(),
    });
    for (const work of [() => reader.wals(), () => collect(reader.walReader(a, zero))]) {
      expect(isLitestreamError(await failureOf(work), "ABORTED")).toBe(true);
    }
  });
});
