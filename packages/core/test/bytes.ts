/** Streams of bytes, for tests. */

/** The text that `lz4/fixtures/` holds compressed: 160,000 bytes. */
export function fixtureContent(): Uint8Array {
  const phrase = Array.from({ length: 40 }, (_, i) => `${i * i * i},`).join("");
  return new TextEncoder().encode(phrase.repeat(Math.ceil(160_000 / phrase.length)).slice(0, 160_000));
}

/** `bytes` in chunks of `chunkSizeBytes`, each overwritten once the next is asked for. */
export async function* inChunks(bytes: Uint8Array, chunkSizeBytes: number = 65_536): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.byteLength; start += chunkSizeBytes) {
    await Promise.resolve();
    const chunk = Uint8Array.from(bytes.subarray(start, start + chunkSizeBytes));
    yield chunk;
    chunk.fill(0xee);
  }
}

/** Everything of `content`, copied before the next chunk is asked for. */
export async function collect(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** The error that `work` fails with. */
export async function failureOf(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}
