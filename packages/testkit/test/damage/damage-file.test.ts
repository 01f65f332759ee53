import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { damageFile, damageKinds, type DamageKind, type DamageRecord, dropFile } from "../../src/damage/damage-file.ts";
import type { DamageOptions } from "../../src/damage/stretch.ts";
import { type TempFolder, tempFolder } from "../../src/database/temp-folder.ts";
import { SeededRandom } from "../../src/seeded-random.ts";
import { buildWal } from "../../src/wal/builder.ts";
import { makeStates } from "../states.ts";

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The file that the record says came of `before`. `flip` says only where bits were inverted. */
function expected(before: Buffer, after: Buffer, record: DamageRecord): Buffer {
  const { kind, offset, lengthBytes, sourceOffset = -1 } = record;
  const stretch = before.subarray(offset, offset + lengthBytes);
  const [head, tail] = [before.subarray(0, offset), before.subarray(offset + lengthBytes)];
  switch (kind) {
    case "flip": {
      const flipped = after.subarray(offset, offset + lengthBytes);
      const bits = stretch.map((byte, i) => byte ^ (flipped[i] ?? 0));
      expect(bits.every((bit) => bit !== 0 && (bit & (bit - 1)) === 0)).toBe(true);
      return Buffer.concat([head, flipped, tail]);
    }
    case "zero":
      return Buffer.concat([head, Buffer.alloc(lengthBytes), tail]);
    case "truncate":
      expect(tail.length).toBe(0);
      return head;
    case "duplicate":
      return Buffer.concat([head, stretch, stretch, tail]);
    case "drop":
      return Buffer.concat([head, tail]);
    case "splice": {
      const inserted = before.subarray(sourceOffset, sourceOffset + lengthBytes);
      expect(inserted.length).toBe(lengthBytes);
      return Buffer.concat([head, inserted, stretch, tail]);
    }
  }
}

function damageAndCheck(path: string, before: Buffer, kind: DamageKind, options: DamageOptions): DamageRecord {
  writeFileSync(path, before);
  const record = damageFile(path, kind, options);
  const after = readFileSync(path);
  const asExpected = expected(before, after, record).equals(after);
  if (!asExpected) console.error(`${kind} ${JSON.stringify(options)}`);
  expect(asExpected).toBe(true);
  expect(after.equals(before)).toBe(false);
  expect(record).toMatchObject({ kind, file: path, seed: options.seed ?? 0 });
  expect(record).toMatchObject({ sizeBefore: before.length, sha256Before: sha256(before) });
  expect(record).toMatchObject({ sizeAfter: after.length, sha256After: sha256(after) });
  return record;
}

function makeFiles(folder: TempFolder): Record<"wal" | "database" | "other", Buffer> {
  const { files } = makeStates(folder, 1024, ["CREATE TABLE t(x); INSERT INTO t VALUES (zeroblob(20000))"]);
  const pages = Array.from({ length: 6 }, (_, i) => ({ pgno: i + 1 }));
  const transactions = [{ pages, commitPageCount: 6 }];
  const wal = buildWal({ pageSize: 512, salt1: 1, salt2: 2, transactions, cutBytes: 100 });
  return {
    wal: Buffer.from(wal),
    database: files[0] ?? Buffer.alloc(0),
    other: Buffer.from(new SeededRandom(1).fill(new Uint8Array(3000))),
  };
}

