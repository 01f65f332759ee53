import { describe, expect, test } from "bun:test";
import { isLitestreamError } from "../../src/errors.ts";
import { type LtxHeader, parseLtxHeader } from "../../src/ltx/header.ts";
import { failureOf } from "../bytes.ts";
import { buildLtx } from "./build.ts";

const bytes = (
  await buildLtx({
    pages: [],
    commit: 7,
    minTxid: 0x21n,
    maxTxid: 2n ** 63n + 1n,
    timestampMs: 1_795_361_397_472,
  })
).subarray(0, 100);

function changed(change: (bytes: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
}

async function problem(header: Uint8Array): Promise<string> {
  const error = await failureOf(async () => parseLtxHeader(header, "ltx/0/x.ltx"));
  if (!isLitestreamError(error, "FORMAT_INVALID")) throw error;
  expect(error.path).toBe("ltx/0/x.ltx");
  return error.message.replace("not an LTX file: ltx/0/x.ltx: ", `${error.offset}: `);
}

describe("parseLtxHeader", () => {
  test("reads every field", () => {
    const header: LtxHeader = parseLtxHeader(
      changed((copy) => {
        copy.writeBigInt64BE(4152n, 48);
        copy.writeBigInt64BE(8240n, 56);
        copy.writeUInt32BE(0xf818ea18, 64);
        copy.writeUInt32BE(0x9f314aeb, 68);
        copy.writeBigUInt64BE(0x1122334455667788n, 72);
      }),
      "x",
    );
    expect({ ...header, minTxid: String(header.minTxid), maxTxid: String(header.maxTxid) }).toEqual({
      hasChecksums: false,
      pageSize: 512,
      commit: 7,
      minTxid: "33",
      maxTxid: String(2n ** 63n + 1n),
      createdAt: new Date("2026-11-22T15:29:57.472Z"),
      preApplyChecksum: 0n,
      walOffset: 4152,
      walSizeBytes: 8240,
      walSalt1: 0xf818ea18,
      walSalt2: 0x9f314aeb,
      nodeId: 0x1122334455667788n,
    });
  });

  test("reads the checksum of the database before, where checksums are kept", () => {
    const checksum = 0x8000_0000_0000_0123n;
    const header = changed((copy) => {
      copy.writeUInt32BE(0, 4);
      copy.writeBigUInt64BE(checksum, 40);
    });
    expect(parseLtxHeader(header, "x").preApplyChecksum).toBe(checksum);
  });

  test("names what is wrong, and where", async () => {
    expect(await problem(new Uint8Array(0))).toBe("0: it is empty");
    expect(await problem(bytes.subarray(0, 99))).toBe("99: 99 bytes, shorter than its header (100)");
    expect(await problem(changed((copy) => copy.write("LTX2")))).toBe('0: it does not begin with "LTX1"');
    expect(await problem(changed((copy) => copy.writeUInt32BE(0x80000002, 4)))).toContain("4: its flags are not known");
    for (const pageSize of [0, 256, 513, 131_072]) {
      expect(await problem(changed((copy) => copy.writeUInt32BE(pageSize, 8)))).toBe(`8: page size ${pageSize}`);
    }
    expect(await problem(changed((copy) => copy.writeBigUInt64BE(0n, 16)))).toContain("16: its lowest transaction");
    expect(await problem(changed((copy) => copy.writeBigUInt64BE(0x20n, 24)))).toContain("24: its highest");
    expect(await problem(changed((copy) => copy.writeBigInt64BE(2n ** 60n, 32)))).toContain("32: its time is out of");
    expect(await problem(changed((copy) => copy.writeBigUInt64BE(1n << 63n, 40)))).toContain("cannot have one");
    expect(await problem(changed((copy) => copy.writeUInt32BE(0, 4)))).toContain("40: it has no checksum");
    expect(await problem(changed((copy) => copy.writeBigInt64BE(-1n, 48)))).toBe("48: WAL offset -1");
    expect(await problem(changed((copy) => copy.writeBigInt64BE(-1n, 56)))).toBe("56: WAL size -1");
    expect(await problem(changed((copy) => copy.writeBigInt64BE(1n, 56)))).toContain("56: it has a WAL size without");
    expect(await problem(changed((copy) => copy.writeUInt32BE(1, 68)))).toContain("64: it has WAL salts without");
    expect(await problem(changed((copy) => copy.writeUInt8(1, 99)))).toBe("99: its header uses reserved bytes");
  });
});
