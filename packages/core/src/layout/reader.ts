import { collectBytes } from "../bytes.ts";
import { isLitestreamError, LitestreamError } from "../errors.ts";
import type { Generation } from "../generation.ts";
import { ltxHeaderSizeBytes, parseLtxHeader } from "../ltx/header.ts";
import { decompressLz4 } from "../lz4/frame-reader.ts";
import { formatPosition, formatWalIndex, type WalIndex } from "../position.ts";
import type { LtxFiles, ReaderLeaseStore, ReplicaReader, SideFiles } from "../replica-reader.ts";
import type { ReadableStore, Store, StoreEntry } from "../store/store.ts";
import { ltxInfo, type LtxInfo } from "./ltx.ts";
import { agreeing, type StoredForm } from "./agreement.ts";
import { generationKey, generationsKey, snapshotKey } from "./generations.ts";
import type { GenerationStats, SnapshotInfo, WalInfo } from "./objects.ts";
import { type Listing, parseEntries, type StoredWal } from "./listing.ts";
import { ReadAhead } from "./read-ahead.ts";
import { readRange } from "./read-range.ts";
import { resumedRead } from "./resumed-read.ts";
import { segmentPrefix } from "./segments.ts";
import { StoreSideFiles } from "./side-files.ts";
import { generationsOf, statsOf } from "./stats.ts";
import { walKey } from "./whole.ts";

export interface StoreReplicaReaderOptions {
  /** `file`, later `s3` and others. */
  readonly type: string;
  /** The type where absent. */
  readonly name?: string;
  /** Ends listing and reading, with an error ABORTED. */
  readonly signal?: AbortSignal;
  /** The same store, where readers shall leave leases; none are left where absent. */
  readonly leaseStore?: Pick<Store, "put" | "delete">;
}

/**
 * Reads a replica of Litestream 0.3 or of ours: both layouts, also mixed in one replica. Objects of other names are not
 * looked at. A generation without objects is not listed.
 */
export class StoreReplicaReader implements ReplicaReader {
  readonly name: string;
  readonly type: string;
  readonly #store: ReadableStore;
  readonly #signal: AbortSignal | undefined;
  /** WALs of the last full listing but the highest of each generation: these are complete. By generation and index. */
  #sealedWals: Map<string, StoredWal[]> = new Map();

  /** By key, as listed last: what is read must be that. */
  readonly #listed = new Map<string, StoreEntry>();

  readonly sideFiles: SideFiles;
  readonly ltx: LtxFiles;
  readonly leases?: ReaderLeaseStore;
  readonly #readListeners = new Set<(bytes: number) => void>();
  #ahead: ReadAhead | undefined;

