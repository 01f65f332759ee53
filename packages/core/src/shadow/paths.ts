/**
 * The meta directory beside a database, `.<db>-litestream/`, as Litestream 0.3 lays it out:
 *
 *     generation                           name of the current generation and a newline
 *     generations/<gen>/wal/<index>.wal    the shadow WAL: a WAL file's header and its committed frames
 *     spool-<id>                           ours: a file that is unlinked as soon as it is open (db/spool.ts)
 *     lock                                 ours: held while the database is replicated
 */
import { basename, dirname, join } from "node:path";
import type { Generation } from "../generation.ts";
import { formatWalIndex, parseWalIndex, type WalIndex } from "../position.ts";

const spoolPrefix = "spool-";
const shadowWalName = /^([0-9a-f]{8})\.wal$/;

/** Where the meta directory of the database at `dbPath` is, unless the configuration says otherwise. */
export function defaultMetaPath(dbPath: string): string {
  return join(dirname(dbPath), `.${basename(dbPath)}-litestream`);
}

export class MetaPaths {
  readonly root: string;

  constructor(metaPath: string) {
    this.root = metaPath;
  }

  get lock(): string {
    return join(this.root, "lock");
  }

  get generationName(): string {
    return join(this.root, "generation");
  }

  get generations(): string {
    return join(this.root, "generations");
  }

  spool(id: string): string {
    return join(this.root, `${spoolPrefix}${id}`);
  }

  static isSpoolName(name: string): boolean {
    return name.startsWith(spoolPrefix);
  }

  generation(generation: Generation): string {
    return join(this.generations, generation);
  }

  walFolder(generation: Generation): string {
    return join(this.generation(generation), "wal");
  }

  wal(generation: Generation, index: WalIndex): string {
    return join(this.walFolder(generation), `${formatWalIndex(index)}.wal`);
  }

  /** The index in the name of a shadow WAL file; undefined for any other name. */
  static parseWalName(name: string): WalIndex | undefined {
    const digits = shadowWalName.exec(name)?.[1];
    return digits === undefined ? undefined : parseWalIndex(digits);
  }
}
