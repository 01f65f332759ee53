import { isLitestreamError, LitestreamError } from "../errors.ts";
import type { ReadableStore, StoreEntry } from "../store/store.ts";

/** How often a read goes on that gives nothing in between. */
const triesMax = 5;
const firstPauseMs = 100;

/**
 * Reads an object, and goes on at the byte reached where the store fails in the middle: of an object of many gigabytes
 * nothing is read twice. Two contents are never mixed: what was listed is looked at again before.
 * @param listed how the object was listed; undefined where it was not
 * @throws LitestreamError OBJECT_CHANGED where another content has its name by now; what the store throws
 */
export async function* resumedRead(
  store: ReadableStore,
  key: string,
  listed: StoreEntry | undefined,
  startOffset: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const identity = listed?.identity;
  let offset = startOffset;
  let failures = 0;
  for (;;) {
    try {
      const options = {
        offset,
        ...(identity !== undefined && { identity }),
        ...(signal !== undefined && { signal }),
      };
      for await (const chunk of store.read(key, options)) {
        failures = 0;
        offset += chunk.byteLength;
        yield chunk;
      }
      return;
    } catch (error) {
      // What fails at its very beginning has its own tries in the store, or is there to stay.
      if (!isLitestreamError(error, "REPLICA_UNAVAILABLE") || offset === startOffset || ++failures > triesMax) {
        throw error;
      }
      await passed(firstPauseMs * 2 ** (failures - 1), signal);
      if (listed !== undefined) await requireUnchanged(store, listed, signal);
    }
  }
}

/** A WAL that grows in place may have grown. */
async function requireUnchanged(
  store: ReadableStore,
  listed: StoreEntry,
  signal: AbortSignal | undefined,
): Promise<void> {
  let found: StoreEntry | undefined;
  try {
    found = (await store.list(listed.key, signal)).find(({ key }) => key === listed.key);
  } catch (error) {
    // The read itself will tell.
    if (isLitestreamError(error, "REPLICA_UNAVAILABLE")) return;
    throw error;
  }
  if (found !== undefined && isSame(listed, found)) return;
  const path = `${store.location}/${listed.key}`;
  throw new LitestreamError("OBJECT_CHANGED", `${path} was replaced while it was read`, {
    path,
    hint: "Try again: what is there now is read from its beginning.",
  });
}

function isSame(listed: StoreEntry, found: StoreEntry): boolean {
  if (listed.identity !== undefined || found.identity !== undefined) return listed.identity === found.identity;
  const hasGrown = listed.key.endsWith(".wal") && found.sizeBytes > listed.sizeBytes;
  const isOfSameTime = found.modifiedAt.getTime() === listed.modifiedAt.getTime();
  return hasGrown || (found.sizeBytes === listed.sizeBytes && isOfSameTime);
}

/** Ends early when the signal is given: the read that follows throws then. */
async function passed(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal?.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}
