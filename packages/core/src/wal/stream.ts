import { copyBytes } from "../bytes.ts";
import { WalChain, type WalFrame, type WalStop } from "./chain.ts";
import { frameSizeBytes, parseWalHeader, walHeaderSizeBytes } from "./header.ts";

/** Verifies a WAL that arrives in pieces of any size. Holds back less than one frame; does no I/O. */
export class WalStreamVerifier {
  readonly #path: string;
  #chain: WalChain | undefined;
  #sizeBytes = 0;
  /** Bytes of a header or a frame that is not whole yet. */
  #held: Uint8Array<ArrayBufferLike> = new Uint8Array(0);
  #stop: WalStop | undefined;

  /** @param path named in errors */
  constructor(path: string) {
    this.#path = path;
  }

  /** Undefined until the header has arrived. */
  get chain(): WalChain | undefined {
    return this.#chain;
  }

  /** All bytes that arrived. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Why the frames end: `end`, or `short` inside a frame, as long as every frame that arrived was right. */
  get stop(): WalStop {
    return this.#stop ?? (this.#held.byteLength === 0 ? "end" : "short");
  }

  /**
   * Takes the next bytes. After a frame that is not next, further bytes are only counted.
   * @param onFrame called for each frame after it was verified, with the bytes it lies in, which are valid until it returns
   * @throws LitestreamError FORMAT_INVALID when the header is not a WAL's
   */
  push(bytes: Uint8Array, onFrame?: (frame: WalFrame, bytes: Uint8Array) => void): void {
    this.#sizeBytes += bytes.byteLength;
    if (this.#stop !== undefined) return;
    let rest = this.#chain === undefined ? this.#takeHeader(bytes) : bytes;
    if (this.#chain === undefined) return;
    const frameSize = frameSizeBytes(this.#chain.header.pageSize);
    if (this.#held.byteLength > 0) {
      const missing = Math.min(rest.byteLength, frameSize - this.#held.byteLength);
      const frame = concat(this.#held, rest.subarray(0, missing));
      rest = rest.subarray(missing);
      this.#held = this.#extend(frame, onFrame);
      if (this.#held.byteLength > 0 || this.#stop !== undefined) return;
    }
    this.#held = copyBytes(this.#extend(rest, onFrame));
  }

  /** @returns what follows the header, or nothing while it is not whole */
  #takeHeader(bytes: Uint8Array): Uint8Array {
    const all = concat(this.#held, bytes);
    if (all.byteLength < walHeaderSizeBytes) {
      this.#held = all;
      return all.subarray(all.byteLength);
    }
    this.#chain = new WalChain(parseWalHeader(all, this.#path));
    this.#held = new Uint8Array(0);
    return all.subarray(walHeaderSizeBytes);
  }

  /** @returns the bytes behind the last whole frame */
  #extend(bytes: Uint8Array, onFrame: ((frame: WalFrame, bytes: Uint8Array) => void) | undefined): Uint8Array {
    const chain = this.#chain;
    if (chain === undefined) return bytes;
    const { verifiedBytes, stop } = chain.extend(bytes, onFrame && ((frame) => onFrame(frame, bytes)));
    if (stop === "salt" || stop === "checksum") this.#stop = stop;
    return this.#stop === undefined ? bytes.subarray(verifiedBytes) : bytes.subarray(bytes.byteLength);
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.byteLength === 0) return copyBytes(b);
  const both = new Uint8Array(a.byteLength + b.byteLength);
  both.set(a);
  both.set(b, a.byteLength);
  return both;
}