describe.each([...damageKinds])("damageFile, %s,", (kind) => {
  test("does what its record says, the same for the same seed", async () => {
    await using folder = await tempFolder();
    const path = folder.join("file");
    const seeds = new SeededRandom(Date.now());
    for (const before of Object.values(makeFiles(folder))) {
      for (let run = 0; run < 15; run++) {
        const seed = seeds.uint32();
        const record = damageAndCheck(path, before, kind, { seed });
        expect(damageAndCheck(path, before, kind, { seed })).toEqual(record);
      }
      const chosen = Array.from({ length: 10 }, (_, seed) => damageAndCheck(path, before, kind, { seed }));
      expect(new Set(chosen.map((record) => record.sha256After)).size).toBeGreaterThan(1);
    }
  });

  test("takes the stretch that it is given", async () => {
    await using folder = await tempFolder();
    const path = folder.join("file");
    const seeds = new SeededRandom(Date.now());
    const { other } = makeFiles(folder);
    for (let run = 0; run < 30; run++) {
      const seed = seeds.uint32();
      const lengthBytes = 1 + seeds.below(kind === "splice" ? 900 : other.length);
      const offset = kind === "truncate" ? other.length - lengthBytes : seeds.below(other.length - lengthBytes + 1);
      const both = damageAndCheck(path, other, kind, { seed, offset, lengthBytes });
      expect(both).toMatchObject({ offset, lengthBytes });
      expect(damageAndCheck(path, other, kind, { seed, lengthBytes }).lengthBytes).toBe(lengthBytes);
      expect(damageAndCheck(path, other, kind, { seed, offset }).offset).toBe(offset);
    }
  });

  test("moves megabytes", async () => {
    await using folder = await tempFolder();
    const path = folder.join("file");
    const before = Buffer.from(new SeededRandom(2).fill(new Uint8Array(3_500_000)));
    for (const [offset, lengthBytes] of [
      [5, 1_700_000],
      [1_600_000, 1_150_000],
      [2_300_000, 1_200_000],
      [1_000_000, 3],
    ] as const) {
      const options = kind === "truncate" ? { offset } : { offset, lengthBytes };
      damageAndCheck(path, before, kind, { seed: lengthBytes, ...options });
    }
  });

  test("refuses what is not in the file, and leaves it as it is", async () => {
    await using folder = await tempFolder();
    const path = folder.join("file");
    const bytes = Buffer.from("0123456789");
    writeFileSync(path, bytes);
    for (const [options, stretch] of [
      [{ offset: 10, lengthBytes: 1 }, "offset 10 for 1 bytes"],
      [{ offset: 4, lengthBytes: 7 }, "offset 4 for 7 bytes"],
      [{ offset: -1, lengthBytes: 1 }, "offset -1 for 1 bytes"],
      [{ offset: 0, lengthBytes: 0 }, "offset 0 for 0 bytes"],
      [{ offset: 0.5, lengthBytes: 1 }, "offset 0.5 for 1 bytes"],
    ] as const) {
      expect(() => damageFile(path, kind, options)).toThrow(`${path} has 10 bytes, and ${stretch}`);
    }
    for (const options of [{ lengthBytes: 11 }, { offset: 10 }]) {
      expect(() => damageFile(path, kind, options)).toThrow(`${path} has 10 bytes, and offset`);
    }
    expect(readFileSync(path).equals(bytes)).toBe(true);
    writeFileSync(path, "");
    expect(() => damageFile(path, kind)).toThrow(`${path} is empty`);
  });

  test("keeps the time of modification", async () => {
    await using folder = await tempFolder();
    const path = folder.join("file");
    writeFileSync(path, "0123456789");
    utimesSync(path, 1_600_000_000.25, 1_600_000_000.123456);
    const before = statSync(path, { bigint: true }).mtimeNs;
    damageFile(path, kind);
    const after = statSync(path, { bigint: true }).mtimeNs;
    expect(Math.abs(Number(after - before))).toBeLessThan(1000);
  });
});

test.each(["zero", "duplicate", "drop", "splice"] as const)(
  "damageFile takes whole frames and pages for %s",
  async (kind) => {
    await using folder = await tempFolder();
    const path = folder.join("file");
    const { wal, database } = makeFiles(folder);
    for (let seed = 0; seed < 20; seed++) {
      const frame = damageAndCheck(path, wal, kind, { seed });
      expect(frame.lengthBytes).toBe(536);
      expect([32, 568, 1104, 1640, 2176]).toContain(frame.offset);
      if (kind === "splice") expect(((frame.sourceOffset ?? 0) - 32) % 536).toBe(0);
      const page = damageAndCheck(path, database, kind, { seed });
      expect(page.lengthBytes).toBe(1024);
      expect(page.offset % 1024).toBe(0);
    }
  },
);

