/**
 * The files of a replica in the `whole` layout, as they are written: docs/formats/whole.md. A generation is built
 * aside, in `generations/<generation>.tmp`, and shows itself by one rename when it can be restored. Otherwise a restore
 * that comes meanwhile, or after we were killed, would find WAL without its snapshot, and take that for the newest.
 */
import { isLitestreamError } from "../errors.ts";
import type { Generation } from "../generation.ts";
import {
  generationKey,
  generationsKey,
  type ObjectName,
  pendingGenerationKey,
  snapshotKey,
  walsKey,
} from "../layout/generations.ts";
import { snapshotEndKey, walPointsKey } from "../layout/restore-points.ts";
import { parseWalKey, walKey } from "../layout/whole.ts";
import { decompressLz4 } from "../lz4/frame-reader.ts";
import { compressLz4 } from "../lz4/frame-writer.ts";
import type { LocalFile } from "../local-file.ts";
import type { Position, WalIndex } from "../position.ts";
import { type FileStore, temporarySuffix } from "../store/file.ts";
import { throwIfAborted } from "../abort.ts";
import { WalChain } from "../wal/chain.ts";
import { extendChain, readWalHeader } from "../wal/file.ts";
import { formatWalHeader } from "../wal/header.ts";
import type { SourceWal } from "../wal-source.ts";
import { CannotGoOn } from "./cannot-go-on.ts";
import type { CopyEnd, DurableEnd, FinishedWal, HeldWal, KnownEnd, LayoutWriter } from "./layout-writer.ts";
import { PointsFile } from "./points-file.ts";
import { putSnapshot } from "./put-snapshot.ts";
import { isWholeWal, readWalTail } from "./wal-tail.ts";

export class WholeFolder implements LayoutWriter {
  readonly #store: FileStore;
  readonly #points = new PointsFile();
  /** This generation is not to be seen yet. */
  #pending: Generation | undefined;

  constructor(store: FileStore) {
    this.#store = store;
  }

  async removeTemporaries(): Promise<void> {
    await this.#store.removeTemporaries(generationsKey);
  }

