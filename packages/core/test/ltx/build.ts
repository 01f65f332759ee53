/** LTX files for tests, right or wrong in any one thing. */
import { compressSync } from "lz4-napi";
import { Crc64 } from "../../src/ltx/crc64.ts";
import { collect, inChunks } from "../bytes.ts";
import { compressLz4 } from "../../src/lz4/frame-writer.ts";

export interface BuiltPage {
  readonly pgno: number;
  readonly data: Uint8Array;
  /** As a block by default. */
  readonly flags?: number;
  /** In place of the compressed data; of a block, without its size. */
  readonly stored?: Uint8Array;
}

export interface LtxOptions {
  readonly pages: readonly BuiltPage[];
  readonly pageSize?: number;
  /** The last page by default. */
  readonly commit?: number;
  readonly flags?: number;
  readonly minTxid?: bigint;
  readonly maxTxid?: bigint;
  readonly timestampMs?: number;
  readonly preApplyChecksum?: bigint;
  readonly postApplyChecksum?: bigint;
  /** Changes the index before its size and the checksum are taken. */
  readonly changeIndex?: (index: Buffer) => Buffer;
  readonly indexSizeBytes?: bigint;
}

const flag = 1n << 63n;

export async function buildLtx(options: LtxOptions): Promise<Buffer> {
  const { pages, pageSize = 512 } = options;
  const parts: Uint8Array[] = [];
  const crc = new Crc64();
  let sizeBytes = 0;
  const put = (bytes: Uint8Array, hashed: Uint8Array = bytes): void => {
    parts.push(bytes);
    crc.update(hashed);
    sizeBytes += bytes.byteLength;
  };
  put(headerBytes(options, pageSize));
  const index: number[] = [];
  for (const { pgno, data, flags = 1, stored } of pages) {
    const offset = sizeBytes;
    const header = Buffer.alloc(6);
    header.writeUInt32BE(pgno, 0);
    header.writeUInt16BE(flags, 4);
    put(header);
    if (flags === 0) {
      put(stored ?? (await collect(compressLz4(inChunks(data)))), data);
    } else {
      const block = stored ?? compressSync(Buffer.from(data)).subarray(4);
      const size = Buffer.alloc(4);
      size.writeUInt32BE(block.byteLength);
      put(size);
      put(block, data);
    }
    for (const value of [pgno, offset, sizeBytes - offset]) index.push(...uvarint(value));
  }
  put(new Uint8Array(6));
  const indexBytes = options.changeIndex?.(Buffer.from([...index, 0])) ?? Buffer.from([...index, 0]);
  put(indexBytes);
  const end = Buffer.alloc(16);
  end.writeBigUInt64BE(options.indexSizeBytes ?? BigInt(indexBytes.byteLength), 0);
  end.writeBigUInt64BE(options.postApplyChecksum ?? (options.flags === 0 ? databaseChecksum(pages) : 0n), 8);
  put(end);
  const checksum = Buffer.alloc(8);
  checksum.writeBigUInt64BE(crc.digest() | flag);
  return Buffer.concat([...parts, checksum]);
}

/** The checksum of a database of these pages. */
export function databaseChecksum(pages: readonly BuiltPage[]): bigint {
  let sum = 0n;
  for (const { pgno, data } of pages) {
    const crc = new Crc64();
    const number = Buffer.alloc(4);
    number.writeUInt32BE(pgno);
    crc.update(number);
    crc.update(data);
    sum ^= crc.digest();
  }
  return sum | flag;
}

/** `bytes` with its checksum made right again. For a change that lies outside of the pages' data. */
export function resealed(bytes: Uint8Array, pages: readonly { readonly data: Uint8Array }[]): Buffer {
  const copy = Buffer.from(bytes);
  const crc = new Crc64();
  crc.update(copy.subarray(0, 100));
  let at = 100;
  for (const { data } of pages) {
    crc.update(copy.subarray(at, at + 10));
    crc.update(data);
    at += 10 + copy.readUInt32BE(at + 6);
  }
  crc.update(copy.subarray(at, copy.byteLength - 8));
  copy.writeBigUInt64BE(crc.digest() | flag, copy.byteLength - 8);
  return copy;
}

function headerBytes(options: LtxOptions, pageSize: number): Buffer {
  const header = Buffer.alloc(100);
  header.write("LTX1");
  header.writeUInt32BE(options.flags ?? 2, 4);
  header.writeUInt32BE(pageSize, 8);
  header.writeUInt32BE(options.commit ?? options.pages.at(-1)?.pgno ?? 0, 12);
  header.writeBigUInt64BE(options.minTxid ?? 1n, 16);
  header.writeBigUInt64BE(options.maxTxid ?? options.minTxid ?? 1n, 24);
  header.writeBigInt64BE(BigInt(options.timestampMs ?? 1_700_000_000_000), 32);
  header.writeBigUInt64BE(options.preApplyChecksum ?? 0n, 40);
  return header;
}

function uvarint(value: number): number[] {
  return value < 128 ? [value] : [128 | (value % 128), ...uvarint(Math.floor(value / 128))];
}
