/** The two 32-bit words of SQLite's cumulative WAL checksum, each from 0 to 2^32 - 1. */
export type WalChecksum = readonly [number, number];

/**
 * SQLite's WAL checksum over `bytes`, continuing from `seed`. Words are read big-endian or little-endian; which of
 * the two a WAL uses is the lowest bit of its magic number. https://www.sqlite.org/walformat.html, section 4.2.
 *
 * @throws RangeError unless `bytes` is a multiple of 8 long.
 */
export function walChecksum(bytes: Uint8Array, bigEndian: boolean, seed: WalChecksum = [0, 0]): WalChecksum {
  if (bytes.length % 8 !== 0) throw new RangeError(`a WAL checksum covers a multiple of 8 bytes, not ${bytes.length}`);
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const littleEndian = !bigEndian;
  let s0 = seed[0] | 0;
  let s1 = seed[1] | 0;
  for (let offset = 0; offset < bytes.length; offset += 8) {
    s0 = (s0 + words.getInt32(offset, littleEndian) + s1) | 0;
    s1 = (s1 + words.getInt32(offset + 4, littleEndian) + s0) | 0;
  }
  return [s0 >>> 0, s1 >>> 0];
}
