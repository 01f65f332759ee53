/**
 * Threads that decode and compress LZ4 blocks while this one hashes, verifies and writes what came before. Workers of
 * our own, as lz4-napi's asynchronous calls keep what they took until the garbage collector comes by: 155 MB more
 * resident for each 155 MB decoded, whatever is released by hand.
 *
 * Until a thread has started, and where none can be started, blocks are worked on by whoever asks.
 */
import { compressBlock, decodeBlock } from "./block.ts";
import type { BlockReply, BlockRequest } from "./block-protocol.ts";
import { napiPrefixSizeBytes } from "./frame-format.ts";

/** What must be worked on before threads are started, uncompressed: less is done before they would be ready. */
const startAfterBytes = 8 * 1024 * 1024;

const noHistory = new Uint8Array(0);

interface Job {
  readonly resolve: (done: { readonly input: ArrayBuffer; readonly output: ArrayBuffer }) => void;
  readonly reject: (error: Error) => void;
}

export interface Decoded {
  readonly content: Buffer;
  /** What the block was in: to be used again. */
  readonly stored: ArrayBuffer;
}

export interface Compressed {
  /** As lz4-napi gives it, after 4 bytes of room. */
  readonly stored: Buffer;
  /** What the content was in: to be used again. */
  readonly content: ArrayBuffer;
}

export interface OpenBlockThreads extends Disposable {
  readonly threads: BlockThreads;
}

/** At most one set is open at a time in the process; the next one to open shares it. */
let open: { readonly threads: BlockThreads; users: number } | undefined;

/**
 * Lets `decompressLz4` and `compressLz4` use `count` other threads until the result is disposed of, or as many as
 * somebody else allowed who has not done with them: they are shared.
 */
export function openBlockThreads(count: number): OpenBlockThreads {
  open ??= { threads: new BlockThreads(), users: 0 };
  const mine = open;
  mine.threads.allow(count);
  mine.users++;
  let isDisposed = false;
  return {
    threads: mine.threads,
    [Symbol.dispose]: () => {
      if (isDisposed) return;
      isDisposed = true;
      if (--mine.users > 0) return;
      mine.threads.close();
      if (open === mine) open = undefined;
    },
  };
}

/** Those that are open now; undefined where there are none to be started either. */
export function blockThreads(): BlockThreads | undefined {
  return open === undefined || open.threads.countMax === 0 ? undefined : open.threads;
}

export class BlockThreads {
  readonly #threads: BlockThread[] = [];
  #countMax = 0;
  #doneHereBytes = 0;
  #isClosed = false;

  get countMax(): number {
    return this.#countMax;
  }

  allow(count: number): void {
    this.#countMax = Math.max(this.#countMax, count);
  }

  /** Threads that have started: where there are none, each call works by itself. */
  get readyCount(): number {
    return this.#threads.filter((thread) => thread.isReady).length;
  }

  /**
   * Decodes a block, which lies in `stored` after 4 bytes of room; takes that memory, and gives it back with the
   * content.
   * @throws Error as `decodeBlock` does
   */
  async decode(stored: ArrayBuffer, sizeBytes: number, sizeBytesMax: number): Promise<Decoded> {
    const thread = this.#leastBusy();
    if (thread !== undefined) {
      const request = { work: "decode", input: stored, sizeBytes, outputBytesMax: sizeBytesMax } as const;
      const { input, output } = await thread.run(request);
      return { content: Buffer.from(output), stored: input };
    }
    const content = decodeBlock(Buffer.from(stored, 0, sizeBytes), sizeBytesMax, noHistory);
    this.#doneHere(content.byteLength);
    return { content, stored };
  }

  /** Compresses what lies in `content` after 4 bytes of room; takes that memory, and gives it back with the block. */
  async compress(content: ArrayBuffer, sizeBytes: number): Promise<Compressed> {
    const thread = this.#leastBusy();
    if (thread !== undefined) {
      const request = { work: "compress", input: content, sizeBytes, outputBytesMax: 0 } as const;
      const { input, output } = await thread.run(request);
      return { stored: Buffer.from(output), content: input };
    }
    const stored = compressBlock(Buffer.from(content, 0, sizeBytes).subarray(napiPrefixSizeBytes));
    this.#doneHere(sizeBytes);
    return { stored, content };
  }

  close(): void {
    this.#isClosed = true;
    for (const thread of this.#threads) thread.close();
  }

  #doneHere(sizeBytes: number): void {
    this.#doneHereBytes += sizeBytes;
    if (this.#doneHereBytes <= startAfterBytes) return;
    while (!this.#isClosed && this.#threads.length < this.#countMax) this.#threads.push(new BlockThread());
  }

  #leastBusy(): BlockThread | undefined {
    let least: BlockThread | undefined;
    for (const thread of this.#threads) {
      if (thread.isReady && (least === undefined || thread.jobCount < least.jobCount)) least = thread;
    }
    return least;
  }
}

class BlockThread {
  readonly #worker: Worker;
  readonly #jobs: Job[] = [];
  #isReady = false;

  constructor() {
    // Beside this file it is TypeScript in a checkout and JavaScript in the published package.
    const script = new URL(`./block-thread${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);
    this.#worker = new Worker(script, { smol: true, ref: false });
    this.#worker.onmessage = ({ data }: MessageEvent<BlockReply>) => this.#handle(data);
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

  run(request: BlockRequest): Promise<{ readonly input: ArrayBuffer; readonly output: ArrayBuffer }> {
    const { promise, resolve, reject } = Promise.withResolvers<{ input: ArrayBuffer; output: ArrayBuffer }>();
    this.#jobs.push({ resolve, reject });
    // Waiting for it keeps the process alive, and nothing else does.
    this.#worker.ref();
    this.#worker.postMessage(request, [request.input]);
    return promise;
  }

  close(): void {
    this.#fail("its thread was closed");
    this.#worker.terminate();
  }

  #handle(reply: BlockReply): void {
    if (reply.type === "ready") {
      this.#isReady = true;
      return;
    }
    // Replies come in the order of the requests.
    const job = this.#jobs.shift();
    if (this.#jobs.length === 0) this.#worker.unref();
    if (reply.type === "done") job?.resolve(reply);
    else job?.reject(new Error(reply.message));
  }

  #fail(why: string): void {
    this.#isReady = false;
    for (const job of this.#jobs.splice(0)) job.reject(new Error(`a block could not be worked on: ${why}`));
  }
}
