import type { FileOwner } from "../file-owner.ts";
import { LocalFile } from "../local-file.ts";
import { fileError } from "./file-error.ts";

/** An open file of a replica: a LocalFile whose every failure is a LitestreamError that names the replica's file. */
export class OpenFile implements Disposable {
  readonly path: string;
  readonly #file: LocalFile;

  private constructor(file: LocalFile) {
    this.path = file.path;
    this.#file = file;
  }

  /** Opens a file that exists. @throws LitestreamError OBJECT_MISSING, REPLICA_UNAVAILABLE */
  static existing(path: string): OpenFile {
    return guard("cannot open", path, () => new OpenFile(LocalFile.openToWrite(path)));
  }

  /** Opens a file, or creates it, and the folders above it, durably. @throws LitestreamError REPLICA_UNAVAILABLE */
  static create(path: string, owner: FileOwner | undefined): OpenFile {
    return guard("cannot create", path, () => new OpenFile(LocalFile.create(path, owner)));
  }

  sizeBytes(): number {
    return guard("cannot examine", this.path, () => this.#file.sizeBytes);
  }

  /** Reads until `buffer` is full or the file ends. @returns bytes read */
  readAt(buffer: Uint8Array, offset: number): number {
    return guard("cannot read", this.path, () => this.#file.readAt(buffer, offset));
  }

  /** Writes all of `bytes`, or throws. */
  writeAt(bytes: Uint8Array, offset: number): void {
    guard("cannot write", this.path, () => this.#file.writeAt(bytes, offset));
  }

  truncate(sizeBytes: number): void {
    guard("cannot truncate", this.path, () => this.#file.truncate(sizeBytes));
  }

  /** Makes everything written so far durable. */
  sync(): void {
    guard("cannot sync", this.path, () => this.#file.sync());
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

function guard<T>(operation: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fileError(error, operation, path);
  }
}
