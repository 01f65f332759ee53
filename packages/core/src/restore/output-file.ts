import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { errorMessage, LitestreamError, systemErrorCode } from "../errors.ts";
import { syncFolder } from "../store/folders.ts";

/** What SQLite would take for part of a database that appears at the path without it. */
const companionSuffixes = ["-wal", "-shm", "-journal"];

const hints: Readonly<Record<string, string>> = {
  EACCES: "Give the user that runs litestream access to that folder, or choose another output path.",
  EPERM: "Give the user that runs litestream access to that folder, or choose another output path.",
  EROFS: "Choose an output path on a file system that is mounted for writing.",
  ENOSPC: "Free space there, or choose an output path on another file system.",
  EDQUOT: "Raise the disk quota, or choose an output path on another file system.",
  ENOTDIR: "A part of the output path is a file, not a folder: choose another.",
};

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
      hint: `SQLite would apply it to the restored database and damage it: move it away first, together with its database.`,
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
  readonly #fd: number;
  /** The topmost folder that was made for it. */
  readonly #madeFolder: string | undefined;
  #isOpen = true;
  #isPublished = false;

  private constructor(path: string, temporary: string, fd: number, madeFolder: string | undefined) {
    this.path = path;
    this.#temporary = temporary;
    this.#fd = fd;
    this.#madeFolder = madeFolder;
  }

  /** Also makes the folders above it. @throws LitestreamError OUTPUT_EXISTS, OUTPUT_UNAVAILABLE */
  static create(outputPath: string): OutputFile {
    const path = resolve(outputPath);
    requireFreeOutput(path);
    const temporary = `${path}.tmp-${randomBytes(6).toString("hex")}`;
    let madeFolder: string | undefined;
    try {
      madeFolder = mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
      return new OutputFile(path, temporary, openSync(temporary, flags, 0o600), madeFolder);
    } catch (error) {
      removeFolders(dirname(path), madeFolder);
      throw outputError(error, path);
    }
  }

  /** Writes all of `bytes`, or throws. */
  writeAt(bytes: Uint8Array, offset: number): void {
    this.#guard(() => {
      for (let written = 0; written < bytes.byteLength;) {
        written += writeSync(this.#fd, bytes, written, bytes.byteLength - written, offset + written);
      }
    });
  }

  /** Reads until `buffer` is full or the file ends. @returns bytes read */
  readAt(buffer: Uint8Array, offset: number): number {
    return this.#guard(() => {
      let filled = 0;
      while (filled < buffer.byteLength) {
        const count = readSync(this.#fd, buffer, filled, buffer.byteLength - filled, offset + filled);
        if (count === 0) break;
        filled += count;
      }
      return filled;
    });
  }

  /** Cuts the file, or extends it with zeros. */
  setSize(sizeBytes: number): void {
    this.#guard(() => ftruncateSync(this.#fd, sizeBytes));
  }

  /**
   * Makes the content durable, then lets the file appear at its path, durably.
   * @throws LitestreamError OUTPUT_EXISTS when another file appeared there meanwhile
   */
  publish(): void {
    this.#guard(() => {
      fsyncSync(this.#fd);
      this.#close();
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

  /** Removes the file, also where `publish` failed half-way, and the folders that were made for it. Does not throw: it follows on an error that counts more. */
  discard(): void {
    try {
      this.#close();
      rmSync(this.#temporary, { force: true });
      if (this.#isPublished) rmSync(this.path, { force: true });
    } catch {
      // The error that led here is the one to report.
    }
    removeFolders(dirname(this.path), this.#madeFolder);
  }

  #close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw outputError(error, this.path);
    }
  }
}

function outputError(error: unknown, path: string): LitestreamError {
  if (error instanceof LitestreamError) return error;
  const hint = hints[systemErrorCode(error) ?? ""];
  return new LitestreamError("OUTPUT_UNAVAILABLE", `cannot write the output ${path}: ${errorMessage(error)}`, {
    path,
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Also true for a link that leads nowhere: writing there would not be where the user thinks. */
function isThere(path: string): boolean {
  return existsSync(path) || lstatSync(path, { throwIfNoEntry: false }) !== undefined;
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
