import type { Generation } from "../generation.ts";
import type { Position, WalIndex } from "../position.ts";
import type { SourceSnapshot } from "../wal-source.ts";
import type { Connection } from "../sqlite/connection.ts";
import type { DbFile } from "../sqlite/db-file.ts";

export interface SnapshotParts {
  readonly file: DbFile;
  /** In a read transaction of its own; closed with the snapshot. */
  readonly connection: Connection;
  readonly generation: Generation;
  readonly index: WalIndex;
  readonly chunkSizeBytes: number;
  /** Copies everything visible and says where that ends. */
  capture(): Position;
  onClose(): void;
}

/** The database file, copied under a read transaction of its own. */
export class DbSnapshot implements SourceSnapshot {
  readonly #parts: SnapshotParts;
  #isOpen = true;

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
    const buffer = new Uint8Array(this.#parts.chunkSizeBytes);
    for (let offset = 0; this.#isOpen;) {
      const size = this.#parts.file.readAt(buffer, offset);
      if (size === 0) return;
      yield buffer.subarray(0, size);
      offset += size;
      // Nothing else in a snapshot has to wait for anything: capture and signals get their turn here.
      await new Promise((done) => setImmediate(done));
    }
    throw new Error("the snapshot was closed while it was read");
  }

  end(): Position {
    const position = this.#parts.capture();
    this[Symbol.dispose]();
    return position;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#parts.connection.close();
    this.#parts.onClose();
  }
}
