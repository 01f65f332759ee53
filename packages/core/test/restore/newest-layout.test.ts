import { expect, test } from "bun:test";
import { parseGeneration } from "../../src/generation.ts";
import { type LtxInfo, ltxKey, type LtxLevelStyle } from "../../src/layout/ltx.ts";
import { txid } from "../../src/ltx/txid.ts";
import { walIndex } from "../../src/position.ts";
import { newestLayout } from "../../src/restore/newest-layout.ts";

const generation = parseGeneration("0123456789abcdef");
const index = walIndex(0);

function ltxFile(style: LtxLevelStyle, createdMs: number, modifiedMs: number, isDated: boolean): LtxInfo {
  const name = { level: 0, minTxid: txid(1n), maxTxid: txid(1n) };
  const [createdAt, modifiedAt] = [new Date(createdMs), new Date(modifiedMs)];
  return { ...name, path: ltxKey(name, style), sizeBytes: 1000, createdAt, modifiedAt, isDated };
}

interface Case {
  readonly style?: LtxLevelStyle;
  readonly header: number;
  readonly stored?: number;
  /** The header could be read; else its time is that of the store. */
  readonly isDated?: boolean;
  readonly wal?: number;
  /** The time of a point in a side file. */
  readonly noted?: number;
}

function newest({ style = "hexadecimal", header, stored = header, isDated = true, wal, noted }: Case): string {
  const wals =
    wal === undefined
      ? []
      : [{ generation, index, offset: 0, compressed: true, path: "w", sizeBytes: 1, createdAt: new Date(wal) }];
  const checksum = { s1: 0, s2: 0 };
  const points = noted === undefined ? [] : [{ offset: 1000, checksum, timeMs: noted }];
  const walPoints = [{ generation, index, pageSize: 4096, salts: { salt1: 1, salt2: 2 }, points, sealed: undefined }];
  return newestLayout({
    location: "r",
    snapshots: [],
    wals,
    sideFiles: [],
    walPoints,
    ltx: [ltxFile(style, header, stored, isDated)],
  });
}

const hourMs = 3_600_000;

test.each<[string, string, Case]>([
  ["the only one", "ltx", { header: 1 }],
  ["LTX, whose header is later", "ltx", { header: hourMs, stored: 2 * hourMs, wal: 1 }],
  ["WAL, in a folder that kept its times", "wal", { style: "decimal", header: 1, wal: 2 }],
  ["WAL, in an object store that got the LTX file when it was made", "wal", { header: 1, stored: 30_000, wal: hourMs }],
  ["unknown in a folder that was copied", "unknown", { style: "decimal", header: 1, stored: 2, wal: 3 }],
  ["unknown in an object store that was copied", "unknown", { header: 1, stored: hourMs, wal: hourMs }],
  [
    "unknown where the header is damaged, and the times may be those of a copy",
    "unknown",
    { header: 1, isDated: false, wal: 2 },
  ],
  ["WAL where a side file says so", "wal", { header: 1, stored: hourMs, wal: hourMs, noted: 2 }],
])("is %s", (_, layout, times) => {
  expect(newest(times)).toBe(layout);
});
