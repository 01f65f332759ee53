/**
 * Our side files in a replica of the `whole` layout, which Litestream knows nothing of (docs/formats/whole.md):
 *
 *     generations/<generation>/times/<index>.wal          when which part of a WAL was replicated
 *     generations/<generation>/times/<index>.snapshot     where the copying of a snapshot ended
 *
 * In a folder of their own, since whoever lists the WALs looks at each file there.
 *
 * Both are a header and records, 32 bytes each, all numbers big-endian:
 *
 *     offset  size  header                            offset  size  record
 *          0     4  magic: LSRP                            0     4  kind: 1 replicated, 2 sealed, 3 snapshot
 *          4     4  index                                  4     8  time: milliseconds since 1970
 *          8     8  generation                            12     8  end offset: bytes into the WAL
 *         16     8  salt-1, salt-2 of the WAL             20     8  running checksum of the WAL there; of a
 *         24     4  page size                                       snapshot: the index, and the checksum of
 *         28     4  CRC-32 of the 28 bytes before                   the content at the end of its LZ4 frame
 *                                                         28     4  CRC-32 of the 28 bytes before
 *
 * A snapshot's file has one record, and a second one, with the checksum of the snapshot before, while one of the same
 * index takes its place. Records are appended; what is cut or fails its checksum ends them, as a power failure may
 * leave it.
 */
import { type Generation, parseGeneration } from "../generation.ts";
import { isPageSize } from "../page-size.ts";
import { formatWalIndex, type Position, type WalIndex, walIndex, walIndexMax } from "../position.ts";
import type { Salts } from "../wal/header.ts";
import type { WalChainEnd } from "../wal/chain.ts";
import { generationKey } from "./generations.ts";

const magic = 0x4c535250;
export const pointRecordSizeBytes = 32;
const checkedSizeBytes = 28;

const kinds = { replicated: 1, sealed: 2, snapshot: 3 } as const;

/** A commit of a WAL at which everything before it was durable in the replica. */
export interface WalPoint extends WalChainEnd {
  /** Milliseconds since 1970: everything in the WAL up to `offset` was committed, and was durable, before. */
  readonly timeMs: number;
}

/** What the side file of a WAL says. */
export interface WalPoints {
  readonly generation: Generation;
  readonly index: WalIndex;
  readonly salts: Salts;
  readonly pageSize: number;
  /** In the order of their offsets; where only the end was read, the last one alone. */
  readonly points: readonly WalPoint[];
  /** The last commit of a WAL that another one followed. */
  readonly sealed: WalPoint | undefined;
}

/** What the side file of a snapshot says. */
export interface SnapshotEnd {
  readonly generation: Generation;
  readonly index: WalIndex;
  readonly timeMs: number;
  /** The WAL up to here makes the snapshot exact: no state before it can be restored from it. */
  readonly end: Position;
  /** xxHash32 of the database file, as it is stored at the end of the LZ4 frame. */
  readonly contentHash: number;
  /** The same of the snapshot that was there before under this index: until it is replaced, that one is right. */
  readonly replacedHash?: number | undefined;
}

/** The folder of a generation's side files. */
export function timesKey(generation: Generation): string {
  return `${generationKey(generation)}/times`;
}

export function walPointsKey(generation: Generation, index: WalIndex): string {
  return `${timesKey(generation)}/${formatWalIndex(index)}.wal`;
}

export function snapshotEndKey(generation: Generation, index: WalIndex): string {
  return `${timesKey(generation)}/${formatWalIndex(index)}.snapshot`;
}

/** The keys of the side files that are of no use without the snapshot, or the WAL, of this index. */
export function sideFileKeys(generation: Generation, index: WalIndex): { snapshot: string; wal: string } {
  return { snapshot: snapshotEndKey(generation, index), wal: walPointsKey(generation, index) };
}

export interface SideFileName {
  readonly kind: "wal" | "snapshot";
  readonly generation: Generation;
  readonly index: WalIndex;
}

