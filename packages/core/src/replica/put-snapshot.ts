/**
 * Stores a snapshot with its side file, whatever the layout. The side file comes first, as soon as the checksum of the
 * content is known and before the snapshot is visible: without it, nobody would know of the states inside the time in
 * which it was copied. Where one of the same index is replaced, the side file names both until that has happened.
 */
import type { Generation } from "../generation.ts";
import { formatSnapshotEnd, type SnapshotEnd } from "../layout/restore-points.ts";
import { StoreSideFiles } from "../layout/side-files.ts";
import { compressLz4 } from "../lz4/frame-writer.ts";
import type { WalIndex } from "../position.ts";
import type { PutOptions, Store } from "../store/store.ts";
import type { CopyEnd } from "./layout-writer.ts";

export interface SnapshotToPut {
  readonly generation: Generation;
  readonly index: WalIndex;
  /** Of the snapshot, and of its side file. */
  readonly key: string;
  readonly endKey: string;
  /** The bytes of the database file. */
  readonly content: AsyncIterable<Uint8Array>;
  /** Where the copying ended; asked for when `content` was read. */
  readonly endOf: () => CopyEnd;
}

export interface PutSnapshotOptions extends PutOptions {
  /** Called before anything is written, again and again: what it throws ends that. */
  readonly beforeWrite?: () => Promise<void>;
}

export async function putSnapshot(
  store: Store,
  { generation, index, key, endKey, content, endOf }: SnapshotToPut,
  signal: AbortSignal | undefined,
  options: PutSnapshotOptions = {},
): Promise<{ sizeBytes: number }> {
  const { beforeWrite } = options;
  const putSide = async (noted: SnapshotEnd): Promise<void> => {
    await beforeWrite?.();
    await store.put(endKey, bytesOf(formatSnapshotEnd(noted)), signal);
  };
  const replacedHash = await storedHash(store, key, signal);
  let noted: SnapshotEnd | undefined;
  const frame = notingHash(compressLz4(content), async (contentHash) => {
    noted = { generation, index, ...endOf(), contentHash, replacedHash };
    await putSide(noted);
  });
  const stored = await store.put(key, before(frame, beforeWrite), signal, options);
  if (noted?.replacedHash !== undefined) await putSide({ ...noted, replacedHash: undefined });
  return stored;
}

/** Calls `note` with the checksum of the content before the end of the frame is passed on. */
async function* notingHash(
  frame: AsyncIterable<Uint8Array>,
  note: (contentHash: number) => Promise<void>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of frame) {
    // The end mark is a block of no bytes, and the checksum follows; no other piece of a frame looks like this.
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (chunk.byteLength === 8 && view.getUint32(0, true) === 0) await note(view.getUint32(4, true));
    yield chunk;
  }
}

async function* before(
  frame: AsyncIterable<Uint8Array>,
  beforeWrite: (() => Promise<void>) | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of frame) {
    await beforeWrite?.();
    yield chunk;
  }
}

async function storedHash(store: Store, key: string, signal: AbortSignal | undefined): Promise<number | undefined> {
  const there = (await store.list(key, signal)).find((entry) => entry.key === key);
  if (there === undefined) return undefined;
  return new StoreSideFiles(store, signal).snapshotHash({ path: key, sizeBytes: there.sizeBytes });
}

async function* bytesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
