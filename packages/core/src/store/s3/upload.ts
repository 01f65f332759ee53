/** Writes one object: with one request where it fits into one part, else in parts that are seen once all are there. */
import { throwIfAborted } from "../../abort.ts";
import { LitestreamError } from "../../errors.ts";
import { releaseBuffer } from "../../release-buffer.ts";
import { completeUploadOperation, type S3Client, type S3Response } from "./client.ts";
import { firstPartSizeBytes, partCountMax, partSizeBytes } from "./parts.ts";
import { escapeXml, childOf, parseXml, textOf } from "./xml.ts";

const abortAttemptsMax = 3;
const bufferSizeBytesMin = 64 * 1024;

export interface UploadOptions {
  readonly client: S3Client;
  /** Of the object: storage class, encryption. */
  readonly objectHeaders: Readonly<Record<string, string>>;
  /** Of each part of an object that is encrypted with a customer's key. */
  readonly partHeaders: Readonly<Record<string, string>>;
  readonly leastPartSizeBytes: number;
  /** Parts sent at the same time. */
  readonly concurrency: number;
  /** Uploads under way, which are nobody's leftovers. */
  readonly uploads: Set<string>;
}

/**
 * Memory: the parts that are being sent, and the one that is being filled.
 * @throws what `content` throws; nothing is visible then, and the parts are gone
 */
export async function upload(
  key: string,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  expectedSizeBytes: number | undefined,
  options: UploadOptions,
): Promise<{ sizeBytes: number }> {
  const firstSizeBytes = firstPartSizeBytes(options.leastPartSizeBytes, expectedSizeBytes);
  using parts = new PartBuffers(firstSizeBytes, expectedSizeBytes);
  let sending: MultipartUpload | undefined;
  try {
    for await (const chunk of content) {
      throwIfAborted(signal, `writing ${options.client.pathOf(key)}`);
      for (let rest = chunk; rest.byteLength > 0;) {
        if (parts.isFull) {
          sending ??= await MultipartUpload.begin(key, signal, options);
          await sending.send(parts);
        }
        rest = parts.fill(rest);
      }
    }
    throwIfAborted(signal, `writing ${options.client.pathOf(key)}`);
    if (sending === undefined) return await putAtOnce(key, parts.filled(), signal, options);
    await sending.send(parts);
    return await sending.complete();
  } catch (error) {
    await sending?.abort();
    throw error;
  }
}

async function putAtOnce(
  key: string,
  body: Uint8Array,
  signal: AbortSignal | undefined,
  { client, objectHeaders }: UploadOptions,
): Promise<{ sizeBytes: number }> {
  await client.send({ method: "PUT", operation: "put", key, body, headers: objectHeaders, signal });
  return { sizeBytes: body.byteLength };
}

/** The buffers of parts: filled one after the other, used again once they were sent. */
class PartBuffers implements Disposable {
  readonly #firstSizeBytes: number;
  readonly #expectedSizeBytes: number;
  readonly #spare: Uint8Array[] = [];
  #partNumber = 1;
  #current: Uint8Array | undefined;
  #sizeBytes = 0;

  constructor(firstSizeBytes: number, expectedSizeBytes: number | undefined) {
    this.#firstSizeBytes = firstSizeBytes;
    this.#expectedSizeBytes = expectedSizeBytes ?? 0;
  }

  get isFull(): boolean {
    return this.#sizeBytes === this.#capacity;
  }

  get #capacity(): number {
    return partSizeBytes(this.#partNumber, this.#firstSizeBytes);
  }

