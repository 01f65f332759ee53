/** Reads HTTP/1.1 messages off a connection, as far as a proxy has to: where a head ends, and how long a body is. */
import type { Socket } from "node:net";

const headSizeBytesMax = 256 * 1024;

export interface MessageHead {
  /** The first line. */
  readonly startLine: string;
  /** By lower-case name; of several with one name, the last. */
  readonly headers: ReadonlyMap<string, string>;
  /** As it came, with the empty line at its end. */
  readonly bytes: Buffer;
}

/** How a body ends: after so many bytes, with its last chunk, or with the connection. */
export type BodyLength = number | "chunked" | "until close";

/** The bytes that come out of a socket, in pieces of the sizes that are asked for. */
export class HttpStream {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#chunks = (socket as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** The next head; undefined where the connection ends instead. */
  async head(): Promise<MessageHead | undefined> {
    for (let from = 0; ;) {
      const end = this.#rest.indexOf("\r\n\r\n", Math.max(0, from - 3));
      if (end !== -1) return parseHead(this.#take(end + 4));
      if (this.#rest.length > headSizeBytesMax) throw new Error("a head of HTTP does not end");
      from = this.#rest.length;
      if (!(await this.#more())) return undefined;
    }
  }

  /** The pieces of a body as they come, chunked ones with their framing. Ends early where the connection does. */
  async *body(length: BodyLength): AsyncGenerator<Buffer, void, undefined> {
    if (length === "chunked") yield* this.#chunkedBody();
    else yield* this.#pieces(length === "until close" ? Infinity : length);
  }

  async *#pieces(sizeBytes: number): AsyncGenerator<Buffer, void, undefined> {
    for (let left = sizeBytes; left > 0;) {
      if (this.#rest.length === 0 && !(await this.#more())) return;
      const piece = this.#take(Math.min(left, this.#rest.length));
      left -= piece.length;
      yield piece;
    }
  }

  async *#chunkedBody(): AsyncGenerator<Buffer, void, undefined> {
    for (;;) {
      const line = await this.#line();
      if (line === undefined) return;
      yield line;
      const sizeBytes = Number.parseInt(line.toString("latin1"), 16);
      if (Number.isNaN(sizeBytes)) throw new Error("a chunk of HTTP has no size");
      if (sizeBytes === 0) {
        // Trailers, and the empty line behind them.
        for (let trailer = await this.#line(); trailer !== undefined; trailer = await this.#line()) {
          yield trailer;
          if (trailer.length === 2) return;
        }
        return;
      }
      yield* this.#pieces(sizeBytes + 2);
    }
  }

  async #line(): Promise<Buffer | undefined> {
    for (;;) {
      const end = this.#rest.indexOf("\r\n");
      if (end !== -1) return this.#take(end + 2);
      if (this.#rest.length > headSizeBytesMax || !(await this.#more())) return undefined;
    }
  }

  #take(sizeBytes: number): Buffer {
    const taken = this.#rest.subarray(0, sizeBytes);
    this.#rest = this.#rest.subarray(sizeBytes);
    return taken;
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done === true) return false;
    this.#rest = this.#rest.length === 0 ? next.value : Buffer.concat([this.#rest, next.value]);
    return true;
  }
}

function parseHead(bytes: Buffer): MessageHead {
  const [startLine = "", ...lines] = bytes.toString("latin1").trimEnd().split("\r\n");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const at = line.indexOf(":");
    if (at > 0) headers.set(line.slice(0, at).toLowerCase(), line.slice(at + 1).trim());
  }
  return { startLine, headers, bytes };
}

export function requestBodyLength({ headers }: MessageHead): BodyLength {
  return headers.get("transfer-encoding") === "chunked" ? "chunked" : Number(headers.get("content-length") ?? 0);
}

export function responseBodyLength({ startLine, headers }: MessageHead, method: string): BodyLength {
  const status = Number(startLine.split(" ")[1]);
  if (method === "HEAD" || status === 204 || status === 304 || status < 200) return 0;
  if (headers.get("transfer-encoding") === "chunked") return "chunked";
  const length = headers.get("content-length");
  return length === undefined ? "until close" : Number(length);
}
