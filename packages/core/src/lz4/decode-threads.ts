/**
 * Threads that decode LZ4 blocks while this one hashes, verifies and writes what came before. Workers of our own, as
 * lz4-napi's asynchronous calls keep what they took until the garbage collector comes by: 155 MB more resident for each
 * 155 MB decoded, whatever is released by hand.
 *
 * Until a thread has started, and where none can be started, blocks are decoded by whoever asks.
 */
import { decodeBlock } from "./block.ts";
import type { DecodeReply, DecodeRequest } from "./decode-protocol.ts";

/** What must be decoded before threads are started: less is done before they would be ready. */
const startAfterBytes = 8 * 1024 * 1024;

const noHistory = new Uint8Array(0);

interface Job {
  readonly resolve: (decoded: Decoded) => void;
  readonly reject: (error: Error) => void;
}

export interface Decoded {
  readonly content: Buffer;
  /** What the block was in: to be used again. */
  readonly stored: ArrayBuffer;
}

/** At most one set is open at a time in the process; the next one to open shares it. */
let open: { readonly threads: DecodeThreads; users: number } | undefined;

/**
 * Lets `decompressLz4` decode on `count` other threads until the result is disposed of. Where threads are open already,
 * they are shared.
 */
export function openDecodeThreads(count: number): Disposable {
  if (count <= 0) return { [Symbol.dispose]: () => undefined };
  open ??= { threads: new DecodeThreads(count), users: 0 };
  const mine = open;
  mine.users++;
  let isDisposed = false;
  return {
    [Symbol.dispose]: () => {
      if (isDisposed) return;
      isDisposed = true;
      if (--mine.users > 0) return;
      mine.threads.close();
      if (open === mine) open = undefined;
    },
  };
}

/** Those that are open now. */
export function decodeThreads(): DecodeThreads | undefined {
  return open?.threads;
}

export class DecodeThreads {
  readonly #count: number;
  readonly #threads: DecodeThread[] = [];
  #decodedHereBytes = 0;
  #isClosed = false;

  constructor(count: number) {
    this.#count = count;
  }

  /**
   * Decodes a block, which lies in `stored` after 4 bytes of room; takes that memory, and gives it back with the
   * content.
   * @throws Error as `decodeBlock` does
   */
  async decode(stored: ArrayBuffer, sizeBytes: number, sizeBytesMax: number): Promise<Decoded> {
    const thread = this.#leastBusy();
    if (thread !== undefined) return thread.decode({ stored, sizeBytes, sizeBytesMax });
    const content = decodeBlock(Buffer.from(stored, 0, sizeBytes), sizeBytesMax, noHistory);
    this.#decodedHereBytes += content.byteLength;
    if (this.#decodedHereBytes > startAfterBytes) this.#start();
    return { content, stored };
  }

  close(): void {
    this.#isClosed = true;
    for (const thread of this.#threads) thread.close();
  }

  #start(): void {
    while (!this.#isClosed && this.#threads.length < this.#count) this.#threads.push(new DecodeThread());
  }

  #leastBusy(): DecodeThread | undefined {
    let least: DecodeThread | undefined;
    for (const thread of this.#threads) {
      if (thread.isReady && (least === undefined || thread.jobCount < least.jobCount)) least = thread;
    }
    return least;
  }
}

class DecodeThread {
  readonly #worker: Worker;
  readonly #jobs: Job[] = [];
  #isReady = false;

  constructor() {
    // Beside this file it is TypeScript in a checkout and JavaScript in the published package.
    const script = new URL(`./decode-thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
    this.#worker = new Worker(script, { smol: true, ref: false });
    this.#worker.onmessage = ({ data }: MessageEvent<DecodeReply>) => this.#handle(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(event.message);
    };
    this.#worker.addEventListener("close", () => this.#fail("its thread ended"));
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get jobCount(): number {
    return this.#jobs.length;
  }

  decode(request: DecodeRequest): Promise<Decoded> {
    const { promise, resolve, reject } = Promise.withResolvers<Decoded>();
    this.#jobs.push({ resolve, reject });
    // Waiting for it keeps the process alive, and nothing else does.
    this.#worker.ref();
    this.#worker.postMessage(request, [request.stored]);
    return promise;
  }

  close(): void {
    this.#fail("its thread was closed");
    this.#worker.terminate();
  }

  #handle(reply: DecodeReply): void {
    if (reply.type === "ready") {
      this.#isReady = true;
      return;
    }
    // Replies come in the order of the requests.
    const job = this.#jobs.shift();
    if (this.#jobs.length === 0) this.#worker.unref();
    if (reply.type === "decoded") job?.resolve({ content: Buffer.from(reply.content), stored: reply.stored });
    else job?.reject(new Error(reply.message));
  }

  #fail(why: string): void {
    this.#isReady = false;
    for (const job of this.#jobs.splice(0)) job.reject(new Error(`it could not be decoded: ${why}`));
  }
}
