/** A copy in memory of its own, 4-byte aligned. `slice` is none of that when the bytes are a Node Buffer. */
export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** All of a content, each chunk copied as it comes: who gives it may use a chunk's memory again. */
export async function collectBytes(content: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) chunks.push(copyBytes(chunk));
  return Buffer.concat(chunks);
}
