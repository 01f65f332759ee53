import { closeSync, constants, copyFileSync, ftruncateSync, openSync } from "node:fs";
import { pageSizeOf } from "./database-pages.ts";
import { writeAll } from "./file-bytes.ts";
import { readWalSummary, type WalCommit, WalReader } from "./reader.ts";
import { walFrameHeaderBytes } from "./sound-frames.ts";

export interface ReplayOptions {
  /** The database file as it lies beside the WAL. */
  readonly databasePath: string;
  readonly walPath: string;
  /** Where the copy is made; nothing may be there. */
  readonly outputPath: string;
}

/**
 * The states that a database has been in, one commit of its WAL after another: a copy of the database file to which
 * they are applied, so that at each it is, byte for byte, the file that checkpoints after every commit so far would
 * have made. Frames that no commit follows, and what lies behind the sound ones, never reach it.
 *
 *     using replay = new WalReplay({ databasePath: "app.db", walPath: "app.db-wal", outputPath: "state.db" });
 *     for (const { frame } of replay) console.log(frame, pagesDigest("state.db"));
 *
 * The database and its WAL must not change meanwhile, and this process must have no connection to the database:
 * closing a descriptor of it drops the locks of every connection. For the same reason a connection to the copy is to
 * be closed before this is disposed. The copy stays.
 */
export class WalReplay implements Disposable, Iterable<WalCommit> {
  readonly outputPath: string;
  readonly pageSize: number;
  readonly #wal: WalReader;
  readonly #mxFrame: number;
  readonly #fd: number;
  #frame = 0;
  #isClosed = false;

  /**
   * Copies the database.
   *
   * @throws Error if the WAL has no sound header, if the database's page size is another, or if there is something at
   * `outputPath`.
   */
  constructor(options: ReplayOptions) {
    const { databasePath, walPath, outputPath } = options;
    const summary = readWalSummary(walPath);
    const pageSize = pageSizeOf(databasePath);
    if (pageSize !== undefined && pageSize !== summary.pageSize) {
      throw new Error(
        `${databasePath} has pages of ${pageSize} bytes and ${walPath} of ${summary.pageSize}: ` +
          `give the WAL that belongs to the database`,
      );
    }
    this.outputPath = outputPath;
    this.pageSize = summary.pageSize;
    this.#mxFrame = summary.mxFrame;
    this.#wal = new WalReader(walPath);
    try {
      copyFileSync(databasePath, outputPath, constants.COPYFILE_EXCL);
      this.#fd = openSync(outputPath, "r+");
    } catch (error) {
      this.#wal[Symbol.dispose]();
      throw error;
    }
  }

  /** Applies the next commit to the copy and returns it; undefined when there is none. */
  advance(): WalCommit | undefined {
    while (this.#frame < this.#mxFrame) {
      const next = this.#wal.next();
      if (next === undefined) {
        throw new Error(
          `${this.#wal.path} ended behind frame ${this.#frame} of ${this.#mxFrame}: it has changed since it was opened`,
        );
      }
      const { frame, offset, pgno, commitPageCount, page } = next;
      writeAll(this.#fd, page, (pgno - 1) * this.pageSize);
      this.#frame = frame;
      if (commitPageCount === 0) continue;
      ftruncateSync(this.#fd, commitPageCount * this.pageSize);
      return { frame, offset: offset + walFrameHeaderBytes + this.pageSize, pageCount: commitPageCount };
    }
    return undefined;
  }

  *[Symbol.iterator](): Generator<WalCommit, void, undefined> {
    for (let commit = this.advance(); commit !== undefined; commit = this.advance()) yield commit;
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wal[Symbol.dispose]();
    closeSync(this.#fd);
  }
}
