import { describe, expect, test } from "bun:test";
import { parseGeneration } from "../../src/generation.ts";
import {
  formatPointsHeader,
  formatSnapshotEnd,
  formatWalPoint,
  parseSideFileKey,
  parseSnapshotEnd,
  parseWalPoints,
  pointRecordSizeBytes,
  snapshotEndKey,
  walPointsKey,
} from "../../src/layout/restore-points.ts";
import { walIndex } from "../../src/position.ts";

const generation = parseGeneration("fedcba9876543210");
const index = walIndex(7);
const name = { kind: "wal", generation, index } as const;
const header = formatPointsHeader({ generation, index, salts: { salt1: 1, salt2: 0xffffffff }, pageSize: 512 });
const points = [1, 2, 3].map((n) => ({ timeMs: 1000 * n, offset: 568 * n, checksum: { s1: -n, s2: n } }));

/** The records' bytes, the last one sealed. */
function records(): Buffer {
  return Buffer.concat(points.map((point, i) => formatWalPoint(point, i === 2 ? "sealed" : "replicated")));
}

describe("side files", () => {
  test("have names of their own", () => {
    expect(parseSideFileKey(walPointsKey(generation, index))).toEqual(name);
    expect(parseSideFileKey(snapshotEndKey(generation, index))).toEqual({ ...name, kind: "snapshot" });
    expect(parseSideFileKey(`generations/${generation}/wal/00000007.wal`)).toBeUndefined();
    expect(parseSideFileKey(`generations/${generation}/times/80000000.wal`)).toBeUndefined();
  });

  test("are read as they were written", () => {
    const parsed = parseWalPoints(name, header, records());
    expect(parsed).toEqual({
      generation,
      index,
      salts: { salt1: 1, salt2: 0xffffffff },
      pageSize: 512,
      points,
      sealed: points[2],
    });
    const end = { generation, index, timeMs: 5, end: { generation, index, offset: 600 }, contentHash: 0xdeadbeef };
    expect(parseSnapshotEnd({ ...name, kind: "snapshot" }, formatSnapshotEnd(end))).toEqual(end);
  });

  test("count as far as they are whole, wherever they were cut", () => {
    const bytes = records();
    for (let size = 0; size <= bytes.byteLength; size++) {
      const found = parseWalPoints(name, header, bytes.subarray(0, size))?.points.length;
      expect([size, found]).toEqual([size, Math.floor(size / pointRecordSizeBytes)]);
    }
    for (let size = 0; size < header.byteLength; size++) {
      expect(parseWalPoints(name, header.subarray(0, size), bytes)).toBeUndefined();
    }
  });

  test("end before any byte that was changed, and are none with another header", () => {
    for (let at = 0; at < 3 * pointRecordSizeBytes; at++) {
      const bytes = records();
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      const found = parseWalPoints(name, header, bytes)?.points.length;
      expect([at, found]).toEqual([at, Math.floor(at / pointRecordSizeBytes)]);
    }
    for (let at = 0; at < header.byteLength; at++) {
      const bytes = Uint8Array.from(header);
      bytes[at] = (bytes[at] ?? 0) ^ 0x10;
      expect(parseWalPoints(name, bytes, records())).toBeUndefined();
    }
    expect(parseWalPoints({ ...name, index: walIndex(8) }, header, records())).toBeUndefined();
  });
});
