/**
 * The rest of a snapshot, put aside in the meta directory at the speed of the disk, so that the read transaction need
 * not last as long as a slow store takes. The file has no name: whatever ends the process, its space is free again.
 */
import type { FileOwner } from "../file-owner.ts";
import { defaultFileMode } from "../folders.ts";
import { LocalFile, removeFile } from "../local-file.ts";
import { shadowError } from "../shadow/shadow-error.ts";

export interface SpoolPolicy {
  /** A snapshot that takes no longer is not put aside. */
  readonly afterMs: number;
  /** A store that is faster is read for directly: a disk that is written to, too, would hardly be faster. */
  readonly belowBytesPerSecond: number;
}

export const defaultSpoolPolicy: SpoolPolicy = { afterMs: 5000, belowBytesPerSecond: 100e6 };

/** Left free on the file system of the meta directory, for the shadow WAL. */
const reserveBytes = 64 * 1024 * 1024;

export interface SnapshotPace {
  readonly elapsedMs: number;
  readonly sentBytes: number;
  readonly leftBytes: number;
}

/** Whether the rest of a snapshot should be put aside: it is slow, it would last, and there is room. */
export function isWorthSpooling(pace: SnapshotPace, policy: SpoolPolicy, freeBytes: () => number): boolean {
  const { elapsedMs, sentBytes, leftBytes } = pace;
  if (elapsedMs < policy.afterMs || leftBytes <= 0) return false;
  const bytesPerMs = sentBytes / elapsedMs;
  if (bytesPerMs * 1000 >= policy.belowBytesPerSecond || leftBytes < bytesPerMs * policy.afterMs) return false;
  // The database may grow meanwhile.
  return freeBytes() >= leftBytes * 1.25 + reserveBytes;
}

/** The bytes of a file from `startOffset` on, as far as they were put aside. */
export class Spool implements Disposable {
  readonly startOffset: number;
  readonly #file: LocalFile;
  #sizeBytes = 0;

  private constructor(startOffset: number, file: LocalFile) {
    this.startOffset = startOffset;
    this.#file = file;
  }

  /** @throws LitestreamError SHADOW_UNAVAILABLE */
  static create(path: string, owner: FileOwner, startOffset: number): Spool {
    // It has what the database has, and shall not be readable by more.
    const file = LocalFile.createNew(path, owner.fileMode & defaultFileMode, shadowError);
    removeFile(path);
    return new Spool(startOffset, file);
  }

  get endOffset(): number {
    return this.startOffset + this.#sizeBytes;
  }

  /** @throws LitestreamError SHADOW_UNAVAILABLE; nothing was added then */
  async append(bytes: Uint8Array): Promise<void> {
    await this.#file.writeAtInBackground(bytes, this.#sizeBytes);
    this.#sizeBytes += bytes.byteLength;
  }

  /** Reads what was put aside at `offset` of the file, as far as it fits. */
  readAt(buffer: Uint8Array, offset: number): number {
    const size = Math.min(buffer.byteLength, this.endOffset - offset);
    return size <= 0 ? 0 : this.#file.readAt(buffer.subarray(0, size), offset - this.startOffset);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}
