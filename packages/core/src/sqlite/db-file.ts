/**
 * The only descriptors of a live database file and its -shm in this process.
 *
 * POSIX locks belong to the process: closing *any* descriptor of a file drops all locks the process holds on it,
 * SQLite's too (https://www.sqlite.org/howtocorrupt.html, section 2.2). So each file is opened once, shared by
 * everyone who needs it, and stays open for as long as it exists: an application that has the engine in its own process
 * may have connections that outlive ours. The -wal file carries no locks: whoever likes may open and close that one.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, realpathSync, statSync, writeSync } from "node:fs";
import { errorMessage, LitestreamError, systemErrorCode } from "../errors.ts";
import { systemHint } from "../system-hint.ts";
import { faultPoint } from "../fault-point.ts";
import type { FileOwner } from "../file-owner.ts";
import { type DbHeader, dbHeaderSizeBytes, parseDbHeader } from "../db-header.ts";
import {
  isHeaderOf,
  parseWalIndex,
  type WalIndexView,
  walIndexCopySizeBytes,
  walIndexHeaderSizeBytes,
} from "./wal-index.ts";

/** For the first copy of the wal-index's header; used and done with in one call. */
const pollBytes = new Uint8Array(walIndexCopySizeBytes);

/**
 * Whether database and wal-index are still at their names is looked up once in so many polls: their removal is an
 * event, and whatever is done with them looks first.
 */
const pollsPerLook = 8;

/** Tries for one consistent reading of the wal-index; a writer's change takes well below a microsecond. */
const walIndexReadsMax = 100;

type Access = "r" | "r+";

/** What tells a file from every other one that exists. */
interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

interface SharedDescriptor {
  readonly fd: number;
  readonly access: Access;
  readonly identity: FileIdentity;
  users: number;
}

/** Also those that nobody uses at the moment, until their file is removed. */
const sharedDescriptors = new Map<string, SharedDescriptor>();

/** A use of the process's one descriptor of a file. */
class DescriptorUse {
  readonly fd: number;
  readonly #shared: SharedDescriptor;
  #released = false;

  constructor(path: string, access: Access = "r") {
    closeRemovedFiles();
    const shared = openShared(path, access);
    shared.users += 1;
    sharedDescriptors.set(keyOf(shared.identity), shared);
    this.#shared = shared;
    this.fd = shared.fd;
  }

  /** False once another file stands at `path`, or none. */
  isAt(path: string): boolean {
    try {
      const there = statSync(path, { bigint: true });
      return there.ino === this.#shared.identity.ino && there.dev === this.#shared.identity.dev;
    } catch {
      return false;
    }
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#shared.users -= 1;
    if (this.#shared.users === 0) closeRemovedFile(this.#shared);
  }
}

function openShared(path: string, access: Access): SharedDescriptor {
  const known = findShared(statSync(path, { bigint: true }), access, path);
  if (known !== undefined) return known;
  const fd = openSync(path, access);
  const { dev, ino } = fstatSync(fd, { bigint: true });
  // The file was replaced between the two calls by one that is open already: that descriptor must not be closed.
  return findShared({ dev, ino }, access, path) ?? { fd, access, identity: { dev, ino }, users: 0 };
}

/** One that was open for another use before stays open, unused and unknown, to the end of the process. */
function findShared(identity: FileIdentity, access: Access, path: string): SharedDescriptor | undefined {
  const known = sharedDescriptors.get(keyOf(identity));
  if (known === undefined || known.access === access) return known;
  if (known.users === 0) return undefined;
  throw new LitestreamError("DATABASE_IN_USE", `${path} is used by this process for something else`, {
    path,
    hint: "A database is either replicated or followed by a process.",
  });
}

/** Nobody can open a removed file any more, and so nobody new locks it; its room on the disk is given back. */
function closeRemovedFile({ fd, users, identity }: SharedDescriptor): void {
  if (users > 0 || fstatSync(fd).nlink > 0) return;
  sharedDescriptors.delete(keyOf(identity));
  closeSync(fd);
}

function closeRemovedFiles(): void {
  for (const shared of sharedDescriptors.values()) closeRemovedFile(shared);
}

function keyOf({ dev, ino }: FileIdentity): string {
  return `${dev}:${ino}`;
}

/** A live database file: read through the one descriptor that its process may have. */
export class DbFile {
  /** As the user gave it. */
  readonly path: string;
  /** With links resolved, as SQLite does: -wal and -shm lie beside this one. */
  readonly realPath: string;
  readonly header: DbHeader;
  readonly owner: FileOwner;
  readonly #db: DescriptorUse;
  #shm: DescriptorUse | undefined;
  #polls = 0;
  readonly #walIndexBytes = new Uint8Array(walIndexHeaderSizeBytes);

