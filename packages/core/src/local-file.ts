import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fchownSync,
  fdatasync,
  fstatSync,
  fdatasyncSync,
  ftruncateSync,
  open,
  openSync,
  read,
  readSync,
  renameSync,
  rmSync,
  write,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { faultPoint } from "./fault-point.ts";
import type { FileOwner } from "./file-owner.ts";
import { defaultFileMode, makeFolders, syncFolder, whereSupported } from "./folders.ts";

/** Makes of a failed system call the error that is thrown; `operation` is what was tried, as in "write". */
export type ExplainError = (error: unknown, operation: string, path: string) => unknown;

/**
 * An open file, read and written at positions: never a live database, which has an owner of its own. Synchronous, but
 * for what is said to be in the background. What a failed system call means is for whoever opens the file to say.
 */
export class LocalFile implements Disposable {
  readonly path: string;
  readonly #fd: number;
  readonly #explain: ExplainError;
  #isOpen = true;
  /** Calls that have not returned: the descriptor must not be closed, and given to another file, under them. */
  #backgroundCalls = 0;

  private constructor(path: string, fd: number, explain: ExplainError) {
    this.path = path;
    this.#fd = fd;
    this.#explain = explain;
  }

  static openToRead(path: string, explain: ExplainError): LocalFile {
    return openFile(path, "open", constants.O_RDONLY, explain, (fd) => new LocalFile(path, fd, explain));
  }

  /** As `openToRead`, on another thread: the file may be on a network. */
  static async openToReadInBackground(path: string, explain: ExplainError): Promise<LocalFile> {
    try {
      faultPoint(() => ({ kind: "file", operation: "open", path }));
      return new LocalFile(path, await openOnce(path), explain);
    } catch (error) {
      throw explain(error, "open", path);
    }
  }

  /** Opens a file that exists. */
  static openToWrite(path: string, explain: ExplainError): LocalFile {
    return openFile(path, "open", constants.O_RDWR, explain, (fd) => new LocalFile(path, fd, explain));
  }

