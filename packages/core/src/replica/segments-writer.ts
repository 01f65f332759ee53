/**
 * The objects of a replica in the `segments` layout, as they are written: docs/formats/segments.md. No object is ever
 * changed; each is there as a whole or not at all. A segment begins where the one before it ended, so its key says
 * what it holds, unless a write whose outcome is unknown ended elsewhere: that one is repeated as it was, first.
 */
import { assert } from "../assert.ts";
import type { Generation } from "../generation.ts";
import { generationKey, generationsKey, snapshotKey, walsKey } from "../layout/generations.ts";
import {
  formatPointsHeader,
  formatWalPoint,
  snapshotEndKey,
  type WalPoint,
  walPointsKey,
} from "../layout/restore-points.ts";
import { parseSegmentKey, segmentKey, type SegmentName, segmentPrefix } from "../layout/segments.ts";
import { isLitestreamError, LitestreamError } from "../errors.ts";
import { decompressLz4 } from "../lz4/frame-reader.ts";
import { compressLz4 } from "../lz4/frame-writer.ts";
import type { WalIndex } from "../position.ts";
import type { Store } from "../store/store.ts";
import { WalChain } from "../wal/chain.ts";
import { extendChain, readWalHeader } from "../wal/file.ts";
import { frameSizeBytes } from "../wal/header.ts";
import { scanWal } from "../wal/scan.ts";
import type { SourceWal } from "../wal-source.ts";
import { CannotGoOn } from "./cannot-go-on.ts";
import type { CopyEnd, DurableEnd, FinishedWal, HeldWal, LayoutWriter } from "./layout-writer.ts";
import { putSnapshot } from "./put-snapshot.ts";
import type { WriterLease } from "./writer-lease.ts";

/**
 * A segment takes commits until it has so much of WAL: what fails is repeated from its beginning, and S3 takes it with
 * one request, even where it does not get smaller.
 */
const segmentSizeBytes = 4 * 1024 * 1024;
/** How much of a WAL is read at once, to be compressed. */
const readSizeBytes = 1024 * 1024;
/** As many as S3 takes in one request. */
const deletedAtOnceMax = 1000;
/** Syncs of one WAL whose times go into its side file: 128 KiB of them. */
const pointsMax = 4096;

export interface SegmentsWriterParts {
  readonly store: Store;
  /** Undefined where none is wanted, or the store has no conditional writes. */
  readonly lease: WriterLease | undefined;
  /** Of the database file: about how large a snapshot can be. */
  readonly dbSizeBytes: () => number | undefined;
}

/** What this life wrote last, or began to. */
interface Written {
  readonly generation: Generation;
  readonly index: WalIndex;
  /** Everything up to its end is durable. */
  readonly chain: WalChain;
}
interface Pending {
  readonly key: string;
  readonly endOffset: number;
}

export class SegmentsWriter implements LayoutWriter {
  readonly #store: Store;
  readonly #parts: SegmentsWriterParts;
  #isPrepared = false;
  #written: Written | undefined;
  #pending: Pending | undefined;
  /** Settles when the last side file of a WAL is stored, or could not be. */
  #sideFile: Promise<void> = Promise.resolve();
  /** Of the WAL that was written last: what its side file will say. */
  #points: { readonly key: string; readonly points: WalPoint[]; isStored: boolean } | undefined;

  constructor(parts: SegmentsWriterParts) {
    this.#store = parts.store;
    this.#parts = parts;
  }

  /** Done with the first sync instead: a store that is away must not keep capture from beginning. */
  async removeTemporaries(): Promise<void> {
    this.#isPrepared = false;
  }

