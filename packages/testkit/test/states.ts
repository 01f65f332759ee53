import { Database } from "bun:sqlite";
import { readFileSync } from "node:fs";
import type { TempFolder } from "../src/database/temp-folder.ts";
import type { WalTransaction } from "../src/wal/builder.ts";

/** One database file after the other, each as SQLite left it after a step of `sql`, closed and checkpointed. */
export interface States {
  readonly path: string;
  readonly files: readonly Buffer[];
}

export function makeStates(folder: TempFolder, pageSize: number, steps: readonly string[]): States {
  const path = folder.join("states.db");
  const files = steps.map((sql) => {
    const database = new Database(path, { create: true, readwrite: true });
    database.run(`PRAGMA page_size = ${pageSize}`);
    database.run("PRAGMA journal_mode = WAL");
    database.run(sql);
    database.close(true);
    return readFileSync(path);
  });
  return { path, files };
}

/** The transaction that turns the file `before` into the file `after`. */
export function transactionBetween(before: Buffer, after: Buffer, pageSize: number): WalTransaction {
  const pages = Array.from({ length: after.length / pageSize }, (_, i) => ({
    pgno: i + 1,
    data: after.subarray(i * pageSize, (i + 1) * pageSize),
  }));
  const changed = pages.filter(
    ({ pgno, data }) => !data.equals(before.subarray((pgno - 1) * pageSize, pgno * pageSize)),
  );
  return { pages: changed, commitPageCount: pages.length };
}

/** What the pages of a WAL by SQLite itself are, read by the format's definition. */
export function parseRealWal(bytes: Buffer): {
  readonly pageSize: number;
  readonly checkpointSequence: number;
  readonly salt1: number;
  readonly salt2: number;
  readonly bigEndianChecksum: boolean;
  readonly transactions: readonly WalTransaction[];
} {
  const pageSize = bytes.readUInt32BE(8);
  const transactions: WalTransaction[] = [];
  let pages: WalTransaction["pages"] = [];
  for (let offset = 32; offset < bytes.length; offset += 24 + pageSize) {
    const data = bytes.subarray(offset + 24, offset + 24 + pageSize);
    pages = [...pages, { pgno: bytes.readUInt32BE(offset), data }];
    const commitPageCount = bytes.readUInt32BE(offset + 4);
    if (commitPageCount === 0) continue;
    transactions.push({ pages, commitPageCount });
    pages = [];
  }
  return {
    pageSize,
    checkpointSequence: bytes.readUInt32BE(12),
    salt1: bytes.readUInt32BE(16),
    salt2: bytes.readUInt32BE(20),
    bigEndianChecksum: bytes.readUInt32BE(0) === 0x377f0683,
    transactions,
  };
}
