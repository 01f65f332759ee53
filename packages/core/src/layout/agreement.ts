import { LitestreamError } from "../errors.ts";

/** One form in which a WAL is stored, and its uncompressed content. */
export interface StoredForm {
  readonly path: string;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * The content of a WAL that is stored in several forms. All are begun by the same writer at byte 0, so as far as two of
 * them go they must be the same; the longest is the WAL. (A `.wal` and its `.wal.lz4` are both there after a crash
 * between the two; a `.wal` and segments after Litestream 0.3.13 went on with a replica of 0.3.4.)
 * @throws LitestreamError BACKUP_DAMAGED where they differ
 */
export async function* agreeing(forms: readonly StoredForm[]): AsyncGenerator<Uint8Array, void, undefined> {
  let sources = forms.map((form) => new Source(form));
  try {
    for (let offset = 0; ;) {
      for (const source of sources) await source.fill();
      sources = sources.filter(({ ended }) => !ended);
      const [first, ...others] = sources;
      if (first === undefined) return;
      const sizeBytes = Math.min(...sources.map(({ chunk }) => chunk.byteLength));
      const bytes = first.chunk.subarray(0, sizeBytes);
      for (const other of others) {
        if (Buffer.compare(bytes, other.chunk.subarray(0, sizeBytes)) === 0) continue;
        throw new LitestreamError(
          "BACKUP_DAMAGED",
          `two copies of one WAL differ at or after byte ${offset}: ${first.path} and ${other.path}`,
          { path: first.path, offset, hint: "Move the copy that is wrong out of the replica, and try again." },
        );
      }
      yield bytes;
      offset += sizeBytes;
      for (const source of sources) source.chunk = source.chunk.subarray(sizeBytes);
    }
  } finally {
    for (const source of sources) await source.close();
  }
}

class Source {
  readonly path: string;
  readonly #chunks: AsyncIterator<Uint8Array>;
  chunk: Uint8Array = new Uint8Array(0);
  ended = false;

  constructor(form: StoredForm) {
    this.path = form.path;
    this.#chunks = form.content[Symbol.asyncIterator]();
  }

  /** Gets the next chunk when the last one is used up. */
  async fill(): Promise<void> {
    while (this.chunk.byteLength === 0 && !this.ended) {
      const next = await this.#chunks.next();
      if (next.done === true) this.ended = true;
      else this.chunk = next.value;
    }
  }

  async close(): Promise<void> {
    if (!this.ended) await this.#chunks.return?.();
  }
}