  private constructor(path: string, realPath: string, db: DescriptorUse, header: DbHeader) {
    this.path = path;
    this.realPath = realPath;
    this.header = header;
    this.#db = db;
    const file = fstatSync(db.fd);
    const directory = statSync(directoryOf(realPath));
    this.owner = {
      fileMode: file.mode & 0o777,
      directoryMode: directory.mode & 0o777,
      uid: file.uid,
      gid: file.gid,
      directoryUid: directory.uid,
      directoryGid: directory.gid,
    };
  }

  /**
   * @throws LitestreamError DATABASE_MISSING when nothing is there, DATABASE_INVALID when it is no SQLite database,
   *   DATABASE_UNAVAILABLE when it cannot be read.
   */
  static open(path: string): DbFile {
    let db: DescriptorUse | undefined;
    try {
      const realPath = realpathSync(path);
      if (!statSync(realPath).isFile()) {
        throw new LitestreamError("DATABASE_INVALID", `not a file: ${path}`, {
          path,
          hint: "Name the database file itself.",
        });
      }
      db = new DescriptorUse(realPath);
      const bytes = new Uint8Array(dbHeaderSizeBytes);
      const size = readSync(db.fd, bytes, 0, dbHeaderSizeBytes, 0);
      return new DbFile(path, realPath, db, parseDbHeader(bytes.subarray(0, size), path));
    } catch (error) {
      db?.release();
      throw databaseError(error, "read", path);
    }
  }

  get walPath(): string {
    return `${this.realPath}-wal`;
  }