  /** @returns what did not fit */
  fill(chunk: Uint8Array): Uint8Array {
    const taken = chunk.subarray(0, this.#capacity - this.#sizeBytes);
    const wanted = this.#sizeBytes + taken.byteLength;
    if (this.#current === undefined || this.#current.byteLength < wanted) this.#grow(wanted);
    this.#current?.set(taken, this.#sizeBytes);
    this.#sizeBytes = wanted;
    return chunk.subarray(taken.byteLength);
  }

  filled(): Uint8Array {
    return this.#current?.subarray(0, this.#sizeBytes) ?? new Uint8Array(0);
  }

  /** The filled part, to be given back by `release`; what is filled now is the next one. */
  take(): { readonly partNumber: number; readonly body: Uint8Array } {
    const taken = { partNumber: this.#partNumber, body: this.filled() };
    this.#partNumber++;
    this.#current = undefined;
    this.#sizeBytes = 0;
    return taken;
  }

  release(body: Uint8Array): void {
    this.#spare.push(new Uint8Array(body.buffer));
  }

  /** Gives the memory back at once, when nothing is being sent any more: the collector leaves it until later. */
  [Symbol.dispose](): void {
    if (this.#current !== undefined) releaseBuffer(this.#current);
    for (const spare of this.#spare) releaseBuffer(spare);
  }

  /** A small object needs no buffer of a part's size. */
  #grow(wantedSizeBytes: number): void {
    const before = this.#current;
    const spare = before === undefined ? this.#spare.pop() : undefined;
    if (spare !== undefined && spare.byteLength >= wantedSizeBytes) {
      this.#current = spare;
      return;
    }
    const likely = Math.max(wantedSizeBytes * 2, this.#expectedSizeBytes, bufferSizeBytesMin);
    const sizeBytes = this.#partNumber === 1 ? Math.min(this.#capacity, likely) : this.#capacity;
    const grown = new Uint8Array(new ArrayBuffer(sizeBytes));
    if (before !== undefined) {
      grown.set(this.filled());
      releaseBuffer(before);
    }
    this.#current = grown;
  }
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html */
class MultipartUpload {
  readonly #key: string;
  readonly #uploadId: string;
  readonly #options: UploadOptions;
  readonly #signal: AbortSignal | undefined;
  /** Ends the parts that are being sent when one has failed. */
  readonly #failed = new AbortController();
  readonly #sending = new Set<Promise<void>>();
  readonly #etags: string[] = [];
  #failure: { readonly error: unknown } | undefined;
  #sizeBytes = 0;

  private constructor(key: string, uploadId: string, signal: AbortSignal | undefined, options: UploadOptions) {
    this.#key = key;
    this.#uploadId = uploadId;
    this.#options = options;
    this.#signal = signal === undefined ? this.#failed.signal : AbortSignal.any([signal, this.#failed.signal]);
    options.uploads.add(uploadId);
  }

  static async begin(key: string, signal: AbortSignal | undefined, options: UploadOptions): Promise<MultipartUpload> {
    const { client, objectHeaders } = options;
    const operation = "begin the upload of";
    const headers = objectHeaders;
    const response = await client.send({ method: "POST", operation, key, query: { uploads: "" }, headers, signal });
    const document = await parseXml(new TextDecoder().decode(response.body));
    const uploadId = textOf(childOf(document, "InitiateMultipartUploadResult"), "UploadId");
    if (uploadId === undefined) throw unreadable(client.pathOf(key), "beginning an upload");
    return new MultipartUpload(key, uploadId, signal, options);
  }

  /** Sends what was filled; waits while as many parts are being sent as may be. @throws what a part failed with */
  async send(parts: PartBuffers): Promise<void> {
    const { partNumber, body } = parts.take();
    if (partNumber > partCountMax) {
      throw new LitestreamError("REPLICA_UNAVAILABLE", `${this.#path} has more than ${partCountMax} parts`, {
        path: this.#path,
        hint: "Give a larger part-size.",
      });
    }
    this.#sizeBytes += body.byteLength;
    const sending = this.#sendPart(partNumber, body)
      .catch((error: unknown) => {
        this.#failure ??= { error };
        this.#failed.abort();
      })
      .finally(() => {
        parts.release(body);
        this.#sending.delete(sending);
      });
    this.#sending.add(sending);
    while (this.#sending.size >= this.#options.concurrency) await Promise.race(this.#sending);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async complete(): Promise<{ sizeBytes: number }> {
    await Promise.all(this.#sending);
    if (this.#failure !== undefined) throw this.#failure.error;
    const { client } = this.#options;
    const list = this.#etags
      .map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`)
      .join("");
    const body = new TextEncoder().encode(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`);
    const query = { uploadId: this.#uploadId };
    await client.send({
      method: "POST",
      operation: completeUploadOperation,
      key: this.#key,
      query,
      body,
      headers: { "content-type": "application/xml", ...this.#options.partHeaders },
      // It may have been done, and the answer lost: then the upload is gone, and the object is there.
      answers: [404],
      signal: this.#signal,
    });
    await this.#verifySize();
    this.#options.uploads.delete(this.#uploadId);
    return { sizeBytes: this.#sizeBytes };
  }

  /** Lets the server forget the parts. What keeps it from that is left for the next start. */
  async abort(): Promise<void> {
    this.#failed.abort();
    await Promise.all(this.#sending);
    await this.#forgetParts().catch(() => undefined);
    this.#options.uploads.delete(this.#uploadId);
  }

  /**
   * A part that had reached the server may be taken in after the abort, and keep the upload:
   * https://docs.aws.amazon.com/AmazonS3/latest/API/API_AbortMultipartUpload.html says to look, and to abort again.
   */
  async #forgetParts(): Promise<void> {
    const query = { uploadId: this.#uploadId };
    const answers = [404];
    for (let attempt = 1; attempt <= abortAttemptsMax; attempt++) {
      const operation = "abort the upload of";
      await this.#options.client.send({ method: "DELETE", operation, key: this.#key, query, answers });
      const left = await this.#options.client.send({
        method: "GET",
        operation: "list the parts of",
        key: this.#key,
        query,
        headers: this.#options.partHeaders,
        answers,
      });
      if (left.status === 404) return;
    }
  }

  get #path(): string {
    return this.#options.client.pathOf(this.#key);
  }

  async #sendPart(partNumber: number, body: Uint8Array): Promise<void> {
    const { client, partHeaders } = this.#options;
    const response = await client.send({
      method: "PUT",
      operation: "upload a part of",
      key: this.#key,
      query: { partNumber: String(partNumber), uploadId: this.#uploadId },
      headers: partHeaders,
      body,
      signal: this.#signal,
    });
    const etag = response.headers.get("etag");
    if (etag === null) throw unreadable(this.#path, "uploading a part");
    this.#etags[partNumber - 1] = etag;
  }

  /** Each part was verified by its hash when it was sent; this shows that none is missing. */
  async #verifySize(): Promise<void> {
    const { client, partHeaders } = this.#options;
    const headers = partHeaders;
    const response: S3Response = await client.send({
      method: "HEAD",
      operation: "examine",
      key: this.#key,
      headers,
      signal: this.#signal,
    });
    const sizeBytes = Number(response.headers.get("content-length"));
    if (sizeBytes === this.#sizeBytes) return;
    throw new LitestreamError(
      "REPLICA_UNAVAILABLE",
      `${this.#path} has ${sizeBytes} bytes after an upload of ${this.#sizeBytes}`,
      { path: this.#path, hint: "Let one machine alone write the replica." },
    );
  }
}

function unreadable(path: string, work: string): LitestreamError {
  return new LitestreamError("REPLICA_UNAVAILABLE", `the answer to ${work} of ${path} cannot be read`, {
    path,
    hint: "Check that endpoint names a server of the S3 protocol.",
  });
}
