import { closeSync, openSync, readFileSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { TempFolder } from "@litestream/testkit";

/** Parent to process, a line each. `overwrite` is not SQLite's: bytes of any file, hexadecimal, at an offset. */
export type NeighbourRequest =
  | { readonly do: "open"; readonly path: string }
  | { readonly do: "close" }
  | { readonly do: "run" | "all"; readonly sql: string }
  | { readonly do: "serialize"; readonly to: string }
  | { readonly do: "overwrite"; readonly path: string; readonly offset: number; readonly hex: string };

export type NeighbourReply =
  | { readonly rows: Record<string, unknown>[] }
  /** `code` is SQLite's, such as `SQLITE_BUSY`, or empty. */
  | { readonly code: string; readonly message: string };

/**
 * An application's connection in a process of its own, whose every call blocks until it is done: it can act between two
 * steps of ours, which are synchronous. It waits for no lock and never checkpoints unasked.
 */
export class Neighbour implements AsyncDisposable {
  readonly #folder: TempFolder;
  readonly #child: Bun.Subprocess<number, number, "inherit">;
  readonly #requests: number;
  readonly #replies: number;
  #isDisposed = false;

  /** A neighbour that has no connection yet, with pipes in `folder`. */
  constructor(folder: TempFolder) {
    this.#folder = folder;
    const name = folder.join(`neighbour-${crypto.randomUUID()}`);
    const [requests, replies] = [`${name}.requests`, `${name}.replies`];
    const made = Bun.spawnSync(["mkfifo", requests, replies]);
    if (!made.success) throw new Error(`cannot make a pipe: ${made.stderr.toString()}`);
    // Opened both ways first, which waits for nobody; then only the process has the other ends, so that its end shows.
    const [toRead, toWrite] = [openSync(requests, "r+"), openSync(replies, "r+")];
    const script = join(import.meta.dirname, "neighbour-process.ts");
    this.#child = Bun.spawn([process.execPath, script], { stdio: [toRead, toWrite, "inherit"] });
    this.#requests = openSync(requests, "w");
    this.#replies = openSync(replies, "r");
    for (const fd of [toRead, toWrite]) closeSync(fd);
    for (const path of [requests, replies]) rmSync(path);
  }

  open(path: string): void {
    this.#ask({ do: "open", path });
  }

  /** Closes the connection as an application does that ends well. */
  close(): void {
    this.#ask({ do: "close" });
  }

  /** @throws Error whose message begins with SQLite's code */
  run(sql: string): void {
    this.#ask({ do: "run", sql });
  }

  /** @returns false when a lock was not to be had */
  attempt(sql: string): boolean {
    const reply = this.#send({ do: "run", sql });
    if ("rows" in reply) return true;
    if (/^SQLITE_(?:BUSY|LOCKED|PROTOCOL)/.test(reply.code)) return false;
    throw errorOf(reply);
  }

  all(sql: string): Record<string, unknown>[] {
    return this.#ask({ do: "all", sql });
  }

  /** Whether a checkpoint did all that its mode asks for. */
  checkpoint(mode: "PASSIVE" | "FULL" | "RESTART" | "TRUNCATE"): boolean {
    return this.all(`PRAGMA wal_checkpoint(${mode})`)[0]?.["busy"] === 0;
  }

  /** The database as this connection sees it, page by page. */
  serialize(): Buffer {
    const to = this.#folder.join(`serialized-${crypto.randomUUID()}`);
    this.#ask({ do: "serialize", to });
    const bytes = readFileSync(to);
    rmSync(to);
    return bytes;
  }

  /** Changes a file's bytes behind SQLite's back. For a neighbour without a connection: it would lose its locks. */
  overwrite(path: string, offset: number, bytes: Uint8Array): void {
    this.#ask({ do: "overwrite", path, offset, hex: Buffer.from(bytes).toString("hex") });
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    closeSync(this.#requests);
    closeSync(this.#replies);
  }

  #ask(request: NeighbourRequest): Record<string, unknown>[] {
    const reply = this.#send(request);
    if ("rows" in reply) return reply.rows;
    throw errorOf(reply);
  }

  #send(request: NeighbourRequest): NeighbourReply {
    writeSync(this.#requests, `${JSON.stringify(request)}\n`);
    const buffer = Buffer.alloc(1 << 16);
    let line = "";
    while (!line.endsWith("\n")) {
      const size = readSync(this.#replies, buffer, 0, buffer.byteLength, null);
      if (size === 0) throw new Error("the neighbour is gone");
      line += buffer.toString("utf8", 0, size);
    }
    return JSON.parse(line) as NeighbourReply;
  }
}

function errorOf(reply: { readonly code: string; readonly message: string }): Error {
  return new Error(`${reply.code}: ${reply.message}`);
}
