/**
 * WAL names of the `whole` layout, which Litestream 0.3.4 writes to files: each WAL is one object, the newest of them
 * uncompressed and growing in place.
 *
 *     generations/<generation>/wal/<index>.wal          the newest
 *     generations/<generation>/wal/<index>.wal.lz4      once a newer one has begun
 */
import type { Generation } from "../generation.ts";
import { formatWalIndex, type WalIndex } from "../position.ts";
import { compressedSuffix, objectName, type ObjectName, walsKey } from "./generations.ts";

export function walKey(generation: Generation, index: WalIndex, compressed: boolean): string {
  return `${walsKey(generation)}/${formatWalIndex(index)}.wal${compressed ? compressedSuffix : ""}`;
}

/** Undefined for anything that is not named as a WAL of this layout. */
export function parseWalKey(key: string): ObjectName | undefined {
  const match = /^generations\/([0-9a-f]{16})\/wal\/([0-9a-f]{8})\.wal(\.lz4)?$/.exec(key);
  return match === null ? undefined : objectName(match[1], match[2], match[3]);
}
