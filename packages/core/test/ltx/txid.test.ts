import { describe, expect, test } from "bun:test";
import { isLitestreamError } from "../../src/errors.ts";
import { compareTxids, formatTxid, parseTxid, txid, txidMax } from "../../src/ltx/txid.ts";
import { failureOf } from "../bytes.ts";

describe("a transaction ID", () => {
  test("is 16 hexadecimal digits, and the same again when read", () => {
    expect(formatTxid(txid(1n))).toBe("0000000000000001");
    expect(formatTxid(txid(txidMax))).toBe("ffffffffffffffff");
    for (const value of [1n, 0x2an, 2n ** 53n + 1n, txidMax]) {
      expect(BigInt(parseTxid(formatTxid(txid(value))))).toBe(value);
    }
    expect(BigInt(parseTxid("000000000000002A"))).toBe(42n);
  });

  test("is not 0, longer, shorter or anything else", async () => {
    for (const text of ["", "4", "0000000000000000", "00000000000000001", "000000000000000g", " 000000000000001"]) {
      expect(isLitestreamError(await failureOf(async () => parseTxid(text)), "FORMAT_INVALID")).toBe(true);
    }
    for (const value of [-1n, 0n, txidMax + 1n]) {
      expect(isLitestreamError(await failureOf(async () => txid(value)), "FORMAT_INVALID")).toBe(true);
    }
  });

  test("has the order of its number", () => {
    const ids = [3n, 1n, 2n ** 60n, 1n].map((value) => txid(value));
    expect(ids.toSorted(compareTxids).map(String)).toEqual(["1", "1", "3", String(2n ** 60n)]);
  });
});
