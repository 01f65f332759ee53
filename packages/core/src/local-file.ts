import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { systemErrorCode } from "./errors.ts";
import { faultPoint } from "./fault-point.ts";
import type { FileOwner } from "./file-owner.ts";
import { defaultFileMode, makeFolders, syncFolder, whereSupported } from "./folders.ts";

/**
 * An open file, read and written at positions: never a live database, which has an owner of its own. Synchronous;
 * throws the errors of the system as they are.
 */
export class LocalFile implements Disposable {
  readonly path: string;
  readonly #fd: number;
  #isOpen = true;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  static openToRead(path: string): LocalFile {
    faultPoint(() => ({ kind: "file", operation: "open", path }));
    return new LocalFile(path, openSync(path, constants.O_RDONLY));
  }

  /** Opens a file that exists. */
  static openToWrite(path: string): LocalFile {
    faultPoint(() => ({ kind: "file", operation: "open", path }));
    return new LocalFile(path, openSync(path, constants.O_RDWR));
  }

  /** Opens a file, or makes it, and the folders above it, durably. What it holds stays. */
  static create(path: string, owner: FileOwner | undefined): LocalFile {
    try {
      return LocalFile.openToWrite(path);
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT") throw error;
    }
    makeFolders(dirname(path), owner);
    faultPoint(() => ({ kind: "file", operation: "create", path }));
    const file = new LocalFile(path, openSync(path, constants.O_RDWR | constants.O_CREAT, defaultFileMode));
    try {
      whereSupported(() => fchmodSync(file.#fd, owner?.fileMode ?? defaultFileMode));
      if (owner !== undefined) whereSupported(() => fchownSync(file.#fd, owner.uid, owner.gid));
      syncFolder(dirname(path));
    } catch (error) {
      file.close();
      throw error;
    }
    return file;
  }

  /** Makes a file that must not exist yet. The caller sees to its folder. */
  static createNew(path: string, mode: number): LocalFile {
    faultPoint(() => ({ kind: "file", operation: "create", path }));
    return new LocalFile(path, openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, mode));
  }

  get sizeBytes(): number {
    return fstatSync(this.#fd).size;
  }

  /** Reads until `buffer` is full or the file ends. @returns bytes read */
  readAt(buffer: Uint8Array, offset: number): number {
    faultPoint(() => ({ kind: "file", operation: "read", path: this.path }));
    let filledBytes = 0;
    while (filledBytes < buffer.byteLength) {
      const count = readSync(this.#fd, buffer, filledBytes, buffer.byteLength - filledBytes, offset + filledBytes);
      if (count === 0) break;
      filledBytes += count;
    }
    return filledBytes;
  }

  /** Writes all of `bytes`, or throws. */
  writeAt(bytes: Uint8Array, offset: number): void {
    faultPoint(() => ({ kind: "file", operation: "write", path: this.path, offset, bytes }));
    let writtenBytes = 0;
    while (writtenBytes < bytes.byteLength) {
      const rest = bytes.byteLength - writtenBytes;
      writtenBytes += writeSync(this.#fd, bytes, writtenBytes, rest, offset + writtenBytes);
    }
  }

  /** Cuts the file, or extends it with zeros. */
  truncate(sizeBytes: number): void {
    faultPoint(() => ({ kind: "file", operation: "truncate", path: this.path, sizeBytes }));
    ftruncateSync(this.#fd, sizeBytes);
  }

  /** Makes everything written so far durable. */
  sync(): void {
    faultPoint(() => ({ kind: "file", operation: "sync", path: this.path }));
    fsyncSync(this.#fd);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Replaces the file at `path` as a whole: after a crash it has either its old or its new content. */
export function replaceFile(path: string, content: string, owner: FileOwner): void {
  const temporary = `${path}.tmp`;
  {
    using file = LocalFile.create(temporary, owner);
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