describe("damageFile zeroes", () => {
  test("the one stretch that is not zero already, wherever it is", async () => {
    await using folder = await tempFolder();
    const path = folder.join("file");
    for (const [at, size] of [
      [0, 1],
      [0, 5000],
      [4999, 5000],
      [2_500_000, 2_500_001],
    ] as const) {
      const before = Buffer.alloc(size);
      before[at] = 1;
      for (let seed = 0; seed < 10; seed++) damageAndCheck(path, before, "zero", { seed });
    }
  });

  test("a frame, or the header before the frames where only that is not zero", async () => {
    await using folder = await tempFolder();
    const path = folder.join("file");
    const { wal } = makeFiles(folder);
    wal.fill(0, 32);
    for (let seed = 0; seed < 10; seed++) {
      damageAndCheck(path, wal, "zero", { seed });
      expect(damageAndCheck(path, wal, "zero", { seed, lengthBytes: 3 }).offset).toBeLessThan(32);
    }
    wal[1700] = 1;
    expect(damageAndCheck(path, wal, "zero", { offset: 1640 }).lengthBytes).toBe(536);
  });

  test("nothing that is zero already", async () => {
    await using folder = await tempFolder();
    const path = folder.join("file");
    writeFileSync(path, Buffer.alloc(5000));
    expect(() => damageFile(path, "zero")).toThrow(`${path} is nothing but zeros`);
    writeFileSync(path, Buffer.concat([Buffer.alloc(5000), Buffer.from("x")]));
    expect(() => damageFile(path, "zero", { offset: 7, lengthBytes: 4 })).toThrow(
      `${path} has nothing but zeros from offset 7 for 4 bytes`,
    );
  });
});

test("damageFile splices from elsewhere, never from next to where it puts the bytes", async () => {
  await using folder = await tempFolder();
  const path = folder.join("file");
  const before = Buffer.from("0123456789abcdef");
  for (let seed = 0; seed < 100; seed++) {
    const { offset, lengthBytes, sourceOffset = -1 } = damageAndCheck(path, before, "splice", { seed, lengthBytes: 4 });
    expect(sourceOffset > offset || sourceOffset + lengthBytes < offset).toBe(true);
  }
});

test("damageFile splices from wherever it can where there is nothing else", async () => {
  await using folder = await tempFolder();
  const path = folder.join("file");
  for (const size of [1, 2, 3]) {
    for (let seed = 0; seed < 10; seed++) {
      damageAndCheck(path, Buffer.from("abc").subarray(0, size), "splice", { seed });
      damageAndCheck(path, Buffer.from("abc").subarray(0, size), "splice", { seed, offset: 0, lengthBytes: size });
    }
  }
});

test("damageFile refuses to truncate in the middle", async () => {
  await using folder = await tempFolder();
  const path = folder.join("file");
  writeFileSync(path, "0123456789");
  expect(() => damageFile(path, "truncate", { offset: 2, lengthBytes: 3 })).toThrow("cuts off 8, not 3");
});

test("dropFile removes the file and records all of it", async () => {
  await using folder = await tempFolder();
  const path = folder.join("file");
  writeFileSync(path, "0123456789");
  expect(dropFile(path, 4)).toEqual({
    kind: "drop",
    file: path,
    offset: 0,
    lengthBytes: 10,
    seed: 4,
    sizeBefore: 10,
    sizeAfter: 0,
    sha256Before: sha256(Buffer.from("0123456789")),
    sha256After: null,
  });
  expect(existsSync(path)).toBe(false);
  expect(() => dropFile(path)).toThrow("ENOENT");
});
