/**
 * How fast frames are verified: salts and running checksum of a WAL that SQLite wrote, in memory, for each page size.
 *
 *     bun bench/src/wal-verify.ts
 */
import { Database } from "bun:sqlite";
import { readFileSync } from "node:fs";
import { frameSizeBytes, parseWalHeader, WalChain } from "@litestream/core";
import { tempFolder } from "@litestream/testkit";

const walSizeBytes = 128e6;
const runs = 7;
/** A connection that was collected would take its WAL with it. */
const kept: Database[] = [];

console.log("page size  frames   GB/s (median of 7)");
for (const pageSize of [512, 1024, 4096, 16384, 65536]) {
  await using folder = await tempFolder();
  const path = folder.join("bench.db");
  writeWal(path, pageSize);
  const wal = new Uint8Array(readFileSync(`${path}-wal`));
  const header = parseWalHeader(wal, path);
  const speeds: number[] = [];
  for (let run = 0; run < runs; run++) {
    const frames = wal.subarray(32);
    const startedAtMs = performance.now();
    const { verifiedBytes } = new WalChain(header).extend(frames);
    speeds.push(verifiedBytes / 1e6 / (performance.now() - startedAtMs));
    if (verifiedBytes !== frames.byteLength) throw new Error(`only ${verifiedBytes} bytes of ${path}-wal are right`);
  }
  const median = speeds.toSorted((a, b) => a - b)[runs >> 1] ?? 0;
  const frameCount = Math.floor((wal.byteLength - 32) / frameSizeBytes(pageSize));
  console.log(`${String(pageSize).padStart(9)}  ${String(frameCount).padStart(6)}  ${median.toFixed(2).padStart(5)}`);
}

function writeWal(path: string, pageSize: number): void {
  const db = new Database(path);
  db.run(`PRAGMA page_size = ${pageSize}`);
  db.run("PRAGMA journal_mode = wal");
  db.run("PRAGMA wal_autocheckpoint = 0");
  db.run("PRAGMA synchronous = OFF");
  db.run("CREATE TABLE t (data BLOB)");
  db.run(`
    INSERT INTO t WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${walSizeBytes / 60_000})
    SELECT randomblob(60000) FROM c`);
  kept.push(db);
}