/**
 * True for the side file of a WAL that was replicated, whatever it holds by now: its first record is written once the
 * WAL is durable.
 */
export function claimsWal({ kind, sizeBytes }: SideFileName & { readonly sizeBytes?: number }): boolean {
  return kind === "wal" && (sizeBytes ?? 0) >= 2 * pointRecordSizeBytes;
}

/** Undefined for anything that is not named as a side file. */
export function parseSideFileKey(key: string): SideFileName | undefined {
  const match = /^generations\/([0-9a-f]{16})\/times\/([0-9a-f]{8})\.(wal|snapshot)$/.exec(key);
  const [, generation, digits = "", kind] = match ?? [];
  const index = Number.parseInt(digits, 16);
  if (generation === undefined || Number.isNaN(index) || index > walIndexMax) return undefined;
  return {
    kind: kind === "wal" ? "wal" : "snapshot",
    generation: parseGeneration(generation),
    index: walIndex(index),
  };
}

interface PointsHeader {
  readonly generation: Generation;
  readonly index: WalIndex;
  readonly salts: Salts;
  readonly pageSize: number;
}

export function formatPointsHeader({ generation, index, salts, pageSize }: PointsHeader): Uint8Array {
  const bytes = new Uint8Array(pointRecordSizeBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic);
  view.setUint32(4, index);
  view.setBigUint64(8, BigInt(`0x${generation}`));
  view.setUint32(16, salts.salt1);
  view.setUint32(20, salts.salt2);
  view.setUint32(24, pageSize);
  return withCheck(bytes);
}

export function formatWalPoint(point: WalPoint, kind: "replicated" | "sealed"): Uint8Array {
  const { timeMs, offset, checksum } = point;
  return formatRecord(kinds[kind], timeMs, offset, checksum.s1, checksum.s2);
}

/** The whole side file of a snapshot. */
export function formatSnapshotEnd(snapshot: SnapshotEnd): Uint8Array {
  const { generation, index, timeMs, end, contentHash, replacedHash } = snapshot;
  const header = formatPointsHeader({ generation, index, salts: { salt1: 0, salt2: 0 }, pageSize: 0 });
  const hashes = replacedHash === undefined ? [contentHash] : [contentHash, replacedHash];
  const records = hashes.map((hash) => formatRecord(kinds.snapshot, timeMs, end.offset, end.index, hash));
  return Buffer.concat([header, ...records]);
}

/** The most bytes that the side file of a snapshot has. */
export const snapshotEndSizeBytesMax: number = 3 * pointRecordSizeBytes;

/** False where a side file was written for another snapshot than the one whose frame ends with `hash`. */
export function isNotedHash({ contentHash, replacedHash }: SnapshotEnd, hash: number): boolean {
  return hash === contentHash || hash === replacedHash;
}

/**
 * Reads the side file of a WAL: its first record-size bytes, and any run of records of it.
 * @param records from the start of any record; what is cut or damaged, and all behind it, is left out
 * @returns undefined unless the header is that of this WAL
 */
export function parseWalPoints(name: SideFileName, header: Uint8Array, records: Uint8Array): WalPoints | undefined {
  const parsed = parsePointsHeader(header);
  if (parsed?.generation !== name.generation || parsed.index !== name.index || !isPageSize(parsed.pageSize)) {
    return undefined;
  }
  const points: WalPoint[] = [];
  let sealed: WalPoint | undefined;
  for (const { kind, timeMs, offset, first, second } of recordsOf(records)) {
    const point = { timeMs, offset, checksum: { s1: first, s2: second } };
    const newest = points.at(-1);
    if ((kind !== kinds.replicated && kind !== kinds.sealed) || offset < (newest?.offset ?? 0)) break;
    if (offset !== newest?.offset) points.push(point);
    if (kind === kinds.sealed) {
      sealed = point;
      break;
    }
  }
  return { ...parsed, points, sealed };
}

