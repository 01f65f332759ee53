/**
 * When which transaction became durable in a replica's folder, seen from outside and in the same way for everybody.
 * While the watch goes on it only notes which files are there and how large they are; what is in them is read
 * afterwards.
 *
 * - segments, ltx: each piece is a new file, which gets its name after its fsync.
 * - whole: the newest WAL grows in place. Litestream 0.3.4 flushes after it has written, so what is seen here is a
 *   little earlier than what is durable. Ours adds a record to a side file after each flush: only that is counted.
 */
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { decompressLz4, LtxDecoder } from "@litestream/core";
import { type Stamped, stampsIn } from "../load/transaction.ts";
import type { Replicator } from "../replicators/replicator.ts";

/** Transactions up to this one are in the replica, since then. */
export interface Durable {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly transaction: number;
}

const lookEveryMs = 1;
/** Of our side files (docs/formats/whole.md): a header and records, the end offset is the third field. */
const recordBytes = 32;
const recordOffsetAt = 12;

/** A file that appeared, or grew to a size. */
interface Seen {
  readonly atMs: number;
  readonly path: string;
  readonly sizeBytes: number;
}

export class ReplicaWatch implements Disposable {
  readonly #folder: string;
  readonly #replicator: Replicator;
  /** Keeps what is compacted away. */
  readonly #keptFolder: string;
  readonly #seen: Seen[] = [];
  readonly #sizes = new Map<string, number>();
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(replicaFolder: string, replicator: Replicator) {
    this.#folder = replicaFolder;
    this.#replicator = replicator;
    this.#keptFolder = `${replicaFolder}.kept`;
    mkdirSync(this.#keptFolder);
    this.#timer = setInterval(() => this.#look(), lookEveryMs);
  }

  /** When the replica last changed; 0 before that. Milliseconds since 1970. */
  get changedAtMs(): number {
    return this.#seen.at(-1)?.atMs ?? 0;
  }

  /** What became durable until now, ascending. */
  async durable(): Promise<Durable[]> {
    const found = this.#replicator.fileLayout === "whole" ? await this.#ofWals() : await this.#ofPieces();
    const ascending: Durable[] = [];
    for (const one of found.toSorted((a, b) => a.atMs - b.atMs)) {
      if (one.transaction > (ascending.at(-1)?.transaction ?? -1)) ascending.push(one);
    }
    return ascending;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    rmSync(this.#keptFolder, { recursive: true, force: true });
  }

  #look(): void {
    const atMs = performance.timeOrigin + performance.now();
    const folder = this.#watchedFolder();
    const names = folder === undefined ? [] : namesIn(folder).filter((name) => !name.endsWith(".tmp"));
    if (this.#replicator.fileLayout !== "whole") {
      for (const name of names) this.#note(join(folder ?? "", name), atMs, true);
      return;
    }
    // The newest grows; when a newer one is there, the one before has taken its last bytes.
    const wals = names.filter((name) => name.endsWith(".wal")).toSorted();
    for (const name of wals.slice(-2)) this.#note(join(folder ?? "", name), atMs, false);
  }

  #note(path: string, atMs: number, isPiece: boolean): void {
    const before = this.#sizes.get(path);
    if (isPiece && before !== undefined) return;
    const sizeBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (sizeBytes === 0 || sizeBytes === before) return;
    this.#sizes.set(path, sizeBytes);
    this.#seen.push({ atMs, path, sizeBytes });
    if (isPiece) linkSync(path, join(this.#keptFolder, basename(path)));
  }

  #watchedFolder(): string | undefined {
    if (this.#replicator.fileLayout === "ltx") return join(this.#folder, "ltx/0");
    const generations = join(this.#folder, "generations");
    const generation = namesIn(generations).find((name) => !name.endsWith(".tmp"));
    if (generation === undefined) return undefined;
    return join(generations, generation, this.#replicator.notesDurable ? "times" : "wal");
  }

  async #ofPieces(): Promise<Durable[]> {
    const found: Durable[] = [];
    for (const { atMs, path } of this.#seen) {
      const kept = join(this.#keptFolder, basename(path));
      const content = this.#replicator.fileLayout === "ltx" ? ltxPages(kept) : lz4Content(kept);
      found.push({ atMs, transaction: newestOf(await stampsIn(content)) });
    }
    return found;
  }

  async #ofWals(): Promise<Durable[]> {
    const found: Durable[] = [];
    const stamps = new Map<string, Stamped[]>();
    for (const { atMs, path, sizeBytes } of this.#seen) {
      const walPath = path.replace("/times/", "/wal/");
      let inWal = stamps.get(walPath);
      if (inWal === undefined) {
        inWal = await stampsIn(existsSync(walPath) ? Bun.file(walPath).stream() : lz4Content(`${walPath}.lz4`));
        stamps.set(walPath, inWal);
      }
      const endOffset = this.#replicator.notesDurable ? notedEnd(path, sizeBytes) : sizeBytes;
      const newest = inWal.reduce((most, { offset, transaction }) => {
        return offset < endOffset ? Math.max(most, transaction) : most;
      }, 0);
      found.push({ atMs, transaction: newest });
    }
    return found;
  }
}

function newestOf(stamps: readonly Stamped[]): number {
  return stamps.reduce((newest, { transaction }) => Math.max(newest, transaction), 0);
}

/** The end offset in the last whole record of a side file that has `sizeBytes`. */
function notedEnd(path: string, sizeBytes: number): number {
  const records = Math.floor(sizeBytes / recordBytes) - 1;
  if (records < 1) return 0;
  return Number(readFileSync(path).readBigUInt64BE(records * recordBytes + recordOffsetAt));
}

function lz4Content(path: string): AsyncIterable<Uint8Array> {
  return decompressLz4(Bun.file(path).stream(), { path });
}

async function* ltxPages(path: string): AsyncGenerator<Uint8Array> {
  await using decoder = await LtxDecoder.open(Bun.file(path).stream(), { path });
  for (let page = await decoder.nextPage(); page !== undefined; page = await decoder.nextPage()) yield page.data;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
