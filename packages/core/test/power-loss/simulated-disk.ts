import { mkdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import type { SeededRandom } from "@litestream/testkit";
import type { FilePoint } from "../../src/fault-point.ts";

interface Change {
  readonly apply: (bytes: Uint8Array, cut: number) => Uint8Array;
  isDurable: boolean;
}

interface File {
  readonly kind: "file";
  readonly changes: Change[];
}

interface Folder {
  readonly kind: "folder";
}

type Inode = File | Folder;

/** A name that was given or taken away; a rename does both at once. */
interface NameChange {
  readonly folder: Folder;
  readonly name: string;
  /** Undefined where the name is taken away. */
  readonly inode: Inode | undefined;
  readonly movedFrom?: { readonly folder: Folder; readonly name: string };
  isDurable: boolean;
}

/**
 * What a disk may hold after a power loss. A write is certain only after its file was synced, a name only after its
 * folder was; whatever is not certain may have happened or not, each on its own, and a write in part.
 */
export class SimulatedDisk {
  readonly #rootPath: string;
  readonly #root: Folder = { kind: "folder" };
  /** As the running system sees it. */
  readonly #entries = new Map<Folder, Map<string, Inode>>([[this.#root, new Map()]]);
  readonly #nameChanges: NameChange[] = [];

  /** @param rootPath an existing folder; what happens outside of it is not recorded */
  constructor(rootPath: string) {
    this.#rootPath = rootPath;
  }

  /** Records an operation that is about to be done, and that will succeed. */
  record(point: FilePoint): void {
    if (relative(this.#rootPath, point.path).startsWith("..")) return;
    switch (point.operation) {
      case "open":
      case "read":
      case "list":
        return;
      case "create":
        if (this.#find(point.path) === undefined) this.#link(point.path, { kind: "file", changes: [] });
        return;
      case "make folder": {
        if (this.#find(point.path) !== undefined) return;
        const folder: Folder = { kind: "folder" };
        this.#entries.set(folder, new Map());
        this.#link(point.path, folder);
        return;
      }
      case "write": {
        const written = new Uint8Array(point.bytes);
        const { offset } = point;
        this.#change(point.path, (bytes, cut) => {
          const part = written.subarray(0, Math.floor(written.byteLength * cut));
          const result = new Uint8Array(Math.max(bytes.byteLength, offset + part.byteLength));
          result.set(bytes);
          result.set(part, offset);
          return result;
        });
        return;
      }
      case "truncate": {
        const { sizeBytes } = point;
        this.#change(point.path, (bytes) => {
          const result = new Uint8Array(sizeBytes);
          result.set(bytes.subarray(0, sizeBytes));
          return result;
        });
        return;
      }
      case "sync": {
        const file = this.#find(point.path);
        if (file?.kind === "file") for (const change of file.changes) change.isDurable = true;
        return;
      }
      case "sync folder": {
        const folder = this.#find(point.path);
        for (const change of this.#nameChanges) if (change.folder === folder) change.isDurable = true;
        return;
      }
      case "rename": {
        const inode = this.#find(point.path);
        if (inode === undefined) return;
        const movedFrom = this.#unlink(point.path);
        this.#link(point.to, inode, movedFrom);
        return;
      }
      case "remove":
        if (this.#find(point.path) !== undefined) {
          const { folder, name } = this.#unlink(point.path);
          this.#nameChanges.push({ folder, name, inode: undefined, isDurable: false });
        }
        return;
    }
  }

  /**
   * Writes what the disk holds, if the power is lost now, to an empty folder.
   * @param likelihood from 0 to 1: of each change that is not certain
   */
  losePower(targetPath: string, random: SeededRandom, likelihood: number): void {
    const entries = new Map<Folder, Map<string, Inode>>();
    const namesOf = (folder: Folder): Map<string, Inode> => {
      const names = entries.get(folder) ?? new Map<string, Inode>();
      entries.set(folder, names);
      return names;
    };
    for (const { folder, name, inode, movedFrom, isDurable } of this.#nameChanges) {
      if (!isDurable && random.fraction() >= likelihood) continue;
      if (movedFrom !== undefined) namesOf(movedFrom.folder).delete(movedFrom.name);
      if (inode === undefined) namesOf(folder).delete(name);
      else namesOf(folder).set(name, inode);
    }
    const write = (folder: Folder, path: string): void => {
      mkdirSync(path, { recursive: true });
      for (const [name, inode] of namesOf(folder)) {
        if (inode.kind === "folder") write(inode, join(path, name));
        else writeFileSync(join(path, name), contentOf(inode, random, likelihood));
      }
    };
    write(this.#root, targetPath);
  }

  #find(path: string): Inode | undefined {
    const inside = relative(this.#rootPath, path);
    let inode: Inode | undefined = this.#root;
    for (const name of inside === "" ? [] : inside.split("/")) {
      if (inode?.kind !== "folder") return undefined;
      inode = this.#entries.get(inode)?.get(name);
    }
    return inode;
  }

  #folderOf(path: string): Folder {
    const folder = this.#find(dirname(path));
    if (folder?.kind !== "folder") throw new Error(`${dirname(path)} was not made before ${path}`);
    return folder;
  }

  #link(path: string, inode: Inode, movedFrom?: { readonly folder: Folder; readonly name: string }): void {
    const folder = this.#folderOf(path);
    const name = basename(path);
    this.#entries.get(folder)?.set(name, inode);
    const change = { folder, name, inode, isDurable: false };
    this.#nameChanges.push(movedFrom === undefined ? change : { ...change, movedFrom });
  }

  #unlink(path: string): { readonly folder: Folder; readonly name: string } {
    const folder = this.#folderOf(path);
    const name = basename(path);
    this.#entries.get(folder)?.delete(name);
    return { folder, name };
  }

  #change(path: string, apply: Change["apply"]): void {
    const file = this.#find(path);
    if (file?.kind !== "file") throw new Error(`${path} was not made before it was changed`);
    file.changes.push({ apply, isDurable: false });
  }
}

function contentOf(file: File, random: SeededRandom, likelihood: number): Uint8Array {
  let bytes: Uint8Array = new Uint8Array();
  for (const { apply, isDurable } of file.changes) {
    if (isDurable) bytes = apply(bytes, 1);
    else if (random.fraction() < likelihood) bytes = apply(bytes, likelihood === 1 ? 1 : random.fraction());
  }
  return bytes;
}
