/**
 * Damages replicas at random and restores them: each restore gives the undamaged rows or a typed error, or, where the
 * newest of what the replica held is gone and nothing that is left tells of it, an earlier whole state.
 *
 * - `same`: the undamaged rows.
 * - `refused`: a `LitestreamError` that names a path, and no output.
 * - `earlier`: a sound earlier state, after damage that took the newest data away, or with a warning that says so.
 * - `exchanged`: another state because objects of Litestream 0.3 were exchanged, which carry no name inside.
 * - `silent`, `crash`: what must never be.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import {
  committedPrefix,
  damageFile,
  type DamageKind,
  damageKinds,
  integrityCheck,
  rowsDigest,
  SeededRandom,
  type TempFolder,
} from "@litestream/testkit";
import { isLitestreamError } from "../../src/errors.ts";
import { openReplica } from "../../src/open-replica.ts";
import { restore, type RestoreResult } from "../../src/restore/restore.ts";
import { copyGoldenReplica, goldenFixturesFolder } from "../golden-replica.ts";
import { ownReplica } from "../restore/own-replica.ts";

export type FuzzOutcome = "same" | "refused" | "earlier" | "exchanged" | "silent" | "crash";

export interface FuzzCase {
  readonly seed: number;
  readonly replica: string;
  readonly damage: readonly string[];
  readonly outcome: FuzzOutcome;
  readonly detail: string;
}

interface Original {
  readonly name: string;
  readonly path: string;
  /** Written by us: its side files tell exchanged objects, and what is missing at the end. */
  readonly isOwn: boolean;
  readonly files: readonly string[];
  readonly latestRows: string;
}

type Change = DamageKind | "remove" | "empty" | "exchange";
const changes: readonly Change[] = [...damageKinds, "flip", "remove", "empty", "exchange"];

export class Fuzzer {
  readonly #folder: TempFolder;
  readonly #originals: readonly Original[];

  private constructor(folder: TempFolder, originals: readonly Original[]) {
    this.#folder = folder;
    this.#originals = originals;
  }

  /** @param fixtures folders of replicas by Litestream; one of ours is made */
  static async create(folder: TempFolder, fixtures: readonly { name: string; path: string }[]): Promise<Fuzzer> {
    const originals: Original[] = [];
    const add = async (name: string, path: string, isOwn: boolean): Promise<void> => {
      const outputPath = folder.join("original.db");
      await restore({ replica: openReplica({ path }), outputPath });
      const files = readdirSync(path, { recursive: true, encoding: "utf8" })
        .filter((file) => statSync(join(path, file)).isFile())
        .toSorted();
      originals.push({ name, path, isOwn, files, latestRows: rowsDigest(outputPath) });
      rmSync(outputPath);
    };
    {
      await using own = await ownReplica(8);
      mkdirSync(folder.join("originals"));
      cpSync(own.folder.join("replica"), folder.join("originals", "own"), {
        recursive: true,
        preserveTimestamps: true,
      });
    }
    await add("own", folder.join("originals", "own"), true);
    for (const { name, path } of fixtures) {
      const copy = folder.join("originals", name);
      copyGoldenReplica(path, copy);
      await add(name, copy, false);
    }
    return new Fuzzer(folder, originals);
  }

  /** One case; the same seed gives the same damage of the same replicas. */
  async run(seed: number): Promise<FuzzCase> {
    const random = new SeededRandom(seed);
    const original = this.#originals[random.below(this.#originals.length)];
    if (original === undefined) throw new Error("there is nothing to damage");
    const path = this.#folder.join("replica");
    const outputPath = this.#folder.join("restored.db");
    cpSync(original.path, path, { recursive: true, preserveTimestamps: true });
    try {
      const damage = new Damage(path, original, random);
      for (let count = 1 + random.below(3); count > 0; count--) damage.change();
      const { outcome, detail } = await this.#restored(original, damage, path, outputPath);
      return { seed, replica: original.name, damage: damage.done, outcome, detail };
    } finally {
      rmSync(path, { recursive: true, force: true });
      rmSync(outputPath, { force: true });
    }
  }

