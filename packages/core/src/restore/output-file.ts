import { linkSync, lstatSync, mkdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { errorMessage, LitestreamError, systemErrorCode } from "../errors.ts";
import { systemHint } from "../system-hint.ts";
import { defaultFileMode, syncFolder } from "../folders.ts";
import { LocalFile } from "../local-file.ts";
import { randomHex } from "../random.ts";
import { releaseBuffer, takeBuffer } from "../release-buffer.ts";
import { SyncBehind } from "../sync-behind.ts";

/** Chunks, of at most 4 MiB each, that wait for the disk while the next ones are made. */
const writesBehindMax = 1;

/** What SQLite would take for part of a database that appears at the path without it. */
const companionSuffixes = ["-wal", "-shm", "-journal"];

/** @throws LitestreamError OUTPUT_EXISTS where a file is at `path`, or one beside it that SQLite would mix with it. */
export function requireFreeOutput(path: string): void {
  if (isThere(path)) {
    throw new LitestreamError("OUTPUT_EXISTS", `the output exists already: ${path}`, {
      path,
      hint: "Choose another output path, or move that file away first.",
    });
  }
  for (const suffix of companionSuffixes) {
    const companion = `${path}${suffix}`;
    if (!isThere(companion)) continue;
    throw new LitestreamError("OUTPUT_EXISTS", `${companion} is left of an older database at the output path`, {
      path: companion,
      hint: "SQLite would apply it to the restored database and damage it: move it away first, with its database.",
    });
  }
}

/**
 * A database file in the making, beside the path where it is to appear: nothing is at that path before `publish`, and
 * nothing is left after `discard`.
 */
export class OutputFile {
  readonly path: string;
  readonly #temporary: string;
  readonly #file: LocalFile;
  readonly #flushing: SyncBehind;
  /** The topmost folder that was made for it. */
  readonly #madeFolder: string | undefined;
  #isPublished = false;
  /** Settles when all that was written behind is in the file; never rejects. */
  #written: Promise<void> = Promise.resolve();
  #waitingWrites: Promise<void>[] = [];
  #failure: { readonly error: unknown } | undefined;

  private constructor(path: string, temporary: string, file: LocalFile, madeFolder: string | undefined) {
    this.path = path;
    this.#temporary = temporary;
    this.#file = file;
    this.#flushing = new SyncBehind(file);
    this.#madeFolder = madeFolder;
  }

  /** Also makes the folders above it. @throws LitestreamError OUTPUT_EXISTS, OUTPUT_UNAVAILABLE */
  static create(outputPath: string): OutputFile {
    const path = resolve(outputPath);
    requireFreeOutput(path);
    const temporary = `${path}.tmp-${randomHex(6)}`;
    let madeFolder: string | undefined;
    try {
      madeFolder = mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      return new OutputFile(
        path,
        temporary,
        LocalFile.createNew(temporary, defaultFileMode, (error) => outputError(error, path)),
        madeFolder,
      );
    } catch (error) {
      removeFolders(dirname(path), madeFolder);
      throw outputError(error, path);
    }
  }

  /**
   * Writes a chunk on another thread, after those before it, and resolves when there is room for the next one. What
   * fails is thrown by one of the next calls, at the latest by `publish`.
   */
  async writeBehind(chunk: Uint8Array, offset: number): Promise<void> {
    const bytes = takeBuffer(chunk);
    this.#written = this.#written.then(async () => {
      try {
        if (this.#failure === undefined) {
          await this.#file.writeAtInBackground(bytes, offset);
          this.#flushing.written(bytes.byteLength);
        }
      } catch (error) {
        this.#failure ??= { error };
      }
      releaseBuffer(bytes);
    });
    this.#waitingWrites.push(this.#written);
    if (this.#waitingWrites.length > writesBehindMax) await this.#waitingWrites.shift();
    this.#throwFailure();
  }

  /** Waits until everything is in the file that was written behind. */
  async written(): Promise<void> {
    await this.#written;
    this.#waitingWrites = [];
    this.#throwFailure();
  }

  /** Writes all of `bytes`, or throws. What was written behind must be in the file. */
  writeAt(bytes: Uint8Array, offset: number): void {
    this.#throwFailure();
    this.#file.writeAt(bytes, offset);
    this.#flushing.written(bytes.byteLength);
  }

  /** Where the file is until it is published, for whoever checks it. */
  get temporaryPath(): string {
    return this.#temporary;
  }

  /** Reads until `buffer` is full or the file ends. @returns bytes read */
  readAt(buffer: Uint8Array, offset: number): number {
    return this.#file.readAt(buffer, offset);
  }

  /** Cuts the file, or extends it with zeros. */
  setSize(sizeBytes: number): void {
    this.#file.truncate(sizeBytes);
  }

  /** Lets the disk begin with what was written until now. What fails is thrown by `publish`. */
  beginFlush(): void {
    this.#flushing.begin();
  }

  /**
   * Makes the content durable, then lets the file appear at its path, durably.
   * @throws LitestreamError OUTPUT_EXISTS when another file appeared there meanwhile
   */
  async publish(): Promise<void> {
    await this.written();
    await this.#flushing.end();
    this.#guard(() => {
      this.#file.close();
      requireFreeOutput(this.path);
      try {
        // A link, other than a rename, never replaces what is there.
        linkSync(this.#temporary, this.path);
      } catch (error) {
        if (systemErrorCode(error) === "EEXIST") requireFreeOutput(this.path);
        // A file system without links; the path was free a moment ago.
        renameSync(this.#temporary, this.path);
      }
      this.#isPublished = true;
      rmSync(this.#temporary, { force: true });
      for (const folder of foldersUpTo(dirname(this.path), this.#madeFolder)) syncFolder(folder);
      if (this.#madeFolder !== undefined) syncFolder(dirname(this.#madeFolder));
    });
  }

  /**
   * Removes the file, also where `publish` failed half-way, and the folders that were made for it. Does not throw: it
   * follows on an error that counts more.
   */
  discard(): void {
    try {
      this.#file.close();
      rmSync(this.#temporary, { force: true });
      if (this.#isPublished) rmSync(this.path, { force: true });
    } catch {
      // The error that led here is the one to report.
    }
    removeFolders(dirname(this.path), this.#madeFolder);
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw outputError(error, this.path);
    }
  }
}

export function outputError(error: unknown, path: string): LitestreamError {
  if (error instanceof LitestreamError) return error;
  const hint = systemHint(error);
  return new LitestreamError("OUTPUT_UNAVAILABLE", `cannot write the output ${path}: ${errorMessage(error)}`, {
    path,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Also true for a link that leads nowhere: writing there would not be where the user thinks. */
function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(systemErrorCode(error) ?? "")) return false;
    throw outputError(error, path);
  }
}

/** `folder` and those above it, up to `topmost`; only `folder` where that is undefined. */
function foldersUpTo(folder: string, topmost: string | undefined): string[] {
  const folders = [folder];
  for (let path = folder; topmost !== undefined && path !== topmost && path !== dirname(path);) {
    path = dirname(path);
    folders.push(path);
  }
  return folders;
}

function removeFolders(folder: string, topmost: string | undefined): void {
  if (topmost === undefined) return;
  try {
    for (const path of foldersUpTo(folder, topmost)) rmdirSync(path);
  } catch {
    // Somebody put something there meanwhile: it stays.
  }
}
