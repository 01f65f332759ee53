import type { Generation } from "../generation.ts";
import type { Position, WalIndex } from "../position.ts";
import type { Connection } from "../sqlite/connection.ts";
import type { DbFile } from "../sqlite/db-file.ts";
import type { SourceSnapshot } from "../wal-source.ts";
import { isWorthSpooling, Spool, type SpoolPolicy } from "./spool.ts";

export interface SnapshotParts {
  readonly file: DbFile;
  /** In a read transaction of its own; closed with the snapshot. */
  readonly connection: Connection;
  readonly generation: Generation;
  readonly index: WalIndex;
  readonly chunkSizeBytes: number;
  readonly spoolPolicy: SpoolPolicy;
  /** Of a file that does not exist. */
  readonly spoolPath: string;
  /** Bytes that can be written there. */
  freeBytes(): number;
  /** Copies everything visible and says where that ends. */
  capture(): Position;
  /** The read transaction has ended. */
  onEnd(): void;
}

/** Puts the rest of the file aside while the store takes what came before. */
interface Spooling {
  readonly spool: Spool;
  /** Settles when more was put aside, or nothing more will be. */
  grown: PromiseWithResolvers<void>;
  state: "going on" | "complete" | "failed";
}

/**
 * The database file, copied under a read transaction of its own. That ends with the copy: where the store is slow, the
 * copy goes to a spool first (spool.ts), and the transaction does not wait for the store.
 */
export class DbSnapshot implements SourceSnapshot {
  readonly #parts: SnapshotParts;
  #isOpen = true;
  #isReading = true;
  #end: Position | undefined;
  #spooling: Spooling | undefined;

  constructor(parts: SnapshotParts) {
    this.#parts = parts;
  }

  get generation(): Generation {
    return this.#parts.generation;
  }

  get index(): WalIndex {
    return this.#parts.index;
  }

  async *content(): AsyncIterable<Uint8Array> {
    const { file, chunkSizeBytes, spoolPolicy } = this.#parts;
    const buffer = new Uint8Array(chunkSizeBytes);
    const beganAtMs = performance.now();
    for (let offset = 0; this.#isOpen;) {
      const size = await this.#read(buffer, offset);
      if (size === 0) return;
      yield buffer.subarray(0, size);
      offset += size;
      if (this.#isOpen && this.#spooling === undefined) {
        const elapsedMs = performance.now() - beganAtMs;
        const pace = { elapsedMs, sentBytes: offset, leftBytes: file.sizeBytes - offset };
        if (isWorthSpooling(pace, spoolPolicy, () => this.#parts.freeBytes())) this.#startSpooling(offset);
      }
      // Nothing else in a snapshot has to wait for anything: capture and signals get their turn here.
      await nextTurn();
    }
    throw new Error("the snapshot was closed while it was read");
  }

  end(): Position {
    this.#end ??= this.#parts.capture();
    this[Symbol.dispose]();
    return this.#end;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#endReading();
    this.#spooling?.spool[Symbol.dispose]();
    this.#spooling?.grown.resolve();
  }

  async #read(buffer: Uint8Array, offset: number): Promise<number> {
    const spooling = this.#spooling;
    while (spooling !== undefined && this.#isOpen) {
      if (offset < spooling.spool.endOffset) return spooling.spool.readAt(buffer, offset);
      if (spooling.state === "complete") return 0;
      // Nothing was lost: what was not put aside is still in the database file.
      if (spooling.state === "failed") break;
      await spooling.grown.promise;
    }
    return this.#isOpen ? this.#parts.file.readAt(buffer, offset) : 0;
  }

  #startSpooling(offset: number): void {
    const { spoolPath, file } = this.#parts;
    try {
      const spool = Spool.create(spoolPath, file.owner, offset);
      this.#spooling = { spool, grown: Promise.withResolvers(), state: "going on" };
    } catch {
      // Without a spool the transaction lasts longer, and that is all.
      return;
    }
    const spooling = this.#spooling;
    this.#spoolRest(spooling)
      .then(
        () => (spooling.state = "complete"),
        () => (spooling.state = "failed"),
      )
      .finally(() => spooling.grown.resolve())
      .catch(reportError);
  }

  async #spoolRest(spooling: Spooling): Promise<void> {
    const { file, chunkSizeBytes } = this.#parts;
    const { spool } = spooling;
    const buffer = new Uint8Array(chunkSizeBytes);
    for (;;) {
      if (!this.#isOpen) throw new Error("the snapshot was closed");
      const size = file.readAt(buffer, spool.endOffset);
      if (size === 0) break;
      await spool.append(buffer.subarray(0, size));
      const { grown } = spooling;
      spooling.grown = Promise.withResolvers();
      grown.resolve();
      await nextTurn();
    }
    this.#end = this.#parts.capture();
    this.#endReading();
  }

  #endReading(): void {
    if (!this.#isReading) return;
    this.#isReading = false;
    this.#parts.connection.close();
    this.#parts.onEnd();
  }
}

function nextTurn(): Promise<void> {
  return new Promise((done) => setImmediate(done));
}