export function parseSnapshotEnd(name: SideFileName, bytes: Uint8Array): SnapshotEnd | undefined {
  const parsed = parsePointsHeader(bytes);
  if (parsed?.generation !== name.generation || parsed.index !== name.index) return undefined;
  const [record, replaced] = recordsOf(bytes.subarray(pointRecordSizeBytes));
  if (record?.kind !== kinds.snapshot || record.first >>> 0 > walIndexMax) return undefined;
  const { generation, index } = parsed;
  const end = { generation, index: walIndex(record.first), offset: record.offset };
  const snapshot = { generation, index, timeMs: record.timeMs, end, contentHash: record.second >>> 0 };
  return replaced?.kind === kinds.snapshot ? { ...snapshot, replacedHash: replaced.second >>> 0 } : snapshot;
}

/** How many bytes of a side file belong to records up to `endOffset` of the WAL; the header's alone where none do. */
export function pointsSizeUpTo(bytes: Uint8Array, endOffset: number): number {
  let sizeBytes = pointRecordSizeBytes;
  for (const { offset } of recordsOf(bytes.subarray(pointRecordSizeBytes))) {
    if (offset > endOffset) break;
    sizeBytes += pointRecordSizeBytes;
  }
  return sizeBytes;
}

interface PointRecord {
  readonly kind: number;
  readonly timeMs: number;
  readonly offset: number;
  /** Signed, as checksums are kept. */
  readonly first: number;
  readonly second: number;
}

function* recordsOf(bytes: Uint8Array): Generator<PointRecord, void, undefined> {
  for (let start = 0; start + pointRecordSizeBytes <= bytes.byteLength; start += pointRecordSizeBytes) {
    const record = bytes.subarray(start, start + pointRecordSizeBytes);
    if (!passesCheck(record)) return;
    const view = new DataView(record.buffer, record.byteOffset, pointRecordSizeBytes);
    const [timeMs, offset] = [Number(view.getBigUint64(4)), Number(view.getBigUint64(12))];
    if (!Number.isSafeInteger(offset) || timeMs > 8.64e15) return;
    yield { kind: view.getUint32(0), timeMs, offset, first: view.getInt32(20), second: view.getInt32(24) };
  }
}

function formatRecord(kind: number, timeMs: number, offset: number, first: number, second: number): Uint8Array {
  const bytes = new Uint8Array(pointRecordSizeBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, kind);
  view.setBigUint64(4, BigInt(Math.max(0, Math.trunc(timeMs))));
  view.setBigUint64(12, BigInt(offset));
  view.setInt32(20, first | 0);
  view.setInt32(24, second | 0);
  return withCheck(bytes);
}

function parsePointsHeader(bytes: Uint8Array): PointsHeader | undefined {
  if (bytes.byteLength < pointRecordSizeBytes) return undefined;
  const header = bytes.subarray(0, pointRecordSizeBytes);
  const view = new DataView(header.buffer, header.byteOffset, pointRecordSizeBytes);
  const index = view.getUint32(4);
  if (view.getUint32(0) !== magic || !passesCheck(header) || index > walIndexMax) return undefined;
  return {
    generation: parseGeneration(view.getBigUint64(8).toString(16).padStart(16, "0")),
    index: walIndex(index),
    salts: { salt1: view.getUint32(16), salt2: view.getUint32(20) },
    pageSize: view.getUint32(24),
  };
}

function withCheck(bytes: Uint8Array): Uint8Array {
  new DataView(bytes.buffer).setUint32(checkedSizeBytes, Bun.hash.crc32(bytes.subarray(0, checkedSizeBytes)));
  return bytes;
}

function passesCheck(record: Uint8Array): boolean {
  const stored = new DataView(record.buffer, record.byteOffset).getUint32(checkedSizeBytes);
  return stored === Bun.hash.crc32(record.subarray(0, checkedSizeBytes));
}
