import { existsSync, readdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { LitestreamError } from "../errors.ts";
import { type Generation, isGeneration } from "../generation.ts";
import { faultPoint } from "../fault-point.ts";
import { makeFolders, syncFolder } from "../folders.ts";
import { LocalFile, removeFile, replaceFile } from "../local-file.ts";
import { formatPosition, type WalIndex } from "../position.ts";
import type { FileOwner } from "../file-owner.ts";
import { formatWalHeader, type WalHeader, walHeaderSizeBytes } from "../wal/header.ts";
import { MetaPaths } from "./paths.ts";
import { guardShadow, shadowError } from "./shadow-error.ts";

/** The local copy of the WAL, generation by generation, in the meta directory. Holds no state: the files are it. */
export class ShadowWal {
  readonly paths: MetaPaths;
  readonly #owner: FileOwner;

  constructor(metaPath: string, owner: FileOwner) {
    this.paths = new MetaPaths(metaPath);
    this.#owner = owner;
  }

  /** The generation that an earlier run, or Litestream, left as the current one. */
  currentGeneration(): Generation | undefined {
    const path = this.paths.generationName;
    return guardShadow("read", path, () => {
      faultPoint(() => ({ kind: "file", operation: "read", path }));
      if (!existsSync(path)) return undefined;
      const name = readFileSync(path, "utf8").trim();
      return isGeneration(name) ? name : undefined;
    });
  }

  /** Bytes that can still be written. */
  freeBytes(): number {
    return guardShadow("examine", this.paths.root, () => {
      const { bavail, bsize } = statfsSync(this.paths.root);
      return bavail * bsize;
    });
  }

  /** Removes what a run left that was killed in the very moment it made one. */
  removeSpools(): void {
    guardShadow("clear", this.paths.root, () => {
      for (const name of readdirSync(this.paths.root)) {
        if (MetaPaths.isSpoolName(name)) removeFile(join(this.paths.root, name));
      }
    });
  }

  /** Makes `generation` the current one. Folders of others go only after its name is durable. */
  beginGeneration(generation: Generation): void {
    guardShadow("write", this.paths.generationName, () => {
      makeFolders(this.paths.walFolder(generation), this.#owner);
      replaceFile(this.paths.generationName, `${generation}\n`, this.#owner, shadowError);
      for (const name of readdirSync(this.paths.generations)) {
        if (name !== generation) removeFile(join(this.paths.generations, name));
      }
    });
  }

  /** Indexes that are held of `generation`, ascending. */
  indexes(generation: Generation): WalIndex[] {
    const path = this.paths.walFolder(generation);
    return guardShadow("list", path, () => {
      faultPoint(() => ({ kind: "file", operation: "list", path }));
      if (!existsSync(path)) return [];
      return readdirSync(path)
        .map((name) => MetaPaths.parseWalName(name))
        .filter((index) => index !== undefined)
        .toSorted((a, b) => a - b);
    });
  }

  /** The newest index that was begun: a file that is too short for a header was only about to be, in a crash. */
  newestIndex(generation: Generation): WalIndex | undefined {
    return this.indexes(generation).findLast(
      (index) => (this.indexSizeBytes(generation, index) ?? 0) >= walHeaderSizeBytes,
    );
  }

  /** Undefined where the index is not held. */
  indexSizeBytes(generation: Generation, index: WalIndex): number | undefined {
    const path = this.paths.wal(generation, index);
    return guardShadow("look at", path, () => statSync(path, { throwIfNoEntry: false })?.size);
  }

  /** Of all indexes that are held. */
  sizeBytes(generation: Generation): number {
    return this.indexes(generation).reduce((sum, index) => sum + (this.indexSizeBytes(generation, index) ?? 0), 0);
  }

  /** The file of one index, for reading; undefined where it is not held. */
  openForReading(generation: Generation, index: WalIndex): LocalFile | undefined {
    const path = this.paths.wal(generation, index);
    return existsSync(path) ? LocalFile.openToRead(path, shadowError) : undefined;
  }

  /** Begins the file of an index with the WAL's header. */
  createIndex(generation: Generation, index: WalIndex, header: WalHeader): ShadowWalWriter {
    const path = this.paths.wal(generation, index);
    const file = LocalFile.create(path, this.#owner, shadowError);
    try {
      file.truncate(0);
      file.writeAt(formatWalHeader(header), 0);
    } catch (error) {
      file.close();
      guardShadow("remove", path, () => removeFile(path));
      throw error;
    }
    return new ShadowWalWriter(file, generation, index, walHeaderSizeBytes);
  }

  /**
   * Goes on with the file of the newest index after `endOffset`, the end of its last proven commit; what is behind it
   * goes.
   */
  resumeIndex(generation: Generation, index: WalIndex, endOffset: number): ShadowWalWriter {
    const path = this.paths.wal(generation, index);
    for (const later of this.indexes(generation).filter((held) => held > index)) {
      const laterPath = this.paths.wal(generation, later);
      guardShadow("remove", laterPath, () => removeFile(laterPath));
    }
    const file = LocalFile.openToWrite(path, shadowError);
    try {
      file.truncate(endOffset);
    } catch (error) {
      file.close();
      throw error;
    }
    return new ShadowWalWriter(file, generation, index, endOffset);
  }

  /** Deletes the files before `index`: every replica has them. */
  deleteBefore(generation: Generation, index: WalIndex): void {
    const folder = this.paths.walFolder(generation);
    const old = this.indexes(generation).filter((held) => held < index);
    if (old.length === 0) return;
    guardShadow("delete from", folder, () => {
      for (const held of old) removeFile(this.paths.wal(generation, held));
      syncFolder(folder);
    });
  }
}

/** Appends to the file of the current index. */
export class ShadowWalWriter {
  readonly index: WalIndex;
  readonly #file: LocalFile;
  readonly #generation: Generation;
  #size: number;
  #isSynced = false;

  constructor(file: LocalFile, generation: Generation, index: WalIndex, size: number) {
    this.#file = file;
    this.#generation = generation;
    this.index = index;
    this.#size = size;
  }

  /** @throws LitestreamError SHADOW_DAMAGED when somebody else changed the file: Litestream takes no lock of ours. */
  append(bytes: Uint8Array, offset: number): void {
    const size = this.#file.sizeBytes;
    if (size !== this.#size || offset !== size) {
      throw new LitestreamError(
        "SHADOW_DAMAGED",
        `the shadow WAL ${this.#file.path} has ${size} bytes, not ${this.#size}: another process changed it`,
        {
          path: this.#file.path,
          position: formatPosition({ generation: this.#generation, index: this.index, offset: this.#size }),
          hint: "Stop the other replicator (Litestream?) of this database.",
        },
      );
    }
    this.#isSynced = false;
    this.#file.writeAt(bytes, offset);
    this.#size += bytes.byteLength;
  }

  /** Takes back what was appended after `offset`. */
  truncate(offset: number): void {
    this.#file.truncate(offset);
    this.#size = offset;
  }

  sync(): void {
    if (this.#isSynced) return;
    this.#file.sync();
    this.#isSynced = true;
  }

  close(): void {
    this.#file.close();
  }
}
