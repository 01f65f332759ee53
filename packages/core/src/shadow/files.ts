import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { FileOwner } from "../file-owner.ts";

/** Creates `path` and the folders above it that are missing, with the mode and owner of the database's folder. */
export function makeFolder(path: string, owner: FileOwner): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path), owner);
  mkdirSync(path);
  chmodSync(path, owner.directoryMode);
  giveTo(() => chownSync(path, owner.directoryUid, owner.directoryGid));
  syncFolder(dirname(path));
}

/** Makes the names in a folder durable: needed after a file was created, renamed or removed there. */
export function syncFolder(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Replaces the file at `path` as a whole: after a crash it has either its old or its new content. */
export function replaceFile(path: string, content: string, owner: FileOwner): void {
  const temporary = `${path}.tmp`;
  {
    using file = LocalFile.open(temporary, { create: true, owner });
    file.truncate(0);
    file.writeAt(new TextEncoder().encode(content), 0);
    file.sync();
  }
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

/** Only root may give files away; for everyone else they belong to who runs us, as with Litestream. */
function giveTo(change: () => void): void {
  if (process.getuid?.() === 0) change();
}

/** An open file that is not the database: the WAL, the shadow WAL. Positional and synchronous. */
export class LocalFile {
  readonly path: string;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /** Opens for reading, or, with `create`, for reading and writing: created if absent, never truncated. */
  static open(path: string, options: { create: true; owner: FileOwner } | { create?: false } = {}): LocalFile {
    if (options.create !== true) return new LocalFile(path, openSync(path, "r"));
    const isNew = !existsSync(path);
    // O_RDWR | O_CREAT without O_TRUNC has no string form.
    const fd = openSync(path, isNew ? "w+" : "r+");
    const file = new LocalFile(path, fd);
    if (isNew) {
      fchmodSync(fd, options.owner.fileMode);
      giveTo(() => fchownSync(fd, options.owner.uid, options.owner.gid));
      syncFolder(dirname(path));
    }
    return file;
  }

  get sizeBytes(): number {
    return fstatSync(this.#fd).size;
  }

  /** Reads until `buffer` is full or the file ends. @returns bytes read */
  readAt(buffer: Uint8Array, offset: number): number {
    let filled = 0;
    while (filled < buffer.byteLength) {
      const count = readSync(this.#fd, buffer, filled, buffer.byteLength - filled, offset + filled);
      if (count === 0) break;
      filled += count;
    }
    return filled;
  }

  writeAt(bytes: Uint8Array, offset: number): void {
    let written = 0;
    while (written < bytes.byteLength) {
      written += writeSync(this.#fd, bytes, written, bytes.byteLength - written, offset + written);
    }
  }

  truncate(sizeBytes: number): void {
    ftruncateSync(this.#fd, sizeBytes);
  }

  sync(): void {
    fsyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
