/**
 * The folder in which a replica is validated: `validation/<replica>/` in the meta directory, beside the database, since
 * a temporary folder of the system may be memory.
 *
 *     current/                live.db and restored.db of the validation under way
 *     <time>/                 those of one that found a difference, compressed; the newest two are kept
 */
import { readdirSync, statfsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage, LitestreamError, systemErrorCode } from "../errors.ts";
import type { FileOwner } from "../file-owner.ts";
import { makeFolders } from "../folders.ts";
import { LocalFile } from "../local-file.ts";
import { compressLz4 } from "../lz4/frame-writer.ts";
import { systemHint } from "../system-hint.ts";

/** Validations that found a difference of which both databases are kept. */
const keptMax = 2;
/** Left free besides what the two databases take. */
const spareBytes = 64 * 1024 * 1024;
const readSizeBytes = 1 << 20;

export class Workspace implements AsyncDisposable {
  readonly #root: string;
  readonly #owner: FileOwner;

  private constructor(root: string, owner: FileOwner) {
    this.#root = root;
    this.#owner = owner;
  }

  /** @throws LitestreamError OUTPUT_UNAVAILABLE where there is no room for two databases of that size */
  static async open(metaPath: string, replica: string, owner: FileOwner, dbSizeBytes: number): Promise<Workspace> {
    const root = join(metaPath, "validation", encodeURIComponent(replica));
    const workspace = new Workspace(root, owner);
    await workspace[Symbol.asyncDispose]();
    attempt("create", workspace.#current, () => makeFolders(workspace.#current, owner));
    const { bavail, bsize } = attempt("examine", root, () => statfsSync(root));
    const neededBytes = 2 * dbSizeBytes + spareBytes;
    const freeBytes = bavail * bsize;
    if (freeBytes < neededBytes) {
      await workspace[Symbol.asyncDispose]();
      throw new LitestreamError(
        "OUTPUT_UNAVAILABLE",
        `no room to validate in ${root}: ${neededBytes} bytes are needed, ${freeBytes} are free`,
        { path: root, hint: "Free some space, or put the meta directory on a larger disk (meta-path)." },
      );
    }
    return workspace;
  }

  get livePath(): string {
    return join(this.#current, "live.db");
  }

  get restoredPath(): string {
    return join(this.#current, "restored.db");
  }

  create(path: string): LocalFile {
    return LocalFile.create(path, this.#owner, outputError);
  }

  open(path: string): LocalFile {
    return LocalFile.openToRead(path, outputError);
  }

  /**
   * Keeps both databases, compressed.
   * @returns the folder
   */
  async keep(atMs: number): Promise<string> {
    const folder = join(this.#root, new Date(atMs).toISOString().replaceAll(":", "-"));
    for (const [from, name] of [
      [this.livePath, "live.db.lz4"],
      [this.restoredPath, "restored.db.lz4"],
    ] as const) {
      await this.#compress(from, join(folder, name));
      // Room for the other one.
      await rm(from, { force: true });
    }
    await this.#forgetOldest();
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#current, { recursive: true, force: true });
  }

  get #current(): string {
    return join(this.#root, "current");
  }

  async #compress(from: string, to: string): Promise<void> {
    using source = this.open(from);
    using target = this.create(to);
    let offset = 0;
    for await (const chunk of compressLz4(contentOf(source))) {
      target.writeAt(chunk, offset);
      offset += chunk.byteLength;
    }
    target.sync();
  }

  async #forgetOldest(): Promise<void> {
    const kept = readdirSync(this.#root).filter((name) => name !== "current");
    for (const name of kept.toSorted().slice(0, -keptMax)) {
      await rm(join(this.#root, name), { recursive: true, force: true });
    }
  }
}

async function* contentOf(file: LocalFile): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = new Uint8Array(readSizeBytes);
  for (let offset = 0; ;) {
    const size = file.readAt(buffer, offset);
    if (size === 0) return;
    yield buffer.subarray(0, size);
    offset += size;
    await new Promise((done) => setImmediate(done));
  }
}

function attempt<T>(operation: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw outputError(error, operation, path);
  }
}

function outputError(error: unknown, operation: string, path: string): unknown {
  if (systemErrorCode(error) === undefined) return error;
  return new LitestreamError("OUTPUT_UNAVAILABLE", `cannot ${operation} ${path}: ${errorMessage(error)}`, {
    path,
    hint: systemHint(error) ?? "Check the permissions of the meta directory.",
    cause: error,
  });
}
