import type { Database } from "bun:sqlite";
import { createHash } from "node:crypto";
import { eachItem, hashItem } from "./tracked-table.ts";

/** One row of the table `marker`: the transaction that wrote it, and the state it left. */
export interface Marker {
  /** Number of the transaction, counting from 1. */
  readonly n: number;
  /** Rows in all tracked tables after the transaction. */
  readonly rows: number;
  /** Sum, modulo 2^64, of the hash of each row in a tracked table after the transaction: 16 hexadecimal digits. */
  readonly state: string;
  /** SHA-256, in hex, of the marker before and of this one's other columns: a chain over the whole history. */
  readonly digest: string;
}

export const markerTable =
  "CREATE TABLE marker(n INTEGER PRIMARY KEY, rows INTEGER NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL)";

export const markerBeforeFirst: Marker = { n: 0, rows: 0, state: "0".repeat(16), digest: "" };

export function nextMarker(previous: Marker, rows: number, state: bigint): Marker {
  const n = previous.n + 1;
  const text = stateText(state);
  const digest = createHash("sha256").update(`${previous.digest} ${n} ${rows} ${text}`).digest("hex");
  return { n, rows, state: text, digest };
}

/** The sum that `marker` records. */
export function stateOf(marker: Marker): bigint {
  return BigInt(`0x${marker.state}`);
}

function stateText(state: bigint): string {
  return BigInt.asUintN(64, state).toString(16).padStart(16, "0");
}

/**
 * Reads all markers and all rows of the tables `tracked` and returns the last marker.
 * @throws Error unless the markers are contiguous and chained, and the rows are exactly those the last marker left.
 */
export function verifyMarkers(database: Database, tracked: readonly string[]): Marker {
  using markers = database.prepare<Marker, []>("SELECT n, rows, state, digest FROM marker ORDER BY n");
  let last = markerBeforeFirst;
  for (const marker of markers.iterate()) {
    if (marker.n !== last.n + 1) throw new Error(`transaction ${last.n + 1} is missing: ${marker.n} follows ${last.n}`);
    const expected = nextMarker(last, marker.rows, stateOf(marker));
    if (marker.digest !== expected.digest) throw new Error(`marker ${marker.n} is not the one that transaction wrote`);
    last = marker;
  }

  let rows = 0;
  let state = 0n;
  for (const table of tracked) {
    for (const item of eachItem(database, table)) {
      state += hashItem(table, item);
      rows++;
    }
  }
  if (rows !== last.rows || stateText(state) !== last.state) {
    throw new Error(
      `the rows are not those of transaction ${last.n}, the last one marked: ` +
        `${rows} with state ${stateText(state)}, not ${last.rows} with state ${last.state}`,
    );
  }
  return last;
}
