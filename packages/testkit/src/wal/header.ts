/**
 * The header of a WAL. https://www.sqlite.org/walformat.html, section 4.1. All integers are big-endian; only the
 * checksum's way of reading its input depends on the magic number.
 *
 *      0  u32 magic: 377f0682, or 377f0683 for big-endian checksums
 *      4  u32 format version: 3007000
 *      8  u32 page size (65536 as such)
 *     12  u32 checkpoint sequence number
 *     16  u32 salt-1
 *     20  u32 salt-2
 *     24  u32 x 2 checksum of bytes 0..23
 */
import { type WalChecksum, walChecksum } from "./checksum.ts";

export const walHeaderBytes = 32;

const magicLittleEndian = 0x377f0682;
const magicBigEndian = 0x377f0683;
const walFormatVersion = 3007000;

export interface WalHeader {
  /** In bytes, a power of two from 512 to 65536. */
  readonly pageSize: number;
  /** Byte order in which the checksums read their input. */
  readonly bigEndianChecksum: boolean;
  /** A counter of checkpoints that nothing depends on. */
  readonly checkpointSequence: number;
  readonly salt1: number;
  readonly salt2: number;
  /** Checksum of the header, from which that of the first frame goes on. */
  readonly checksum: WalChecksum;
}

/** The fields of a header as they are written, right or wrong. */
export interface WalHeaderFields extends Omit<WalHeader, "checksum"> {
  readonly magic?: number | undefined;
  readonly formatVersion?: number | undefined;
}

/** Why bytes are no header of a WAL. */
export interface WalHeaderProblem {
  /** Offset in bytes of the field that is wrong. */
  readonly offset: number;
  readonly problem: string;
}

/** Writes the header into the first 32 bytes; returns its checksum. */
export function writeWalHeader(bytes: Uint8Array, fields: WalHeaderFields): WalChecksum {
  const view = new DataView(bytes.buffer, bytes.byteOffset, walHeaderBytes);
  view.setUint32(0, fields.magic ?? (fields.bigEndianChecksum ? magicBigEndian : magicLittleEndian));
  view.setUint32(4, fields.formatVersion ?? walFormatVersion);
  view.setUint32(8, fields.pageSize);
  view.setUint32(12, fields.checkpointSequence);
  view.setUint32(16, fields.salt1);
  view.setUint32(20, fields.salt2);
  const checksum = walChecksum(bytes.subarray(0, 24), fields.bigEndianChecksum);
  view.setUint32(24, checksum[0]);
  view.setUint32(28, checksum[1]);
  return checksum;
}

/** The header in the first 32 bytes, or what keeps SQLite from taking it for one. */
export function parseWalHeader(bytes: Uint8Array): WalHeader | WalHeaderProblem {
  const view = new DataView(bytes.buffer, bytes.byteOffset, walHeaderBytes);
  const magic = view.getUint32(0);
  if (magic !== magicLittleEndian && magic !== magicBigEndian) {
    return { offset: 0, problem: `the magic number is ${hex(magic)}, and a WAL's is 377f0682 or 377f0683` };
  }
  const version = view.getUint32(4);
  if (version !== walFormatVersion) return { offset: 4, problem: `the format version is ${version}, not 3007000` };
  const pageSize = view.getUint32(8);
  if (!isPageSize(pageSize)) {
    return { offset: 8, problem: `the page size is ${pageSize}, not a power of two from 512 to 65536` };
  }
  const bigEndianChecksum = magic === magicBigEndian;
  const checksum: WalChecksum = [view.getUint32(24), view.getUint32(28)];
  const right = walChecksum(bytes.subarray(0, 24), bigEndianChecksum);
  if (checksum[0] !== right[0] || checksum[1] !== right[1]) {
    return { offset: 24, problem: `the header's checksum is ${hex(...checksum)}, not ${hex(...right)}` };
  }
  return {
    pageSize,
    bigEndianChecksum,
    checkpointSequence: view.getUint32(12),
    salt1: view.getUint32(16),
    salt2: view.getUint32(20),
    checksum,
  };
}

export function isPageSize(pageSize: number): boolean {
  return Number.isInteger(Math.log2(pageSize)) && pageSize >= 512 && pageSize <= 65536;
}

/** Words as eight hex digits each. */
export function hex(...words: number[]): string {
  return words.map((word) => (word >>> 0).toString(16).padStart(8, "0")).join(" ");
}
