import { existsSync } from "node:fs";
import { readdir, rm, rmdir, stat, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { throwIfAborted } from "../abort.ts";
import { systemErrorCode } from "../errors.ts";
import type { FileOwner } from "../file-owner.ts";
import { fileError } from "./file-error.ts";
import { faultPoint } from "../fault-point.ts";
import { LocalFile, renameFile } from "../local-file.ts";
import { releaseBuffer } from "../release-buffer.ts";
import { SyncBehind } from "../sync-behind.ts";
import type { ReadOptions, Store, StoreEntry } from "./store.ts";

/**
 * Ends the names of files, and of folders, that are being written and are no objects yet; Litestream's file replica
 * does the same with files.
 */
export const temporarySuffix = ".tmp";

const readSizeBytes = 1024 * 1024;

export interface FileStoreOptions {
  /** Mode and owner of files and folders that are created; 0600, 0700 and who runs us where absent. */
  readonly owner?: FileOwner;
}

/**
 * Objects as files below a folder. Everything that is written is durable when its call returns: file, name, and the
 * folders that were made for it. Below the root, links to files are followed and links to folders are not.
 */
export class FileStore implements Store {
  readonly location: string;
  readonly #owner: FileOwner | undefined;

  constructor(root: string, options: FileStoreOptions = {}) {
    this.location = resolve(root);
    this.#owner = options.owner;
  }

  /** Temporaries are not objects and are not listed. */
  async list(prefix: string, signal?: AbortSignal): Promise<StoreEntry[]> {
    const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
    const entries: StoreEntry[] = [];
    await this.#walk(folder, prefix, signal, async (key, isTemporary) => {
      if (!key.startsWith(prefix) || isTemporary) return;
      const found = await this.#entry(key);
      if (found !== undefined) entries.push(found);
    });
    return entries.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  }

  async *read(key: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const path = this.pathOf(key);
    const { offset: startOffset = 0, endOffset = Infinity, signal } = options;
    using file = await LocalFile.openToReadInBackground(path, fileError);
    using pieces = new PieceReader(file, startOffset, endOffset);
    for (;;) {
      throwIfAborted(signal, `reading ${path}`);
      const piece = await pieces.next();
      if (piece === undefined) return;
      yield piece;
    }
  }

  async put(key: string, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<{ sizeBytes: number }> {
    const path = this.pathOf(key);
    const temporary = `${path}${temporarySuffix}`;
    let sizeBytes = 0;
    try {
      {
        using file = LocalFile.create(temporary, this.#owner, fileError);
        file.truncate(0);
        const flushing = new SyncBehind(file);
        for await (const chunk of content) {
          throwIfAborted(signal, `writing ${path}`);
          file.writeAt(chunk, sizeBytes);
          sizeBytes += chunk.byteLength;
          flushing.written(chunk.byteLength);
        }
        throwIfAborted(signal, `writing ${path}`);
        await flushing.end();
      }
      this.rename(`${key}${temporarySuffix}`, key);
    } catch (error) {
      await this.removeAll(`${key}${temporarySuffix}`).catch(() => undefined);
      throw error;
    }
    return { sizeBytes };
  }

  async delete(keys: readonly string[], signal?: AbortSignal): Promise<void> {
    for (const key of keys) {
      throwIfAborted(signal, `deleting from ${this.location}`);
      await this.#remove(key);
    }
  }

  /** Where the object of `key` is. @throws TypeError for a key that would lead out of the root: a bug, not input */
  pathOf(key: string): string {
    const parts = key.split("/");
    if (parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0"))) {
      throw new TypeError(`not a key of a store: "${key}"`);
    }
    return join(this.location, ...parts);
  }

  exists(key: string): boolean {
    return existsSync(this.pathOf(key));
  }

  /**
   * Opens a file to change it in place, which the `whole` layout does with the newest WAL.
   * @param options.create makes it, and the folders above it, if it is not there
   */
  openFile(key: string, options: { readonly create: boolean }): LocalFile {
    const path = this.pathOf(key);
    return options.create ? LocalFile.create(path, this.#owner, fileError) : LocalFile.openToWrite(path, fileError);
  }

  /** Renames durably, replacing what has the new name. */
  rename(from: string, to: string): void {
    const [fromPath, toPath] = [this.pathOf(from), this.pathOf(to)];
    try {
      renameFile(fromPath, toPath);
    } catch (error) {
      throw fileError(error, "rename", fromPath);
    }
  }

  /** Removes what a crash left half-written below `prefix`, a folder. @returns keys of what was removed */
  async removeTemporaries(prefix: string): Promise<string[]> {
    const removed: string[] = [];
    const folder = prefix.endsWith("/") || prefix === "" ? prefix : `${prefix}/`;
    await this.#walk(folder, folder, undefined, async (key, isTemporary) => {
      if (!isTemporary) return;
      await this.removeAll(key);
      removed.push(key);
    });
    return removed.toSorted();
  }

  removeUnfinished(prefix: string): Promise<string[]> {
    return this.removeTemporaries(prefix);
  }

  async removeEmptyFolders(key: string): Promise<void> {
    const path = this.pathOf(key);
    try {
      for (const name of await readdir(path, { withFileTypes: true })) {
        if (name.isDirectory()) await this.removeEmptyFolders(`${key}/${name.name}`);
      }
      await rmdir(path);
    } catch (error) {
      const code = systemErrorCode(error);
      if (code !== "ENOENT" && code !== "ENOTEMPTY" && code !== "EEXIST") throw fileError(error, "delete", path);
    }
  }

  /** Removes a file, or a folder with all that is in it. One that is already gone is not an error. */
  async removeAll(key: string): Promise<void> {
    const path = this.pathOf(key);
    try {
      faultPoint(() => ({ kind: "file", operation: "remove", path }));
      await rm(path, { recursive: true, force: true });
    } catch (error) {
      throw fileError(error, "delete", path);
    }
  }

  async #remove(key: string): Promise<void> {
    const path = this.pathOf(key);
    try {
      faultPoint(() => ({ kind: "file", operation: "remove", path }));
      await unlink(path);
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT") throw fileError(error, "delete", path);
    }
  }

  /**
   * Calls `onEntry` for each file and each temporary folder below `folder`: empty, or a key and a slash. Folders in
   * which no key can begin with `prefix` are not looked into. What vanishes meanwhile is left out.
   */
  async #walk(
    folder: string,
    prefix: string,
    signal: AbortSignal | undefined,
    onEntry: (key: string, isTemporary: boolean) => Promise<void>,
  ): Promise<void> {
    throwIfAborted(signal, `listing ${this.location}`);
    const path = folder === "" ? this.location : this.pathOf(folder.slice(0, -1));
    let names;
    try {
      faultPoint(() => ({ kind: "file", operation: "list", path }));
      names = await readdir(path, { withFileTypes: true });
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") return;
      throw fileError(error, "list", path);
    }
    for (const name of names) {
      const isTemporary = name.name.endsWith(temporarySuffix);
      if (name.isDirectory() && !isTemporary) {
        const inner = `${folder}${name.name}/`;
        const mayHold = inner.startsWith(prefix) || prefix.startsWith(inner);
        if (mayHold) await this.#walk(inner, prefix, signal, onEntry);
      } else await onEntry(`${folder}${name.name}`, isTemporary);
    }
  }

  /** Undefined for what is gone, or is not a file. */
  async #entry(key: string): Promise<StoreEntry | undefined> {
    const path = this.pathOf(key);
    try {
      const found = await stat(path, { bigint: true });
      if (!found.isFile()) return undefined;
      const { size, mtimeNs } = found;
      const modifiedAt = new Date(Number(mtimeNs / 1_000_000n));
      return { key, sizeBytes: Number(size), modifiedAt, modifiedAtNs: mtimeNs };
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") return undefined;
      throw fileError(error, "examine", path);
    }
  }
}

