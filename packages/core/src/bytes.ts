/** A copy in memory of its own, 4-byte aligned. `slice` is none of that when the bytes are a Node Buffer. */
export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