  /** All of it is sent, then the WAL and where the copy ended; only then is it there. */
  async putSnapshot(
    generation: Generation,
    index: WalIndex,
    content: AsyncIterable<Uint8Array>,
    endOf: () => CopyEnd,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly sizeBytes: number }> {
    await this.#prepare(signal);
    const sizeHintBytes = this.#parts.dbSizeBytes() ?? 0;
    const key = snapshotKey(generation, index, true);
    const endKey = snapshotEndKey(generation, index);
    await this.#holdForUpload(key, sizeHintBytes, signal);
    return await putSnapshot(this.#store, { generation, index, key, endKey, content, endOf }, signal, {
      sizeHintBytes,
      beforeWrite: () => this.#hold(signal),
    });
  }

  /**
   * What this life wrote is known; what an earlier one did is read back.
   * @throws CannotGoOn when it is damaged
   */
  async readTail(generation: Generation, signal: AbortSignal | undefined): Promise<HeldWal | undefined> {
    await this.#prepare(signal);
    const written = this.#written;
    if (written?.generation === generation) {
      const { header, commit } = written.chain;
      return { index: written.index, chain: new WalChain(header, commit), isTorn: false, isFinal: false };
    }
    const newest = await this.#newestSegments(generation, signal);
    const [first] = newest;
    if (first === undefined) return undefined;
    const damaged = new CannotGoOn(generation, "replica differs from the shadow wal");
    try {
      const path = this.#pathOf(first.key);
      const { header, commit, sizeBytes } = await scanWal(this.#readSegments(newest, damaged, signal), path);
      if (header === undefined || commit.offset !== sizeBytes) throw damaged;
      const chain = new WalChain(header, commit);
      this.#written = { generation, index: first.name.index, chain: new WalChain(header, commit) };
      return { index: first.name.index, chain, isTorn: false, isFinal: false };
    } catch (error) {
      if (isLitestreamError(error, "FORMAT_INVALID", "BACKUP_DAMAGED", "OBJECT_MISSING")) throw damaged;
      throw error;
    }
  }

  /** Nothing of ours can be torn: objects are there as a whole. */
  async cutTail(): Promise<void> {
    assert(false, "segments are not cut");
  }

  async appendWal(
    generation: Generation,
    index: WalIndex,
    held: WalChain | undefined,
    wal: SourceWal,
    signal: AbortSignal | undefined,
  ): Promise<WalChain> {
    await this.#prepare(signal);
    let chain = held ?? new WalChain(readWalHeader(wal));
    let offset = held === undefined ? 0 : held.end.offset;
    while (offset < wal.endOffset) {
      const key = segmentKey(generation, index, offset, true);
      const extended = nextSegment(chain, wal, this.#pending?.key === key ? this.#pending.endOffset : undefined);
      if (extended === undefined) throw new CannotGoOn(generation, "shadow wal damaged");
      const endOffset = extended.end.offset;
      const sizeHintBytes = endOffset - offset;
      await this.#holdForUpload(key, sizeHintBytes, signal);
      this.#pending = { key, endOffset };
      await this.#store.put(key, compressLz4(readWal(wal, offset, endOffset)), signal, { sizeHintBytes });
      this.#pending = undefined;
      chain = extended;
      offset = endOffset;
      this.#written = { generation, index, chain: new WalChain(chain.header, chain.commit) };
    }
    return chain;
  }

  /**
   * One object for each WAL, when its end is known; a WAL's segments have times of their own until then. It is sent
   * while the next WAL is: nothing depends on it. @throws what the one before it failed with
   */
  async noteEnd(
    { generation, index, header, timeMs, end, isSealed }: DurableEnd,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const key = walPointsKey(generation, index);
    if (this.#points?.key !== key) this.#points = { key, points: [], isStored: false };
    const noted = this.#points;
    const newest = noted.points.at(-1);
    if (newest?.offset !== end.offset) {
      if (noted.points.length === pointsMax) noted.points.pop();
      noted.points.push({ timeMs, ...end });
    }
    if (!isSealed || noted.isStored) return;
    const { salts, pageSize } = header;
    const records = noted.points.map((point, at) =>
      formatWalPoint(point, at === noted.points.length - 1 ? "sealed" : "replicated"),
    );
    const bytes = Buffer.concat([formatPointsHeader({ generation, index, salts, pageSize }), ...records]);
    noted.isStored = true;
    const before = this.#sideFile;
    this.#sideFile = this.#putSmall(key, bytes, signal);
    // Thrown by the next call, or never: what it would have said is lost.
    this.#sideFile.catch(() => undefined);
    await before;
  }

  /** Segments have their last form from the beginning. */
  async *finishBefore(): AsyncGenerator<FinishedWal, void, undefined> {}

  /** Backwards: what is left is whole, if shorter. */
  async clearWal(generation: Generation, index: WalIndex, signal: AbortSignal | undefined): Promise<void> {
    const entries = await this.#store.list(segmentPrefix(generation, index), signal);
    const keys = entries.map(({ key }) => key).filter((key) => parseSegmentKey(key) !== undefined);
    for (const key of keys.toReversed()) await this.deleteObjects(generation, [key], signal);
    this.#written = undefined;
  }

  async deleteObjects(
    _generation: Generation,
    keys: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await this.#prepare(signal);
    await this.#hold(signal);
    await this.#store.delete(keys, signal);
  }

  async deleteGeneration(
    generation: Generation,
    groups: readonly (readonly string[])[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (const keys of groups) {
      for (let start = 0; start < keys.length; start += deletedAtOnceMax) {
        await this.deleteObjects(generation, keys.slice(start, start + deletedAtOnceMax), signal);
      }
    }
    await this.#store.removeEmptyFolders?.(generationKey(generation));
  }

  /** Lets another machine write. */
  async close(): Promise<void> {
    await this.#sideFile.catch(() => undefined);
    await this.#parts.lease?.release();
  }

  /** Before anything else in a life: nobody else may write, and what an earlier life left unfinished is removed. */
  async #prepare(signal: AbortSignal | undefined): Promise<void> {
    if (this.#isPrepared) return;
    await this.#parts.lease?.hold(signal);
    const leftUpload = this.#parts.lease?.leftUpload;
    if (leftUpload !== undefined) await this.#store.removeUnfinished?.(leftUpload, signal);
    await this.#store.removeUnfinished?.(`${generationsKey}/`, signal);
    this.#isPrepared = true;
  }

  /** Before each write. @throws LitestreamError REPLICA_IN_USE also when somebody else has written meanwhile */
  async #hold(signal: AbortSignal | undefined): Promise<void> {
    const { lease } = this.#parts;
    if (lease === undefined || (await this.#heldOn(lease, signal))) return;
    throw new LitestreamError("REPLICA_IN_USE", `${this.#store.location} was written by somebody else meanwhile`, {
      path: this.#store.location,
      hint: "Let one machine alone write the replica.",
    });
  }

  /** After another writer nothing is known any more. */
  async #heldOn(lease: WriterLease, signal: AbortSignal | undefined): Promise<boolean> {
    let isSame = false;
    try {
      isSame = (await lease.hold(signal)) === "same";
      return isSame;
    } catch (error) {
      isSame = !isLitestreamError(error, "REPLICA_IN_USE");
      throw error;
    } finally {
      if (!isSame) {
        this.#isPrepared = false;
        this.#written = undefined;
        this.#pending = undefined;
      }
    }
  }

  /** Before what may be sent in parts. */
  async #holdForUpload(key: string, sizeBytes: number, signal: AbortSignal | undefined): Promise<void> {
    if (sizeBytes > segmentSizeBytes) this.#parts.lease?.noteUpload(key);
    await this.#hold(signal);
  }

  async #putSmall(key: string, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    async function* content(): AsyncGenerator<Uint8Array, void, undefined> {
      yield bytes;
    }
    await this.#hold(signal);
    await this.#store.put(key, content(), signal);
  }

  /** The segments of the newest WAL of a generation, in their order. */
  async #newestSegments(generation: Generation, signal: AbortSignal | undefined): Promise<StoredSegment[]> {
    const entries = await this.#store.list(`${walsKey(generation)}/`, signal);
    const segments = entries.flatMap(({ key }): StoredSegment[] => {
      const name = parseSegmentKey(key);
      return name === undefined ? [] : [{ key, name }];
    });
    const newest = segments.reduce((highest, { name }) => Math.max(highest, name.index), -1);
    return segments.filter(({ name }) => name.index === newest).toSorted((a, b) => a.name.offset - b.name.offset);
  }

  async *#readSegments(
    segments: readonly StoredSegment[],
    damaged: Error,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let offset = 0;
    for (const { key, name } of segments) {
      if (name.offset !== offset) throw damaged;
      const stored = this.#store.read(key, signal === undefined ? {} : { signal });
      const content = name.compressed ? decompressLz4(stored, { path: this.#pathOf(key) }) : stored;
      for await (const chunk of content) {
        yield chunk;
        offset += chunk.byteLength;
      }
    }
  }

  #pathOf(key: string): string {
    return `${this.#store.location}/${key}`;
  }
}

