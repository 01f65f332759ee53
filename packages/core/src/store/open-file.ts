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
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { FileOwner } from "../file-owner.ts";
import { systemErrorCode } from "../errors.ts";
import { fileError } from "./file-error.ts";
import { defaultFileMode, whereSupported, makeFolders, syncFolder } from "./folders.ts";

/** An open file of a replica, for reading and writing at positions. Synchronous; every failure is a LitestreamError. */
export class OpenFile implements Disposable {
  readonly path: string;
  readonly #fd: number;
  #closed = false;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /** Opens a file that exists. @throws LitestreamError OBJECT_MISSING, REPLICA_UNAVAILABLE */
  static existing(path: string): OpenFile {
    return guard("cannot open", path, () => new OpenFile(path, openSync(path, constants.O_RDWR)));
  }

  /** Opens a file, or creates it, and the folders above it, durably. @throws LitestreamError REPLICA_UNAVAILABLE */
  static create(path: string, owner: FileOwner | undefined): OpenFile {
    return guard("cannot create", path, () => {
      try {
        return new OpenFile(path, openSync(path, constants.O_RDWR));
      } catch (error) {
        if (systemErrorCode(error) !== "ENOENT") throw error;
      }
      makeFolders(dirname(path), owner);
      const file = new OpenFile(path, openSync(path, constants.O_RDWR | constants.O_CREAT, defaultFileMode));
      try {
        whereSupported(() => fchmodSync(file.#fd, owner?.fileMode ?? defaultFileMode));
        if (owner !== undefined) whereSupported(() => fchownSync(file.#fd, owner.uid, owner.gid));
        syncFolder(dirname(path));
      } catch (error) {
        file[Symbol.dispose]();
        throw error;
      }
      return file;
    });
  }

  sizeBytes(): number {
    return guard("cannot examine", this.path, () => fstatSync(this.#fd).size);
  }

  /** Reads until `buffer` is full or the file ends. @returns bytes read */
  readAt(buffer: Uint8Array, offset: number): number {
    return guard("cannot read", this.path, () => {
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
    guard("cannot write", this.path, () => {
      let writtenBytes = 0;
      while (writtenBytes < bytes.byteLength) {
        const rest = bytes.byteLength - writtenBytes;
        writtenBytes += writeSync(this.#fd, bytes, writtenBytes, rest, offset + writtenBytes);
      }
    });
  }

  truncate(sizeBytes: number): void {
    guard("cannot truncate", this.path, () => ftruncateSync(this.#fd, sizeBytes));
  }

  /** Makes everything written so far durable. */
  sync(): void {
    guard("cannot sync", this.path, () => fsyncSync(this.#fd));
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
  }
}

function guard<T>(operation: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fileError(error, operation, path);
  }
}
