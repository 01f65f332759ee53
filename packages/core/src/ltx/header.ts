/**
 * The 100 bytes that an LTX file begins with (docs/formats/ltx.md); all numbers big-endian.
 *
 *     offset  size  field
 *          0     4  magic: "LTX1"
 *          4     4  flags: 2 where no checksum of the database is kept, as Litestream 0.5 always has it, else 0
 *          8     4  page size: 512 to 65536, a power of two
 *         12     4  commit: pages of the database once the file is applied
 *         16     8  lowest transaction ID, at least 1
 *         24     8  highest transaction ID, at least the lowest
 *         32     8  time: milliseconds since 1970
 *         40     8  checksum of the database before the file; 0 where none is kept, and from transaction 1 on
 *         48     8  offset in the WAL that the pages are from; 0 where they are not from one
 *         56     8  bytes of that WAL; 0 without an offset
 *         64     8  salt-1, salt-2 of that WAL; 0 without an offset
 *         72     8  number of the node that wrote it; 0 if none
 *         80    20  zeros
 */
import { LitestreamError } from "../errors.ts";
import { isPageSize } from "../page-size.ts";
import { type Txid, txid } from "./txid.ts";

export const ltxHeaderSizeBytes = 100;
const magic = 0x4c545831;
const noChecksumFlag = 2;
const reservedOffset = 80;

/** Set in every checksum, so that none is 0. */
export const checksumFlag: bigint = 0x8000_0000_0000_0000n;

export interface LtxHeader {
  /** False where pre-apply and post-apply checksums are 0. */
  readonly hasChecksums: boolean;
  readonly pageSize: number;
  /** Pages of the database once the file is applied; 0 where it was deleted. */
  readonly commit: number;
  readonly minTxid: Txid;
  readonly maxTxid: Txid;
  /** When the last transaction of the file was copied; of a snapshot at level 9: when the snapshot was taken. */
  readonly createdAt: Date;
  readonly preApplyChecksum: bigint;
  readonly walOffset: number;
  readonly walSizeBytes: number;
  readonly walSalt1: number;
  readonly walSalt2: number;
  readonly nodeId: bigint;
}

/** True where the file holds the whole database, and so needs no other before it. */
export function isWholeDatabase(header: { readonly minTxid: Txid }): boolean {
  return header.minTxid === 1n;
}

/**
 * Reads and checks the header at the start of `bytes`. Nothing in it is proven until the file's checksum is.
 * @param path named in the error
 * @throws LitestreamError FORMAT_INVALID when it is short, of another format, or contradicts itself.
 */
export function parseLtxHeader(bytes: Uint8Array, path: string): LtxHeader {
  const invalid = (offset: number, why: string): LitestreamError =>
    new LitestreamError("FORMAT_INVALID", `not an LTX file: ${path}: ${why}`, { path, offset });
  if (bytes.byteLength < ltxHeaderSizeBytes) {
    throw invalid(
      bytes.byteLength,
      bytes.byteLength === 0
        ? "it is empty"
        : `${bytes.byteLength} bytes, shorter than its header (${ltxHeaderSizeBytes})`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, ltxHeaderSizeBytes);
  if (view.getUint32(0) !== magic) throw invalid(0, 'it does not begin with "LTX1"');
  const flags = view.getUint32(4);
  if (flags !== 0 && flags !== noChecksumFlag) throw invalid(4, `its flags are not known: ${hex(flags)}`);
  const pageSize = view.getUint32(8);
  if (!isPageSize(pageSize)) throw invalid(8, `page size ${pageSize}`);

  const [min, max] = [view.getBigUint64(16), view.getBigUint64(24)];
  if (min === 0n) throw invalid(16, "its lowest transaction ID is 0");
  if (max < min) throw invalid(24, `its highest transaction ID (${max}) is below its lowest (${min})`);
  const [minTxid, maxTxid] = [txid(min), txid(max)];

  const createdAt = new Date(Number(view.getBigInt64(32)));
  if (Number.isNaN(createdAt.getTime())) throw invalid(32, `its time is out of range: ${view.getBigInt64(32)} ms`);

  const hasChecksums = flags === 0;
  const preApplyChecksum = view.getBigUint64(40);
  if (hasChecksums && min > 1n) {
    if (preApplyChecksum < checksumFlag) throw invalid(40, "it has no checksum of the database before it");
  } else if (preApplyChecksum !== 0n) {
    throw invalid(40, "it has a checksum of the database before it, and cannot have one");
  }

  const walOffset = Number(view.getBigInt64(48));
  if (!Number.isSafeInteger(walOffset) || walOffset < 0) throw invalid(48, `WAL offset ${walOffset}`);
  const walSizeBytes = Number(view.getBigInt64(56));
  if (!Number.isSafeInteger(walSizeBytes) || walSizeBytes < 0) throw invalid(56, `WAL size ${walSizeBytes}`);
  const [walSalt1, walSalt2] = [view.getUint32(64), view.getUint32(68)];
  if (walOffset === 0 && walSizeBytes !== 0) throw invalid(56, "it has a WAL size without an offset");
  if (walOffset === 0 && (walSalt1 !== 0 || walSalt2 !== 0)) throw invalid(64, "it has WAL salts without an offset");

  for (let offset = reservedOffset; offset < ltxHeaderSizeBytes; offset++) {
    if (bytes[offset] !== 0) throw invalid(offset, "its header uses reserved bytes");
  }
  return {
    hasChecksums,
    pageSize,
    commit: view.getUint32(12),
    minTxid,
    maxTxid,
    createdAt,
    preApplyChecksum,
    walOffset,
    walSizeBytes,
    walSalt1,
    walSalt2,
    nodeId: view.getBigUint64(72),
  };
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}