  /** A generation that was not there before appears with it, and with the WAL written while `content` was read. */
  async putSnapshot(
    generation: Generation,
    index: WalIndex,
    content: AsyncIterable<Uint8Array>,
    endOf: () => CopyEnd,
    signal: AbortSignal | undefined,
  ): Promise<{ sizeBytes: number }> {
    const put = (): Promise<{ sizeBytes: number }> => {
      const key = this.#keyOf(generation, snapshotKey(generation, index, true));
      const endKey = this.#keyOf(generation, snapshotEndKey(generation, index));
      return putSnapshot(this.#store, { generation, index, key, endKey, content, endOf }, signal);
    };
    // A folder that is there already, left by somebody else without a snapshot, can only get better.
    return this.#store.exists(generationKey(generation)) ? put() : this.#appearAtOnce(generation, put);
  }

  async noteEnd({ generation, index, header, timeMs, end, isSealed }: DurableEnd): Promise<void> {
    const key = this.#keyOf(generation, walPointsKey(generation, index));
    const name = { kind: "wal", generation, index } as const;
    const note = { name, header, point: { timeMs, ...end }, isSealed };
    this.#points.note(note, () => this.#store.openFile(key, { create: true }));
  }

  /** Before a WAL takes its last form, what its side file says of its end is made durable. */
  #syncPoints(generation: Generation, index: WalIndex): void {
    const key = walPointsKey(generation, index);
    if (!this.#store.exists(key)) return;
    using file = this.#store.openFile(key, { create: false });
    file.sync();
  }

  async appendWal(
    generation: Generation,
    index: WalIndex,
    held: WalChain | undefined,
    wal: SourceWal,
  ): Promise<WalChain> {
    const chain = held ?? new WalChain(readWalHeader(wal));
    const append = (file: LocalFile): void => {
      const stop = extendChain(chain, wal, wal.endOffset, (chunk) => file.writeAt(chunk.bytes, chunk.offset));
      if (stop !== "end" || chain.commit.offset !== wal.endOffset) {
        throw new CannotGoOn(generation, "shadow wal damaged");
      }
    };
    if (held === undefined) {
      this.#createWal(generation, index, (file) => {
        file.writeAt(formatWalHeader(chain.header), 0);
        append(file);
      });
      return chain;
    }
    using file = this.#openWal(generation, index);
    append(file);
    file.sync();
    return chain;
  }

  async cutTail(generation: Generation, index: WalIndex, chain: WalChain): Promise<void> {
    using file = this.#openWal(generation, index);
    file.truncate(chain.end.offset);
    file.sync();
  }

  /** The uncompressed file of a WAL that is there. */
  #openWal(generation: Generation, index: WalIndex): LocalFile {
    return this.#store.openFile(this.#keyOf(generation, walKey(generation, index, false)), { create: false });
  }

  /**
   * Makes the uncompressed file of a WAL, or replaces it. It appears with all that `write` writes, durably: a power
   * loss while it began in place would leave a WAL whose header is damaged, behind what was reported already.
   */
  #createWal(generation: Generation, index: WalIndex, write: (file: LocalFile) => void): void {
    const key = this.#keyOf(generation, walKey(generation, index, false));
    const temporaryKey = `${key}${temporarySuffix}`;
    {
      using file = this.#store.openFile(temporaryKey, { create: true });
      file.truncate(0);
      write(file);
      file.sync();
    }
    this.#store.rename(temporaryKey, key);
  }

  /** @throws CannotGoOn when it is there only compressed, and damaged */
  async readTail(generation: Generation): Promise<HeldWal | undefined> {
    const newest = (await this.#walFiles(generation)).at(-1);
    if (newest === undefined) return undefined;
    const { index, compressed, key } = newest;
    const stored = this.#store.read(key);
    const path = this.#store.pathOf(key);
    if (!compressed) return readWalTail(index, compressed, stored, path);
    try {
      return await readWalTail(index, compressed, decompressLz4(stored, { path }), path);
    } catch (error) {
      if (!isLitestreamError(error, "BACKUP_DAMAGED")) throw error;
      throw new CannotGoOn(generation, "replica differs from the shadow wal");
    }
  }

  /** Compresses each WAL: to a temporary, made durable, renamed; only then does the original go. */
  async *finishBefore(
    { generation, index: newest }: Position,
    knownEnd: KnownEnd,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<FinishedWal, void, undefined> {
    const superseded = (await this.#walFiles(generation)).filter((wal) => !wal.compressed && wal.index < newest);
    for (const { key, index } of superseded) {
      throwIfAborted(signal, `compressing ${this.#store.pathOf(key)}`);
      const isWhole = await isWholeWal(this.#store.read(key), this.#store.pathOf(key), knownEnd(generation, index));
      if (!isWhole) throw new CannotGoOn(generation, "replica differs from the shadow wal");
      this.#syncPoints(generation, index);
      const compressed = compressLz4(this.#store.read(key));
      const { sizeBytes } = await this.#store.put(walKey(generation, index, true), compressed, signal);
      await this.#store.delete([key]);
      yield { index, sizeBytes };
    }
  }

  /** Nothing: it is replaced at once. */
  async clearWal(): Promise<void> {}

  deleteObjects(_generation: Generation, keys: readonly string[], signal: AbortSignal | undefined): Promise<void> {
    return this.#store.delete(keys, signal);
  }

  /** By one rename, unless something else lies in its folder, which stays. */
  async deleteGeneration(
    generation: Generation,
    groups: readonly (readonly string[])[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const known = new Set(groups.flat());
    const entries = await this.#store.list(`${generationKey(generation)}/`, signal);
    if (entries.every(({ key }) => known.has(key))) {
      const removedKey = pendingGenerationKey(generation);
      await this.#store.removeAll(removedKey);
      if (this.#store.exists(generationKey(generation))) this.#store.rename(generationKey(generation), removedKey);
      await this.#store.removeAll(removedKey);
      return;
    }
    for (const keys of groups) await this.#store.delete(keys, signal);
    await this.#store.removeEmptyFolders(generationKey(generation));
  }

  async #appearAtOnce<Result>(generation: Generation, build: () => Promise<Result>): Promise<Result> {
    const pendingKey = pendingGenerationKey(generation);
    try {
      this.#points.forget();
      this.#pending = generation;
      await this.#store.removeAll(pendingKey);
      const result = await build();
      this.#store.rename(pendingKey, generationKey(generation));
      return result;
    } catch (error) {
      await this.#store.removeAll(pendingKey).catch(() => undefined);
      throw error;
    } finally {
      this.#pending = undefined;
    }
  }

  /** Where the object of `key` is for now. */
  #keyOf(generation: Generation, key: string): string {
    if (this.#pending !== generation) return key;
    return `${pendingGenerationKey(generation)}${key.slice(generationKey(generation).length)}`;
  }

  /** By index; where one is there twice, the uncompressed one is last. */
  async #walFiles(generation: Generation): Promise<NamedObject[]> {
    const entries = await this.#store.list(`${walsKey(generation)}/`);
    return entries
      .flatMap(({ key }) => {
        const name = parseWalKey(key);
        return name === undefined ? [] : [{ ...name, key }];
      })
      .toSorted((a, b) => a.index - b.index || Number(b.compressed) - Number(a.compressed));
  }
}

type NamedObject = ObjectName & { readonly key: string };
