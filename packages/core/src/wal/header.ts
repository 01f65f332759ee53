/**
 * The 32-byte header of a WAL file (https://www.sqlite.org/walformat.html, "WAL Header Format"); all big-endian.
 *
 *     offset  size  field
 *          0     4  magic: 377f0682 (little-endian checksums) or 377f0683 (big-endian)
 *          4     4  format version: 3007000
 *          8     4  page size: 512 to 65536, a power of two
 *         12     4  checkpoint sequence number
 *         16     8  salt-1, salt-2
 *         24     8  checksum-1, checksum-2 over the 24 bytes before
 */
import { LitestreamError } from "../errors.ts";
import { isPageSize } from "../page-size.ts";
import { addBytes, type Checksum } from "./checksum.ts";

export const walHeaderSizeBytes = 32;
const walMagic = 0x377f0682;
const walFormatVersion = 3007000;

export interface WalHeader {
  readonly pageSize: number;
  readonly bigEndianChecksum: boolean;
  readonly checkpointSequence: number;
  readonly salts: Salts;
  readonly checksum: Readonly<Checksum>;
}

/** The two salts of a WAL: another pair with each restart. */
export interface Salts {
  readonly salt1: number;
  readonly salt2: number;
}

export function sameSalts(a: Salts, b: Salts): boolean {
  return a.salt1 === b.salt1 && a.salt2 === b.salt2;
}

/** Bytes of one frame: its header and its page. */
export function frameSizeBytes(pageSize: number): number {
  return walFrameHeaderSizeBytes + pageSize;
}

export const walFrameHeaderSizeBytes = 24;

/** Where frame `frameCount` ends in a WAL file, which is also where the next one begins. */
export function frameEndOffset(frameCount: number, pageSize: number): number {
  return walHeaderSizeBytes + frameCount * frameSizeBytes(pageSize);
}

/** Whole frames in the first `sizeBytes` of a WAL file; 0 where not even the header is whole. */
export function framesIn(sizeBytes: number, pageSize: number): number {
  return Math.max(0, Math.floor((sizeBytes - walHeaderSizeBytes) / frameSizeBytes(pageSize)));
}

/**
 * Reads and checks the header at the start of `bytes`.
 * @param path named in the error
 * @throws LitestreamError FORMAT_INVALID when it is short, of another format, or fails its checksum.
 */
export function parseWalHeader(bytes: Uint8Array, path: string): WalHeader {
  const invalid = (why: string): LitestreamError =>
    new LitestreamError("FORMAT_INVALID", `not a WAL: ${path}: ${why}`, { path, offset: 0 });
  if (bytes.byteLength < walHeaderSizeBytes) {
    throw invalid(`${bytes.byteLength} bytes, shorter than a WAL header (${walHeaderSizeBytes})`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, walHeaderSizeBytes);
  const magic = view.getUint32(0);
  if ((magic & ~1) >>> 0 !== walMagic) throw invalid(`magic ${magic.toString(16).padStart(8, "0")}`);
  const version = view.getUint32(4);
  if (version !== walFormatVersion) throw invalid(`format version ${version}`);
  const pageSize = view.getUint32(8);
  if (!isPageSize(pageSize)) throw invalid(`page size ${pageSize}`);
  const bigEndianChecksum = (magic & 1) === 1;
  const checksum = { s1: view.getInt32(24), s2: view.getInt32(28) };
  const computed = { s1: 0, s2: 0 };
  addBytes(computed, bytes.subarray(0, 24), bigEndianChecksum);
  if (computed.s1 !== checksum.s1 || computed.s2 !== checksum.s2) throw invalid("its header fails its checksum");
  return {
    pageSize,
    bigEndianChecksum,
    checkpointSequence: view.getUint32(12),
    salts: { salt1: view.getUint32(16), salt2: view.getUint32(20) },
    checksum,
  };
}

/** The 32 bytes that `parseWalHeader` reads. */
export function formatWalHeader(header: WalHeader): Uint8Array {
  const bytes = new Uint8Array(walHeaderSizeBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, walMagic | (header.bigEndianChecksum ? 1 : 0));
  view.setUint32(4, walFormatVersion);
  view.setUint32(8, header.pageSize);
  view.setUint32(12, header.checkpointSequence);
  view.setUint32(16, header.salts.salt1);
  view.setUint32(20, header.salts.salt2);
  view.setInt32(24, header.checksum.s1);
  view.setInt32(28, header.checksum.s2);
  return bytes;
}
