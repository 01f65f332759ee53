import { promisify } from "node:util";
import { gzip } from "node:zlib";

/** Smaller ones are sent as they are. */
const gzipSizeBytesMin = 1024;
const compress = promisify(gzip);

/** What is answered, to many maybe: compressed once, when the first asks for that. */
export class Body {
  readonly plain: Uint8Array;
  #compressed: Promise<Uint8Array> | undefined;

  constructor(content: string | Uint8Array) {
    this.plain = typeof content === "string" ? Buffer.from(content) : content;
  }

  /** Undefined where it is not worth while. */
  gzipped(): Promise<Uint8Array> | undefined {
    if (this.plain.byteLength < gzipSizeBytesMin) return undefined;
    this.#compressed ??= compress(this.plain, { level: 1 });
    return this.#compressed;
  }
}