/** Pieces of a file, of which the next one is being read while one is used. */
class PieceReader implements Disposable {
  readonly #file: LocalFile;
  readonly #endOffset: number;
  #offset: number;
  /** Given out last: free again when the next is asked for. */
  #current: Buffer | undefined;
  #spare: Buffer | undefined;
  #ahead: Promise<Buffer> | undefined;

  constructor(file: LocalFile, startOffset: number, endOffset: number) {
    this.#file = file;
    this.#offset = startOffset;
    this.#endOffset = endOffset;
  }

  /** Undefined at the end. A piece is its reader's until it asks for the next. */
  async next(): Promise<Uint8Array | undefined> {
    const before = this.#current;
    this.#current = undefined;
    if (this.#ahead === undefined) this.#begin(before);
    else this.#spare = before;
    const piece = await this.#ahead;
    this.#ahead = undefined;
    if (piece === undefined) return undefined;
    const memory = Buffer.from(piece.buffer as ArrayBuffer);
    this.#current = memory;
    this.#offset += piece.byteLength;
    // Of a short one nothing follows, unless the file has grown when it is asked for.
    if (piece.byteLength === memory.byteLength) this.#begin(this.#spare);
    return piece.byteLength === 0 ? undefined : piece;
  }

  #begin(free: Buffer | undefined): void {
    const wantedBytes = Math.max(0, Math.min(readSizeBytes, this.#endOffset - this.#offset));
    const memory = free ?? Buffer.allocUnsafeSlow(wantedBytes);
    this.#spare = undefined;
    this.#ahead = this.#read(memory.subarray(0, wantedBytes));
    // Whoever asks for it gets the error.
    this.#ahead.catch(() => undefined);
  }

  async #read(target: Buffer): Promise<Buffer> {
    if (target.byteLength === 0) return target;
    return target.subarray(0, await this.#file.readAtInBackground(target, this.#offset));
  }

  /** At once: of a replica with many objects, the collector leaves much memory until later. */
  [Symbol.dispose](): void {
    const release = (memory: Uint8Array | undefined): void => {
      if (memory !== undefined) releaseBuffer(new Uint8Array(memory.buffer));
    };
    release(this.#current);
    release(this.#spare);
    // Not while it is being written.
    this.#ahead?.then(release, () => undefined);
  }
}
