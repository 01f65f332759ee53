/**
 * The 16 bytes that an LTX file ends with, big-endian.
 *
 *     offset  size  field
 *          0     8  checksum of the database after the file is applied; 0 where the header says that none is kept
 *          8     8  checksum of the file
 *
 * Checksum of the file: CRC-64 (`crc64.ts`), its top bit set, of everything before it, in which the data of each page
 * is uncompressed, and page headers and sizes are as stored. Checksum of a database: the same CRC of each page's number
 * (4 bytes, big-endian) and data, all of them combined by exclusive or, the top bit set.
 */
import { checksumFlag } from "./header.ts";

export const trailerSizeBytes = 16;
export const fileChecksumSizeBytes = 8;

export interface LtxTrailer {
  readonly postApplyChecksum: bigint;
  readonly fileChecksum: bigint;
}

/** @param bytes of them, the first 16 */
export function parseLtxTrailer(bytes: Uint8Array): LtxTrailer {
  const view = new DataView(bytes.buffer, bytes.byteOffset, trailerSizeBytes);
  return { postApplyChecksum: view.getBigUint64(0), fileChecksum: view.getBigUint64(8) };
}

/** The form in which checksums are stored. */
export function storedChecksum(crc: bigint): bigint {
  return crc | checksumFlag;
}
