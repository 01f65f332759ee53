import type { Position } from "../position.ts";
import type { Connection } from "../sqlite/connection.ts";
import type { DbFile } from "../sqlite/db-file.ts";
import type { SourceState, SourceWal } from "../wal-source.ts";

const chunkSizeBytes = 1 << 20;

export interface StateParts {
  readonly file: DbFile;
  /** In a read transaction of its own, which sees exactly `position`; closed with the state. */
  readonly connection: Connection;
  readonly position: Position;
  readonly wal: SourceWal | undefined;
  onClose(): void;
}

/**
 * The database as one read transaction sees it. On a read mark, no checkpoint moves frames behind the mark into the
 * file, and the WAL is not restarted; on none, no checkpoint moves anything
 * (https://www.sqlite.org/walformat.html, "WAL Locks"). So a page of the file is the page of the position, unless the
 * WAL up to there has it.
 */
export class DbState implements SourceState {
  readonly #parts: StateParts;
  readonly fileSizeBytes: number;
  #isOpen = true;

  constructor(parts: StateParts) {
    this.#parts = parts;
    this.fileSizeBytes = parts.file.sizeBytes;
  }

  get position(): Position {
    return this.#parts.position;
  }

  get pageSize(): number {
    return this.#parts.file.header.pageSize;
  }

  get wal(): SourceWal | undefined {
    return this.#parts.wal;
  }

  async *content(): AsyncIterable<Uint8Array> {
    const buffer = new Uint8Array(chunkSizeBytes);
    for (let offset = 0; this.#isOpen && offset < this.fileSizeBytes;) {
      const wanted = buffer.subarray(0, Math.min(buffer.byteLength, this.fileSizeBytes - offset));
      const size = this.#parts.file.readAt(wanted, offset);
      if (size === 0) return;
      yield buffer.subarray(0, size);
      offset += size;
      // Capture and signals get their turn here.
      await new Promise((done) => setImmediate(done));
    }
    if (!this.#isOpen) throw new Error("the state was closed while it was read");
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#parts.wal?.[Symbol.dispose]();
    this.#parts.connection.close();
    this.#parts.onClose();
  }
}
