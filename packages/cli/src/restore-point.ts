import {
  type Generation,
  parseGeneration,
  parseTimestamp,
  parseTxid,
  type Txid,
  type WalIndex,
  walIndex,
} from "@litestream/core";
import { UsageError } from "./usage-error.ts";

/** Which state the flags ask for. */
export interface RestorePoint {
  readonly generation: Generation | undefined;
  readonly index: WalIndex | undefined;
  readonly timestamp: string | undefined;
  readonly txid: Txid | undefined;
}

export const pointFlags = {
  generation: {
    type: "string",
    valueHint: "NAME",
    description: "The generation to restore.\nDefaults to the generation with the latest data.",
  },
  index: {
    type: "string",
    valueHint: "HEX",
    description: "Restores up to the end of this WAL, in hexadecimal digits. Needs -generation.",
  },
  timestamp: {
    type: "string",
    valueHint: "TIME",
    description:
      "Restores the last state that was replicated at this time, in RFC 3339: 2026-01-31T12:00:00Z.\n" +
      "Defaults to the latest state.",
  },
  txid: {
    type: "string",
    valueHint: "TXID",
    description: "Restores up to this transaction: 16 hexadecimal digits. Only of replicas by Litestream 0.5.",
  },
} as const;

/** @throws UsageError, LitestreamError FORMAT_INVALID */
export function parseRestorePoint(args: {
  readonly generation?: string | undefined;
  readonly index?: string | undefined;
  readonly timestamp?: string | undefined;
  readonly txid?: string | undefined;
}): RestorePoint {
  const { generation, index, timestamp, txid } = args;
  const points = [index, timestamp, txid].filter((value) => value !== undefined);
  if (points.length > 1) throw new UsageError("cannot take more than one of -index, -timestamp and -txid");
  if (index !== undefined && generation === undefined) {
    throw new UsageError("must specify generation when restoring to index", "Each generation counts its own WALs.");
  }
  if (txid !== undefined && generation !== undefined) {
    throw new UsageError("cannot take both -generation and -txid", "Replicas by Litestream 0.5 have no generations.");
  }
  // A wrong time shall be refused before anything is looked at.
  if (timestamp !== undefined) parseTimestamp(timestamp);
  return {
    generation: generation === undefined ? undefined : parseGeneration(generation),
    index: index === undefined ? undefined : parseIndex(index),
    timestamp,
    txid: txid === undefined ? undefined : parseTxid(txid),
  };
}

/** As Litestream 0.3 reads it: hexadecimal, with or without leading zeros. */
function parseIndex(text: string): WalIndex {
  if (!/^[0-9a-fA-F]{1,8}$/.test(text)) {
    throw new UsageError(`not a WAL index: "${text}"`, "An index is up to 8 hexadecimal digits, as in 0000001f or 1f.");
  }
  return walIndex(Number.parseInt(text, 16));
}
