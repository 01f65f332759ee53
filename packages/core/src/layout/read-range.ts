import type { ReadableStore } from "../store/store.ts";

/** A small part of an object; shorter where the object ends. */
export async function readRange(
  store: ReadableStore,
  key: string,
  range: { readonly offset: number; readonly sizeBytes: number },
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { offset, sizeBytes } = range;
  const options = { offset, endOffset: offset + sizeBytes, ...(signal !== undefined && { signal }) };
  const chunks: Uint8Array[] = [];
  // A store may use a chunk's memory again.
  for await (const chunk of store.read(key, options)) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks);
}
