/**
 * Gives the memory of a buffer that lz4-napi made back at once. The garbage collector sees only small objects and is in
 * no hurry: without this, a stream of 4 MiB blocks has hundreds of megabytes waiting for it.
 */
export function releaseBuffer(buffer: Uint8Array): void {
  const memory = buffer.buffer;
  const ownsAll = buffer.byteOffset === 0 && buffer.byteLength === memory.byteLength;
  if (ownsAll && memory instanceof ArrayBuffer && !memory.detached) memory.transfer(0);
}
