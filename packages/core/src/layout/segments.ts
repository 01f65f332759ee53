/**
 * WAL names of the `segments` layout, which Litestream 0.3.5 to 0.3.13 writes everywhere, and 0.3.4 to S3: a WAL in
 * pieces, each named by the bytes of (uncompressed) WAL before it.
 *
 *     generations/<generation>/wal/<index>_<offset>.wal.lz4
 *
 * Offset: 8 hexadecimal digits, more from 4 GiB on. Uncompressed segments are never written, but read.
 */
import type { Generation } from "../generation.ts";
import { formatWalIndex, type WalIndex } from "../position.ts";
import { compressedSuffix, objectName, type ObjectName, walsKey } from "./generations.ts";

export interface SegmentName extends ObjectName {
  readonly offset: number;
}

export function segmentKey(generation: Generation, index: WalIndex, offset: number, compressed: boolean): string {
  return `${segmentPrefix(generation, index)}${formatOffset(offset)}.wal${compressed ? compressedSuffix : ""}`;
}

/** What the keys of all segments of one WAL begin with. */
export function segmentPrefix(generation: Generation, index: WalIndex): string {
  return `${walsKey(generation)}/${formatWalIndex(index)}_`;
}

/** Undefined for anything that is not named as a segment. */
export function parseSegmentKey(key: string): SegmentName | undefined {
  const match = /^generations\/([0-9a-f]{16})\/wal\/([0-9a-f]{8})_([0-9a-f]{8,13})\.wal(\.lz4)?$/.exec(key);
  if (match === null) return undefined;
  const [, generation, index, offset, suffix] = match;
  const name = objectName(generation, index, suffix);
  if (name === undefined || offset === undefined) return undefined;
  return { ...name, offset: Number.parseInt(offset, 16) };
}

function formatOffset(offset: number): string {
  return offset.toString(16).padStart(8, "0");
}