  /** Opens a file, or makes it, and the folders above it, durably. What it holds stays. */
  static create(path: string, owner: FileOwner | undefined, explain: ExplainError): LocalFile {
    if (existsSync(path)) return LocalFile.openToWrite(path, explain);
    return attempt("create", path, explain, () => {
      makeFolders(dirname(path), owner);
      const flags = constants.O_RDWR | constants.O_CREAT;
      const file = openFile(path, "create", flags, explain, (fd) => new LocalFile(path, fd, explain));
      try {
        whereSupported(() => fchmodSync(file.#fd, owner?.fileMode ?? defaultFileMode));
        if (owner !== undefined) whereSupported(() => fchownSync(file.#fd, owner.uid, owner.gid));
        syncFolder(dirname(path));
        return file;
      } catch (error) {
        file.close();
        throw error;
      }
    });
  }

  /** Makes a file that must not exist yet. The caller sees to its folder. */
  static createNew(path: string, mode: number, explain: ExplainError): LocalFile {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
    return openFile(path, "create", flags, explain, (fd) => new LocalFile(path, fd, explain), mode);
  }

  get sizeBytes(): number {
    return attempt("examine", this.path, this.#explain, () => fstatSync(this.#fd).size);
  }

  /** Reads until `buffer` is full or the file ends. @returns bytes read */
  readAt(buffer: Uint8Array, offset: number): number {
    return attempt("read", this.path, this.#explain, () => {
      faultPoint(() => ({ kind: "file", operation: "read", path: this.path }));
      let filledBytes = 0;
      while (filledBytes < buffer.byteLength) {
        const count = readSync(this.#fd, buffer, filledBytes, buffer.byteLength - filledBytes, offset + filledBytes);
        if (count === 0) break;
        filledBytes += count;
      }
      return filledBytes;
    });
  }

  /** Writes all of `bytes`, or throws. */
  writeAt(bytes: Uint8Array, offset: number): void {
    attempt("write", this.path, this.#explain, () => {
      faultPoint(() => ({ kind: "file", operation: "write", path: this.path, offset, bytes }));
      let writtenBytes = 0;
      while (writtenBytes < bytes.byteLength) {
        const rest = bytes.byteLength - writtenBytes;
        writtenBytes += writeSync(this.#fd, bytes, writtenBytes, rest, offset + writtenBytes);
      }
    });
  }

  /** Cuts the file, or extends it with zeros. */
  truncate(sizeBytes: number): void {
    attempt("truncate", this.path, this.#explain, () => {
      faultPoint(() => ({ kind: "file", operation: "truncate", path: this.path, sizeBytes }));
      ftruncateSync(this.#fd, sizeBytes);
    });
  }

  /** Makes everything written so far durable. */
  sync(): void {
    attempt("sync", this.path, this.#explain, () => {
      faultPoint(() => ({ kind: "file", operation: "sync", path: this.path }));
      fdatasyncSync(this.#fd);
    });
  }

  /** As `writeAt`, on another thread. `bytes` must stay as they are until it is done. */
  async writeAtInBackground(bytes: Uint8Array, offset: number): Promise<void> {
    await this.#inBackground("write", async () => {
      faultPoint(() => ({ kind: "file", operation: "write", path: this.path, offset, bytes }));
      let writtenBytes = 0;
      while (writtenBytes < bytes.byteLength) {
        const rest = bytes.byteLength - writtenBytes;
        writtenBytes += await writeOnce(this.#fd, bytes, writtenBytes, rest, offset + writtenBytes);
      }
    });
  }

  /** Reads once, on another thread. @returns bytes read; 0 at the end of the file */
  async readAtInBackground(buffer: Uint8Array, offset: number): Promise<number> {
    let count = 0;
    await this.#inBackground("read", async () => {
      faultPoint(() => ({ kind: "file", operation: "read", path: this.path }));
      count = await readOnce(this.#fd, buffer, offset);
    });
    return count;
  }

  /**
   * Makes everything written until now durable, on another thread. An error of the disk that this reports is not
   * reported again by a later `sync`.
   */
  async syncInBackground(): Promise<void> {
    await this.#inBackground("sync", async () => {
      faultPoint(() => ({ kind: "file", operation: "sync", path: this.path }));
      await syncDataOnce(this.#fd);
    });
  }

  /** Where something goes on in the background, the descriptor is closed when that is done. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#backgroundCalls === 0) closeSync(this.#fd);
  }

  async #inBackground(operation: string, work: () => Promise<void>): Promise<void> {
    this.#backgroundCalls++;
    try {
      await work();
    } catch (error) {
      throw this.#explain(error, operation, this.path);
    } finally {
      this.#backgroundCalls--;
      if (!this.#isOpen && this.#backgroundCalls === 0) closeSync(this.#fd);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

// With callbacks: the promises of node:fs/promises need an object for the file that closes it by itself.
function writeOnce(fd: number, bytes: Uint8Array, start: number, size: number, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, start, size, offset, (error, count) => (error === null ? resolve(count) : reject(error)));
  });
}

function readOnce(fd: number, buffer: Uint8Array, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, buffer.byteLength, offset, (error, count) => (error === null ? resolve(count) : reject(error)));
  });
}

function openOnce(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, constants.O_RDONLY, (error, fd) => (error === null ? resolve(fd) : reject(error)));
  });
}

function syncDataOnce(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (error) => (error === null ? resolve() : reject(error)));
  });
}

function openFile(
  path: string,
  operation: "open" | "create",
  flags: number,
  explain: ExplainError,
  toFile: (fd: number) => LocalFile,
  mode: number = defaultFileMode,
): LocalFile {
  return attempt(operation, path, explain, () => {
    faultPoint(() => ({ kind: "file", operation, path }));
    return toFile(openSync(path, flags, mode));
  });
}

function attempt<T>(operation: string, path: string, explain: ExplainError, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explain(error, operation, path);
  }
}

/** Replaces the file at `path` as a whole: after a crash it has either its old or its new content. */
export function replaceFile(path: string, content: string, owner: FileOwner, explain: ExplainError): void {
  const temporary = `${path}.tmp`;
  {
    using file = LocalFile.create(temporary, owner, explain);
    file.truncate(0);
    file.writeAt(new TextEncoder().encode(content), 0);
    file.sync();
  }
  renameFile(temporary, path);
}

/** Renames durably, replacing what has the new name. */
export function renameFile(from: string, to: string): void {
  faultPoint(() => ({ kind: "file", operation: "rename", path: from, to }));
  renameSync(from, to);
  syncFolder(dirname(to));
  if (dirname(from) !== dirname(to)) syncFolder(dirname(from));
}

/** Removes a file, or a folder with all that is in it. One that is already gone is not an error. */
export function removeFile(path: string): void {
  faultPoint(() => ({ kind: "file", operation: "remove", path }));
  rmSync(path, { recursive: true, force: true });
}