  get sizeBytes(): number {
    return fstatSync(this.#db.fd).size;
  }

  /** 0 where there is none. */
  get walSizeBytes(): number {
    return statSync(this.walPath, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** False once another file stands at the path, or at its wal-index's: the database was replaced or removed. */
  isCurrent(): boolean {
    return this.#db.isAt(this.path) && (this.#shm === undefined || this.#shm.isAt(`${this.realPath}-shm`));
  }

  /** Reads up to the buffer's length; fewer bytes at the end of the file. */
  readAt(buffer: Uint8Array, offset: number): number {
    try {
      faultPoint(() => ({ kind: "file", operation: "read", path: this.realPath }));
      return readSync(this.#db.fd, buffer, 0, buffer.byteLength, offset);
    } catch (error) {
      throw databaseError(error, "read", this.path);
    }
  }

  sync(): void {
    try {
      faultPoint(() => ({ kind: "file", operation: "sync", path: this.realPath }));
      fsyncSync(this.#db.fd);
    } catch (error) {
      throw databaseError(error, "sync", this.path);
    }
  }

  /**
   * Opens the wal-index. To be called once a connection of this process has read the database, which creates it.
   * @param access `r+` for who publishes frames by itself
   */
  openWalIndex(access: Access = "r"): void {
    this.#shm ??= new DescriptorUse(`${this.realPath}-shm`, access);
  }

  /** Reads of the wal-index as it is, while nobody can change what is read. Fewer bytes at the end of the file. */
  readWalIndexAt(buffer: Uint8Array, offset: number): number {
    return this.#ofWalIndex("read", (fd) => readSync(fd, buffer, 0, buffer.byteLength, offset));
  }

  /** For who holds the write lock. Others have the file in their memory: they see what is written at once. */
  writeWalIndexAt(bytes: Uint8Array, offset: number): void {
    this.#ofWalIndex("write", (fd) => {
      faultPoint(() => ({ kind: "file", operation: "write", path: `${this.realPath}-shm`, offset, bytes }));
      for (let written = 0; written < bytes.byteLength;) {
        written += writeSync(fd, bytes, written, bytes.byteLength - written, offset + written);
      }
    });
  }

  #ofWalIndex<T>(operation: string, work: (fd: number) => T): T {
    const shm = this.#shm;
    if (shm === undefined) throw new Error("the wal-index is used before it was opened");
    try {
      return work(shm.fd);
    } catch (error) {
      throw databaseError(error, operation, `${this.realPath}-shm`);
    }
  }

  /**
   * @throws LitestreamError DATABASE_BUSY when no consistent state could be read, DATABASE_UNAVAILABLE when this is not
   *   the wal-index any more: others have another one, with other locks, and a checkpoint of ours would harm them
   */
  readWalIndex(): WalIndexView {
    const shm = this.#shm;
    if (shm === undefined) throw new Error("the wal-index is read before it was opened");
    const path = `${this.realPath}-shm`;
    if (!shm.isAt(path)) {
      throw new LitestreamError("DATABASE_UNAVAILABLE", `${path} was removed or replaced while it was in use`, {
        path,
        hint: "Was the database put back by hand? It is opened anew at the next sync.",
      });
    }
    for (let read = 0; read < walIndexReadsMax; read++) {
      const size = readSync(shm.fd, this.#walIndexBytes, 0, walIndexHeaderSizeBytes, 0);
      const view = parseWalIndex(this.#walIndexBytes.subarray(0, size));
      if (view !== undefined) return view;
    }
    throw new LitestreamError("DATABASE_BUSY", `the wal-index of ${this.path} is being changed by another process`, {
      path,
      hint: "It is read again at the next sync.",
    });
  }

  /**
   * Whether nothing was published since `view`, by one read, for whoever asks often; and, now and then, whether
   * database and wal-index are still at their names.
   */
  isUnchangedSince(view: WalIndexView): boolean {
    const shm = this.#shm;
    if (shm === undefined) return false;
    this.#polls = (this.#polls + 1) % pollsPerLook;
    if (this.#polls === 0 && !this.isCurrent()) return false;
    const size = readSync(shm.fd, pollBytes, 0, pollBytes.byteLength, 0);
    return size === pollBytes.byteLength && isHeaderOf(view, pollBytes);
  }

  /** To be called after every connection of this process to the database is closed. */
  close(): void {
    this.#shm?.release();
    this.#db.release();
  }
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

/**
 * What a failed system call on a database, or on its WAL, means: DATABASE_MISSING for one that is not there, otherwise
 * DATABASE_UNAVAILABLE. A LitestreamError stays as it is.
 * @param operation what was tried, as in "read"
 */
export function databaseError(error: unknown, operation: string, path: string): LitestreamError {
  if (error instanceof LitestreamError) return error;
  switch (systemErrorCode(error)) {
    case "ENOENT":
    case "ENOTDIR":
      return new LitestreamError("DATABASE_MISSING", `no database at ${path}`, {
        path,
        hint: "Check the path, or start the application that creates it.",
        cause: error,
      });
    default:
      return new LitestreamError("DATABASE_UNAVAILABLE", `cannot ${operation} ${path}: ${errorMessage(error)}`, {
        path,
        hint: systemHint(error) ?? "Check the permissions of the file and of its folder.",
        cause: error,
      });
  }
}