  constructor(store: ReadableStore, options: StoreReplicaReaderOptions) {
    this.#store = store;
    this.sideFiles = new StoreSideFiles(store, options.signal);
    this.ltx = {
      list: async () => (await this.#entries("")).flatMap((entry) => ltxInfo(entry) ?? []),
      headerTime: (info) => this.#ltxHeaderTime(info),
      read: (info) => this.#read(info.path),
    };
    const { leaseStore } = options;
    if (leaseStore !== undefined) {
      this.leases = {
        put: async (key) => void (await leaseStore.put(key, empty())),
        delete: (key) => leaseStore.delete([key]),
      };
    }
    this.type = options.type;
    this.name = options.name ?? options.type;
    this.#signal = options.signal;
  }

  get location(): string {
    return this.#store.location;
  }

  async generations(): Promise<Generation[]> {
    const { snapshots, wals } = await this.#list(`${generationsKey}/`);
    return generationsOf(snapshots, wals.map(infoOf));
  }

  async generationStats(generation: Generation): Promise<GenerationStats> {
    const { snapshots, wals } = await this.#list(`${generationKey(generation)}/`);
    return statsOf(generation, snapshots, wals.map(infoOf));
  }

  /** Snapshots and WAL of one generation, listed together. */
  async generationObjects(generation: Generation): Promise<{ snapshots: SnapshotInfo[]; wals: WalInfo[] }> {
    const { snapshots, wals } = await this.#list(`${generationKey(generation)}/`);
    return { snapshots, wals: wals.map(infoOf) };
  }

  async snapshots(): Promise<SnapshotInfo[]> {
    return (await this.#list(`${generationsKey}/`)).snapshots;
  }

  async wals(): Promise<WalInfo[]> {
    const { wals } = await this.#list(`${generationsKey}/`);
    this.#sealedWals = sealedByIndex(wals);
    return wals.map(infoOf);
  }

  async *snapshotReader(generation: Generation, index: WalIndex): AsyncGenerator<Uint8Array, void, undefined> {
    let begun = false;
    try {
      for await (const chunk of this.#read(snapshotKey(generation, index, false))) {
        begun = true;
        yield chunk;
      }
      return;
    } catch (error) {
      if (begun || !isLitestreamError(error, "OBJECT_MISSING")) throw error;
    }
    yield* this.#readCompressed(snapshotKey(generation, index, true));
  }

  async *walReader(
    generation: Generation,
    index: WalIndex,
    fromOffset: number = 0,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    // A WAL changes its name when it is compressed: one that vanished between listing and opening is looked up again.
    for (let attempt = 0; ; attempt++) {
      const known = attempt === 0 ? this.#sealedWals.get(walIdentity(generation, index)) : undefined;
      const wals = known ?? (await this.#listWal(generation, index));
      let begun = false;
      try {
        for await (const chunk of this.#readWal(generation, index, wals, fromOffset)) {
          begun = true;
          yield chunk;
        }
        return;
      } catch (error) {
        if (begun || attempt > 0 || !isLitestreamError(error, "OBJECT_MISSING")) throw error;
      }
    }
  }

  readonly objects = (): Promise<StoreEntry[]> => this.#store.list("", this.#signal);

  readonly observeReads = (listener: (bytes: number) => void): (() => void) => {
    this.#readListeners.add(listener);
    return () => void this.#readListeners.delete(listener);
  };

  readonly readAhead = (paths: readonly string[], countMax: number = this.#store.readsAtOnce ?? 1): Disposable => {
    const entries = this.#store.readsAtOnce === undefined ? [] : paths.flatMap((path) => this.#listed.get(path) ?? []);
    const ahead = new ReadAhead(entries, countMax, ({ key }, ended) => this.#fetch(key, ended));
    this.#ahead = ahead;
    return {
      [Symbol.dispose]: () => {
        ahead[Symbol.dispose]();
        if (this.#ahead === ahead) this.#ahead = undefined;
      },
    };
  };

  #readWal(
    generation: Generation,
    index: WalIndex,
    wals: readonly StoredWal[],
    fromOffset: number,
  ): AsyncIterable<Uint8Array> {
    const forms: StoredForm[] = wals
      .filter(({ isSegment }) => !isSegment)
      .toSorted((a, b) => Number(a.info.compressed) - Number(b.info.compressed))
      .map((wal) => ({ path: this.#pathOf(wal.info.path), content: this.#readObject(wal, fromOffset) }));
    const segments = wals.filter(({ isSegment }) => isSegment);
    const [firstSegment] = segments;
    if (firstSegment !== undefined) {
      forms.push({ path: this.#pathOf(firstSegment.info.path), content: this.#readSegments(segments, fromOffset) });
    }
    const [only] = forms;
    if (only === undefined) throw this.#walMissing(generation, index);
    return forms.length === 1 ? only.content : agreeing(forms);
  }

  /** Segments in turn, each of which must begin where the one before ended. */
  async *#readSegments(
    segments: readonly StoredWal[],
    fromOffset: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const inOrder = segments.toSorted((a, b) => a.info.offset - b.info.offset);
    const firstNeeded = Math.max(
      0,
      inOrder.findLastIndex(({ info }) => info.offset <= fromOffset),
    );
    // Those before are not looked at.
    let offset = firstNeeded === 0 ? 0 : (inOrder[firstNeeded]?.info.offset ?? 0);
    for (const segment of inOrder.slice(firstNeeded)) {
      if (segment.info.offset !== offset) {
        const { generation, index } = segment.info;
        const path = this.#pathOf(segment.info.path);
        const position = formatPosition({ generation, index, offset });
        const why =
          segment.info.offset > offset
            ? `the segment before it is missing: it begins at byte ${segment.info.offset} of its WAL, and there is` +
              ` nothing from byte ${offset} on`
            : `it overlaps the segment before it: it begins at byte ${segment.info.offset} of its WAL, and that one` +
              ` ends at byte ${offset}`;
        throw new LitestreamError("BACKUP_DAMAGED", `damaged WAL: ${path}: ${why}`, {
          path,
          position,
          offset,
          hint: "Restore from another replica, or another generation with -generation.",
        });
      }
      for await (const chunk of this.#readObject(segment, 0)) {
        const skippedBytes = Math.max(0, fromOffset - offset);
        offset += chunk.byteLength;
        if (skippedBytes < chunk.byteLength) yield chunk.subarray(skippedBytes);
      }
    }
  }

  #readObject({ info }: StoredWal, fromOffset: number): AsyncIterable<Uint8Array> {
    if (!info.compressed) return this.#read(info.path, fromOffset);
    const content = this.#readCompressed(info.path);
    return fromOffset === 0 ? content : skipping(content, fromOffset);
  }

  async *#read(key: string, offset: number = 0): AsyncGenerator<Uint8Array, void, undefined> {
    const fetched = offset === 0 ? await this.#ahead?.take(key) : undefined;
    const chunks = fetched === undefined ? this.#readNow(key, offset, this.#signal) : [fetched];
    for await (const chunk of chunks) {
      for (const listener of this.#readListeners) listener(chunk.byteLength);
      yield chunk;
    }
  }

  #readNow(key: string, offset: number, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> {
    return resumedRead(this.#store, key, this.#listed.get(key), offset, signal);
  }

  #fetch(key: string, ended: AbortSignal): Promise<Uint8Array> {
    const signal = this.#signal === undefined ? ended : AbortSignal.any([this.#signal, ended]);
    return collectBytes(this.#readNow(key, 0, signal));
  }

  #readCompressed(key: string): AsyncIterable<Uint8Array> {
    return decompressLz4(this.#read(key), { path: this.#pathOf(key) });
  }

  async #ltxHeaderTime({ path, minTxid, maxTxid }: LtxInfo): Promise<Date | undefined> {
    const range = { offset: 0, sizeBytes: ltxHeaderSizeBytes };
    try {
      const header = parseLtxHeader(await readRange(this.#store, path, range, this.#signal), path);
      return header.minTxid === minTxid && header.maxTxid === maxTxid ? header.createdAt : undefined;
    } catch (error) {
      if (!isLitestreamError(error, "FORMAT_INVALID", "OBJECT_MISSING")) throw error;
      return undefined;
    }
  }

  #walMissing(generation: Generation, index: WalIndex): LitestreamError {
    const path = this.#pathOf(walKey(generation, index, false));
    return new LitestreamError(
      "OBJECT_MISSING",
      `WAL ${generation}/${formatWalIndex(index)} is missing in ${this.location}: no .wal, .wal.lz4 or segments`,
      { path, position: formatPosition({ generation, index, offset: 0 }) },
    );
  }

  async #listWal(generation: Generation, index: WalIndex): Promise<StoredWal[]> {
    const prefix = segmentPrefix(generation, index).slice(0, -1);
    return (await this.#list(prefix)).wals.filter(({ info }) => info.index === index);
  }

  async #list(prefix: string): Promise<Listing> {
    return parseEntries(await this.#entries(prefix));
  }

  async #entries(prefix: string): Promise<StoreEntry[]> {
    const entries = await this.#store.list(prefix, this.#signal);
    if (prefix === `${generationsKey}/`) this.#listed.clear();
    for (const entry of entries) this.#listed.set(entry.key, entry);
    return entries;
  }

  #pathOf(key: string): string {
    return `${this.location}/${key}`;
  }
}

async function* skipping(
  content: AsyncIterable<Uint8Array>,
  sizeBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let skippedBytes = 0;
  for await (const chunk of content) {
    const skip = Math.min(sizeBytes - skippedBytes, chunk.byteLength);
    skippedBytes += skip;
    if (skip < chunk.byteLength) yield chunk.subarray(skip);
  }
}

async function* empty(): AsyncGenerator<Uint8Array, void, undefined> {}

function infoOf(wal: StoredWal): WalInfo {
  return wal.info;
}

function walIdentity(generation: Generation, index: WalIndex): string {
  return `${generation}/${index}`;
}

function sealedByIndex(wals: readonly StoredWal[]): Map<string, StoredWal[]> {
  const highest = new Map<Generation, WalIndex>();
  for (const { info } of wals) highest.set(info.generation, info.index);
  const sealed = wals.filter(({ info }) => highest.get(info.generation) !== info.index);
  return Map.groupBy(sealed, ({ info }) => walIdentity(info.generation, info.index));
}
