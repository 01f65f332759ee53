import { LitestreamError } from "../errors.ts";

declare const txidBrand: unique symbol;

/**
 * Number of a transaction of a database under Litestream 0.5: 1 to 2^64 - 1, written as 16 hexadecimal digits. What
 * Litestream numbers is a sync: one of these can hold several of SQLite's transactions.
 */
export type Txid = bigint & { readonly [txidBrand]: true };

export const txidMax: bigint = 0xffff_ffff_ffff_ffffn;

/** @throws LitestreamError FORMAT_INVALID unless `value` is from 1 to `txidMax`. */
export function txid(value: bigint): Txid {
  if (value >= 1n && value <= txidMax) return value as Txid;
  throw new LitestreamError("FORMAT_INVALID", `transaction ID out of range: ${value}`);
}

/** The 16 hexadecimal digits that file names, Litestream's output and `-txid` use. */
export function formatTxid(value: Txid): string {
  return value.toString(16).padStart(16, "0");
}

/** @throws LitestreamError FORMAT_INVALID unless `text` is 16 hexadecimal digits, and not all of them 0. */
export function parseTxid(text: string): Txid {
  const value = /^[0-9a-f]{16}$/i.test(text) ? BigInt(`0x${text}`) : 0n;
  if (value > 0n) return txid(value);
  throw new LitestreamError("FORMAT_INVALID", `not a transaction ID: "${text}"`, {
    hint: "A transaction ID is 16 hexadecimal digits, as in 000000000000002a.",
  });
}

/** Negative when `a` is the earlier one. */
export function compareTxids(a: Txid, b: Txid): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