  async #restored(
    original: Original,
    damage: Damage,
    path: string,
    outputPath: string,
  ): Promise<{ outcome: FuzzOutcome; detail: string }> {
    let result: RestoreResult;
    try {
      result = await restore({ replica: openReplica({ path }), outputPath });
    } catch (error) {
      if (!isLitestreamError(error)) return { outcome: "crash", detail: Bun.inspect(error) };
      if (existsSync(outputPath)) return { outcome: "silent", detail: `there is an output after ${error.message}` };
      if (error.path === undefined || error.hint === undefined) {
        return { outcome: "crash", detail: `no path or hint: ${error.message}` };
      }
      return { outcome: "refused", detail: `${error.code}: ${error.message}` };
    }
    if (rowsDigest(outputPath) === original.latestRows) return { outcome: "same", detail: result.warnings.join("; ") };
    const integrity = integrityCheck(outputPath);
    if (integrity !== "ok") {
      return { outcome: damage.wasExchanged && !original.isOwn ? "exchanged" : "silent", detail: integrity };
    }
    if (original.isOwn) committedPrefix(outputPath);
    if (result.droppedBytes > 0) return { outcome: "earlier", detail: `${result.droppedBytes} bytes dropped` };
    if (damage.tookNewest) return { outcome: "earlier", detail: "the newest data is gone" };
    if (damage.wasExchanged && !original.isOwn) return { outcome: "exchanged", detail: "other rows" };
    return { outcome: "silent", detail: "other rows" };
  }
}

class Damage {
  readonly #path: string;
  readonly #original: Original;
  readonly #random: SeededRandom;
  readonly done: string[] = [];
  wasExchanged = false;
  #tookWal = false;
  #tookSideFile = false;

  constructor(path: string, original: Original, random: SeededRandom) {
    this.#path = path;
    this.#original = original;
    this.#random = random;
  }

  /** Data may be gone of which nothing that is left tells. */
  get tookNewest(): boolean {
    return this.#tookWal && (!this.#original.isOwn || this.#tookSideFile);
  }

  change(): void {
    const { files } = this.#original;
    const file = this.#oneOf(files);
    const path = join(this.#path, file);
    if (!existsSync(path)) return;
    const isEmpty = statSync(path).size === 0;
    const kind = isEmpty ? "remove" : this.#oneOf(changes);
    let what = `${kind} ${file}`;
    if (kind === "remove") {
      rmSync(path);
      this.#took(file);
    } else if (kind === "empty") {
      this.#keepTimes(path, () => writeFileSync(path, ""));
      this.#took(file);
    } else if (kind === "exchange") {
      const others = files.filter((other) => other !== file && kindOf(other) === kindOf(file));
      const other = others.length === 0 ? undefined : this.#oneOf(others);
      if (other === undefined || !existsSync(join(this.#path, other))) return;
      const aside = join(this.#path, "aside");
      renameSync(path, aside);
      renameSync(join(this.#path, other), path);
      renameSync(aside, join(this.#path, other));
      this.wasExchanged = true;
      what += ` and ${other}`;
    } else {
      // As a disk damages a file: its times stay.
      this.#keepTimes(path, () => {
        const { offset, lengthBytes } = damageFile(path, kind, { seed: this.#random.uint32() });
        what += ` at ${offset}, ${lengthBytes} bytes`;
      });
      // A WAL that grows in place has no checksum behind its last frame, and its newest part may look torn.
      if (file.endsWith(".wal")) this.#took(file);
    }
    this.done.push(what);
  }

  #took(file: string): void {
    if (file.includes("/times/")) this.#tookSideFile = true;
    else this.#tookWal = true;
  }

  #keepTimes(path: string, work: () => void): void {
    const { atime, mtime } = statSync(path);
    work();
    utimesSync(path, atime, mtime);
  }

  #oneOf<T>(choices: readonly T[]): T {
    const choice = choices[this.#random.below(choices.length)];
    if (choice === undefined) throw new Error("there is no choice");
    return choice;
  }
}

/** Files of one kind are exchanged for each other: of another kind they are no use at all. */
function kindOf(file: string): string {
  return basename(file).replace(/^[0-9a-f_-]+/, "");
}

/** The replicas by Litestream that are part of the project. */
export function fixtureReplicas(): { name: string; path: string }[] {
  return readdirSync(goldenFixturesFolder).map((name) => ({ name, path: join(goldenFixturesFolder, name, "replica") }));
}

/** Where the whole set of golden replicas was unpacked: all undamaged ones. */
export function goldenReplicas(folder: string): { name: string; path: string }[] {
  return readdirSync(folder)
    .filter((name) => name.startsWith("v0") && !/large|many/.test(name))
    .map((name) => ({ name, path: join(folder, name, "replica") }));
}
