import { closeSync, fstatSync, ftruncateSync, futimesSync, openSync, rmSync } from "node:fs";
import { SeededRandom } from "../seeded-random.ts";
import { flipBits, insertCopy, remove, zero } from "./edit.ts";
import { sha256Of } from "./file-sha256.ts";
import {
  chooseBytes,
  chooseNonZero,
  chooseSource,
  chooseTail,
  chooseUnit,
  type DamageOptions,
  type Stretch,
  type Target,
} from "./stretch.ts";

/**
 * What can be done to a file, given a stretch of it, which is an offset and a length in bytes:
 *
 * - `flip`: one bit of each of its bytes is inverted; by default of a single byte. What bad memory or a bad disk does.
 * - `zero`: it is overwritten with zeros. A block that never reached the disk.
 * - `truncate`: the file ends where it begins. Its length runs to the end of the file.
 * - `duplicate`: it is there twice, and what lies behind it moves down.
 * - `drop`: it is missing, and what lies behind it moves up.
 * - `splice`: a copy of as many bytes from elsewhere in the file is put in before its offset, and what lies from there
 *   on moves down.
 *
 * The file's bytes always differ afterwards.
 */
export type DamageKind = "flip" | "truncate" | "zero" | "splice" | "duplicate" | "drop";

export const damageKinds: readonly DamageKind[] = ["flip", "truncate", "zero", "splice", "duplicate", "drop"];

/** What was done to a file. */
export interface DamageRecord {
  readonly kind: DamageKind;
  /** As it was named; for `damageReplica` relative to the replica, with forward slashes. */
  readonly file: string;
  readonly offset: number;
  /** Bytes that were changed, cut off, taken out or put in. */
  readonly lengthBytes: number;
  /** Only for `splice`: where the bytes were copied from, as an offset before the damage. */
  readonly sourceOffset?: number;
  readonly seed: number;
  readonly sizeBefore: number;
  /** 0 if the file is gone. */
  readonly sizeAfter: number;
  /** In hex. */
  readonly sha256Before: string;
  /** Null if the file is gone. */
  readonly sha256After: string | null;
}

/**
 * Damages a file in place, in bounded memory. Its times of access and modification stay, to the microsecond: damage
 * does not announce itself, and Litestream 0.3 takes the latter for the time of a backup. Opens the file and closes
 * it: for a database or its `-shm` this process must have no connection to it.
 *
 * @throws RangeError naming the path if the stretch does not lie in the file, or is empty.
 * @throws Error naming the path if the file is empty, or if all that could be zeroed are zeros already.
 */
export function damageFile(path: string, kind: DamageKind, options: DamageOptions = {}): DamageRecord {
  const { seed = 0 } = options;
  const random = new SeededRandom(seed, damageKinds.indexOf(kind));
  const fd = openSync(path, "r+");
  try {
    const { size, atimeMs, mtimeMs } = fstatSync(fd);
    if (size === 0) throw new Error(`${path} is empty: there is nothing to damage; drop the file instead`);
    const sha256Before = sha256Of(fd);
    const done = damage({ path, fd, size, random, options }, kind);
    futimesSync(fd, atimeMs / 1000, mtimeMs / 1000);
    const sizeAfter = fstatSync(fd).size;
    const sha256After = sha256Of(fd);
    if (sha256After === sha256Before) throw new Error(`${path} has the same bytes after ${kind}: report this as a bug`);
    return { kind, file: path, ...done, seed, sizeBefore: size, sizeAfter, sha256Before, sha256After };
  } finally {
    closeSync(fd);
  }
}

/** Removes a whole file; its record is a `drop` of all its bytes. The caution of `damageFile` holds. */
export function dropFile(path: string, seed: number = 0): DamageRecord {
  const fd = openSync(path, "r");
  try {
    const { size } = fstatSync(fd);
    const sha256Before = sha256Of(fd);
    rmSync(path);
    return {
      kind: "drop",
      file: path,
      offset: 0,
      lengthBytes: size,
      seed,
      sizeBefore: size,
      sizeAfter: 0,
      sha256Before,
      sha256After: null,
    };
  } finally {
    closeSync(fd);
  }
}

function damage(target: Target, kind: DamageKind): Stretch & { readonly sourceOffset?: number } {
  const { fd, size, random } = target;
  switch (kind) {
    case "flip": {
      const stretch = chooseBytes(target);
      flipBits(fd, stretch.offset, stretch.lengthBytes, random);
      return stretch;
    }
    case "truncate": {
      const stretch = chooseTail(target);
      ftruncateSync(fd, stretch.offset);
      return stretch;
    }
    case "zero": {
      const stretch = chooseNonZero(target);
      zero(fd, stretch.offset, stretch.lengthBytes);
      return stretch;
    }
    case "duplicate": {
      const stretch = chooseUnit(target);
      insertCopy(fd, size, stretch.offset, stretch.lengthBytes, stretch.offset + stretch.lengthBytes);
      return stretch;
    }
    case "drop": {
      const stretch = chooseUnit(target);
      remove(fd, size, stretch.offset, stretch.lengthBytes);
      return stretch;
    }
    case "splice": {
      const stretch = chooseUnit(target);
      const sourceOffset = chooseSource(target, stretch);
      insertCopy(fd, size, sourceOffset, stretch.lengthBytes, stretch.offset);
      return { ...stretch, sourceOffset };
    }
  }
}