interface StoredSegment {
  readonly key: string;
  readonly name: SegmentName;
}

/**
 * The chain at the end of the next segment: at a commit, once there is enough of WAL, or where the WAL ends. A
 * transaction is not cut, however large it is.
 * @param endOffset where it has to end, as it was begun before
 * @returns undefined where the WAL is not whole up to there
 */
function nextSegment(chain: WalChain, wal: SourceWal, endOffset: number | undefined): WalChain | undefined {
  const { header } = chain;
  const frameSize = frameSizeBytes(header.pageSize);
  const stepBytes = Math.ceil(segmentSizeBytes / frameSize) * frameSize;
  const extended = new WalChain(header, chain.end);
  const lastOffset = endOffset ?? wal.endOffset;
  for (;;) {
    const untilOffset = endOffset ?? Math.min(lastOffset, extended.end.offset + stepBytes);
    if (extendChain(extended, wal, untilOffset) !== "end") return undefined;
    const { commit } = extended;
    if (commit.offset > chain.end.offset && (endOffset === undefined || commit.offset === endOffset)) {
      return new WalChain(header, commit);
    }
    if (untilOffset === lastOffset) return undefined;
  }
}

async function* readWal(
  wal: SourceWal,
  fromOffset: number,
  untilOffset: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = new Uint8Array(Math.min(readSizeBytes, untilOffset - fromOffset));
  for (let offset = fromOffset; offset < untilOffset;) {
    const size = wal.readAt(buffer.subarray(0, Math.min(buffer.byteLength, untilOffset - offset)), offset);
    assert(size > 0, "a WAL is there up to its end");
    yield buffer.subarray(0, size);
    offset += size;
  }
}
