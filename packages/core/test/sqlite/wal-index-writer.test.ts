import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { SeededRandom, tempFolder } from "@litestream/testkit";
import { parseWalIndex } from "../../src/sqlite/wal-index.ts";
import {
  formatWalIndexHeader,
  WalIndexRegion,
  walIndexRegionOf,
  walIndexRegionSizeBytes,
} from "../../src/sqlite/wal-index-writer.ts";
import { WalChain } from "../../src/wal/chain.ts";
import { parseWalHeader, walHeaderSizeBytes } from "../../src/wal/header.ts";

/** Files of a database while SQLite has it open; read from outside, by another process, as closing them drops locks. */
function filesOf(path: string): { wal: Buffer; shm: Buffer } {
  const read = (suffix: string): Buffer => Bun.spawnSync(["cat", `${path}${suffix}`]).stdout;
  return { wal: read("-wal"), shm: read("-shm") };
}

/** Page numbers of all frames, in order. */
function framesOf(wal: Buffer): number[] {
  const chain = new WalChain(parseWalHeader(wal, "wal"));
  const pgnos: number[] = [];
  chain.extend(Uint8Array.from(wal.subarray(walHeaderSizeBytes)), ({ pgno }) => pgnos.push(pgno));
  return pgnos;
}

describe("WalIndexRegion", () => {
  test("is byte for byte what SQLite makes of the same frames, over several regions", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    using database = new Database(path);
    database.run("PRAGMA page_size = 512");
    database.run("PRAGMA journal_mode = wal");
    database.run("PRAGMA wal_autocheckpoint = 0");
    database.run("CREATE TABLE t (id INTEGER PRIMARY KEY, blob BLOB)");
    const random = new SeededRandom(3);
    const insert = database.prepare("INSERT OR REPLACE INTO t VALUES (?, ?)");
    for (let commit = 0; commit < 110; commit++) {
      database.transaction(() => {
        for (let row = 0; row < 60; row++) {
          insert.run(random.uint32() % 900, random.fill(new Uint8Array(random.uint32() % 2000)));
        }
      })();
    }
    const { wal, shm } = filesOf(path);
    const pgnos = framesOf(wal);
    expect(walIndexRegionOf(pgnos.length)).toBeGreaterThan(1);
    const regions: WalIndexRegion[] = [];
    for (const [i, pgno] of pgnos.entries()) {
      const number = walIndexRegionOf(i + 1);
      const region = (regions[number] ??= new WalIndexRegion(number, new Uint8Array(walIndexRegionSizeBytes)));
      region.append(i + 1, pgno);
    }
    for (const { number, offset, content } of regions) {
      const start = number * walIndexRegionSizeBytes;
      expect(shm.subarray(start + offset, start + walIndexRegionSizeBytes).equals(content)).toBe(true);
    }
  });

  test("gives back what it was when frames are taken out again", () => {
    const random = new SeededRandom(4);
    for (const number of [0, 1]) {
      const first = number === 0 ? 1 : 4063;
      expect([walIndexRegionOf(first), walIndexRegionOf(first + 4000)]).toEqual([number, number]);
      const region = new WalIndexRegion(number, new Uint8Array(walIndexRegionSizeBytes));
      const versions: Buffer[] = [];
      for (let i = 0; i < 200; i++) {
        versions.push(Buffer.from(region.content));
        region.append(first + i, 1 + (random.uint32() % 50));
      }
      for (let i = 199; i >= 0; i -= 7) {
        region.keepUpTo(first + i - 1);
        expect(Buffer.from(region.content).equals(versions[i] ?? Buffer.alloc(0))).toBe(true);
      }
    }
  });
});

describe("formatWalIndexHeader", () => {
  test("is read as what was published, and differs from the one before", () => {
    for (const pageSize of [512, 65536]) {
      const published = {
        pageSize,
        mxFrame: 7,
        pageCount: 99,
        frameChecksum: { s1: -1, s2: 5 },
        salts: { salt1: 0xdeadbeef, salt2: 2 },
      };
      const before = Uint8Array.from(formatWalIndexHeader(initialized(), { ...published, mxFrame: 6 }));
      const header = formatWalIndexHeader(before, published);
      const file = new Uint8Array(136).fill(0xff, 100, 120);
      file.set(header);
      file.set(header, 48);
      expect(parseWalIndex(file)).toMatchObject({ ...published, bigEndianChecksum: false });
      expect(Buffer.from(header).equals(formatWalIndexHeader(header, published))).toBe(false);
    }
  });
});

function initialized(): Uint8Array {
  const bytes = new Uint8Array(48);
  new Uint32Array(bytes.buffer)[0] = 3007000;
  bytes[12] = 1;
  return bytes;
}
