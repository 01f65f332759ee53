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
  parseSnapshotKey,
  pendingGenerationKey,
  snapshotKey,
  snapshotsKey,
  walsKey,
} from "../layout/generations.ts";
import { formatSnapshotEnd, snapshotEndKey, walPointsKey } from "../layout/restore-points.ts";
import { parseWalKey, walKey } from "../layout/whole.ts";
import { decompressLz4 } from "../lz4/frame-reader.ts";
import { compressLz4 } from "../lz4/frame-writer.ts";
import type { LocalFile } from "../local-file.ts";
import type { Position, WalIndex } from "../position.ts";
import { type FileStore, temporarySuffix } from "../store/file.ts";
import { throwIfAborted } from "../abort.ts";
import { CannotGoOn } from "./cannot-go-on.ts";
import { PointsFile, type PointToNote } from "./points-file.ts";
import { isWholeWal, readWalTail, type WalTail } from "./wal-tail.ts";

export class WholeFolder {
  readonly #store: FileStore;
  readonly #points = new PointsFile();
  /** This generation is not to be seen yet. */
  #pending: Generation | undefined;

  constructor(store: FileStore) {
    this.#store = store;
  }

  /** Removes what an earlier life left half-written. */
  async removeTemporaries(): Promise<void> {
    await this.#store.removeTemporaries(generationsKey);
  }

  async newestSnapshot(generation: Generation): Promise<WalIndex | undefined> {
    const snapshots = await this.#names(`${snapshotsKey(generation)}/`, parseSnapshotKey);
    return snapshots.at(-1)?.index;
  }

  /**
   * Stores a snapshot, compressed. A generation that was not there before appears with it, together with the WAL that
   * was written while `content` was read.
   * @param endOf where that WAL ends; asked for when `content` was read
   */
  async putSnapshot(
    generation: Generation,
    index: WalIndex,
    content: AsyncIterable<Uint8Array>,
    endOf: () => Position,
    signal: AbortSignal | undefined,
  ): Promise<{ sizeBytes: number }> {
    const key = snapshotKey(generation, index, true);
    const put = async (): Promise<{ sizeBytes: number }> => {
      const stored = await this.#store.put(this.#keyOf(generation, key), compressLz4(content), signal);
      await this.#noteSnapshotEnd(generation, index, endOf(), stored.sizeBytes, signal);
      return stored;
    };
    // A folder that is there already, left by somebody else without a snapshot, can only get better.
    return this.#store.exists(generationKey(generation)) ? put() : this.#appearAtOnce(generation, put);
  }

  /** Notes what of a WAL is durable, in its side file. */
  notePoint(note: Omit<PointToNote, "name">, generation: Generation, index: WalIndex): void {
    const key = this.#keyOf(generation, walPointsKey(generation, index));
    const name = { kind: "wal", generation, index } as const;
    this.#points.note({ ...note, name }, () => this.#store.openFile(key, { create: true }));
  }

  /** Before a WAL takes its last form, what its side file says of its end is made durable. */
  #syncPoints(generation: Generation, index: WalIndex): void {
    const key = walPointsKey(generation, index);
    if (!this.#store.exists(key)) return;
    using file = this.#store.openFile(key, { create: false });
    file.sync();
  }

  /** The uncompressed file of a WAL that is there. */
  openWal(generation: Generation, index: WalIndex): LocalFile {
    return this.#store.openFile(this.#keyOf(generation, walKey(generation, index, false)), { create: false });
  }

  /**
   * Makes the uncompressed file of a WAL, or replaces it. It appears with all that `write` writes, durably: a power
   * loss while it began in place would leave a WAL whose header is damaged, behind what was reported already.
   */
  createWal(generation: Generation, index: WalIndex, write: (file: LocalFile) => void): void {
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

  /**
   * The end of the newest WAL, read back; undefined where there is no WAL of the generation.
   * @throws CannotGoOn when it is there only compressed, and damaged
   */
  async readTail(generation: Generation): Promise<WalTail | undefined> {
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

  /**
   * Compresses each WAL before `position`'s: to a temporary, made durable, renamed; only then does the original go.
   * @param endOf where a WAL has to end, where that is known
   * @throws CannotGoOn when one is not whole; it stays as it is
   */
  async *compressBefore(
    { generation, index: newest }: Position,
    endOf: (generation: Generation, index: WalIndex) => number | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<{ readonly index: WalIndex; readonly sizeBytes: number }, void, undefined> {
    const superseded = (await this.#walFiles(generation)).filter((wal) => !wal.compressed && wal.index < newest);
    for (const { key, index } of superseded) {
      throwIfAborted(signal, `compressing ${this.#store.pathOf(key)}`);
      const isWhole = await isWholeWal(this.#store.read(key), this.#store.pathOf(key), endOf(generation, index));
      if (!isWhole) throw new CannotGoOn(generation, "replica differs from the shadow wal");
      this.#syncPoints(generation, index);
      const compressed = compressLz4(this.#store.read(key));
      const { sizeBytes } = await this.#store.put(walKey(generation, index, true), compressed, signal);
      await this.#store.delete([key]);
      yield { index, sizeBytes };
    }
  }

  async #noteSnapshotEnd(
    generation: Generation,
    index: WalIndex,
    end: Position,
    sizeBytes: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    // The frame ends with the checksum of its content.
    const checksum = new Uint8Array(4);
    {
      using stored = this.#store.openFile(this.#keyOf(generation, snapshotKey(generation, index, true)), {
        create: false,
      });
      stored.readAt(checksum, sizeBytes - checksum.byteLength);
    }
    const contentHash = new DataView(checksum.buffer).getUint32(0, true);
    const record = formatSnapshotEnd({ generation, index, timeMs: Date.now(), end, contentHash });
    async function* content(): AsyncGenerator<Uint8Array, void, undefined> {
      yield record;
    }
    await this.#store.put(this.#keyOf(generation, snapshotEndKey(generation, index)), content(), signal);
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
  #walFiles(generation: Generation): Promise<NamedObject[]> {
    return this.#names(`${walsKey(generation)}/`, parseWalKey);
  }

  async #names(prefix: string, parse: (key: string) => ObjectName | undefined): Promise<NamedObject[]> {
    const entries = await this.#store.list(prefix);
    return entries
      .flatMap(({ key }) => {
        const name = parse(key);
        return name === undefined ? [] : [{ ...name, key }];
      })
      .toSorted((a, b) => a.index - b.index || Number(b.compressed) - Number(a.compressed));
  }
}

type NamedObject = ObjectName & { readonly key: string };
