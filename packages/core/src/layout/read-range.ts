import { collectBytes } from "../bytes.ts";
import type { ReadableStore } from "../store/store.ts";

/** A small part of an object; shorter where the object ends. */
export function readRange(
  store: ReadableStore,
  key: string,
  range: { readonly offset: number; readonly sizeBytes: number },
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { offset, sizeBytes } = range;
  return collectBytes(
    store.read(key, { offset, endOffset: offset + sizeBytes, ...(signal !== undefined && { signal }) }),
  );
}
