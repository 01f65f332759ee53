/** Reads exact amounts of bytes out of chunks of any size. */
export class ChunkReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #offset = 0;
  #ended = false;

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#chunks = content[Symbol.asyncIterator]();
  }

  /** Bytes read or skipped so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Fills `target`. @returns bytes read: fewer than asked for only at the end */
  async readInto(target: Uint8Array): Promise<number> {
    let filledBytes = 0;
    while (filledBytes < target.byteLength && (await this.#hasBytes())) {
      const taken = this.#take(target.byteLength - filledBytes);
      target.set(taken, filledBytes);
      filledBytes += taken.byteLength;
    }
    return filledBytes;
  }

  /** What is at hand, up to `sizeBytesMax`, without a copy: valid until more is asked for. Empty only at the end. */
  async take(sizeBytesMax: number): Promise<Uint8Array> {
    return (await this.#hasBytes()) ? this.#take(sizeBytesMax) : this.#chunk;
  }

  /** @returns bytes skipped: fewer than asked for only at the end */
  async skip(sizeBytes: number): Promise<number> {
    let skippedBytes = 0;
    while (skippedBytes < sizeBytes && (await this.#hasBytes())) {
      skippedBytes += this.#take(sizeBytes - skippedBytes).byteLength;
    }
    return skippedBytes;
  }

  /** Tells the source that no more is wanted; needed unless it was read to its end. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#chunks.return?.();
  }

  #take(sizeBytesMax: number): Uint8Array {
    const taken = this.#chunk.subarray(0, sizeBytesMax);
    this.#chunk = this.#chunk.subarray(taken.byteLength);
    this.#offset += taken.byteLength;
    return taken;
  }

  async #hasBytes(): Promise<boolean> {
    while (this.#chunk.byteLength === 0) {
      if (this.#ended) return false;
      let next: IteratorResult<Uint8Array, unknown>;
      try {
        next = await this.#chunks.next();
      } catch (error) {
        this.#ended = true;
        throw error;
      }
      if (next.done === true) {
        this.#ended = true;
        return false;
      }
      this.#chunk = next.value;
    }
    return true;
  }
}
