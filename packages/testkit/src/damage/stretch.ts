/** Which bytes of a file to damage. */
import type { SeededRandom } from "../seeded-random.ts";
import { findNonZero } from "./edit.ts";
import { type FileUnits, unitsOf } from "./file-units.ts";

/**
 * Without `offset` and `lengthBytes` the seed chooses the stretch. Except for `flip` and `truncate`, which take any
 * byte, it is a whole frame of a file that begins with a WAL's header, a whole page of one that begins with a
 * database's, and 1 to 512 bytes anywhere in any other.
 */
export interface DamageOptions {
  /** Default 0. The same seed does the same to the same bytes. */
  readonly seed?: number;
  /** Where the stretch begins, in bytes from the start of the file. */
  readonly offset?: number;
  /** From 1 to what there is. `truncate` without an offset takes so many off the end. */
  readonly lengthBytes?: number;
}

/** A file that is about to be damaged, not empty. */
export interface Target {
  readonly path: string;
  readonly fd: number;
  /** Its size in bytes. */
  readonly size: number;
  readonly random: SeededRandom;
  readonly options: DamageOptions;
}

export interface Stretch {
  readonly offset: number;
  readonly lengthBytes: number;
}

const lengthBytesMax = 512;
const singleBytes: FileUnits = { startBytes: 0, unitBytes: 1 };

/** As asked for, or a single byte anywhere. */
export function chooseBytes(target: Target): Stretch {
  return choose(target, singleBytes, 1);
}

/** As asked for, or a whole frame or page, or a few bytes of a file that has neither. */
export function chooseUnit(target: Target): Stretch {
  const units = unitsOf(target.fd, target.size);
  const lengthBytes = units?.unitBytes ?? 1 + target.random.below(Math.min(lengthBytesMax, target.size / 4));
  return choose(target, units ?? singleBytes, lengthBytes);
}

/** As `chooseUnit`, and not all of it zeros. */
export function chooseNonZero(target: Target): Stretch {
  const { path, fd, size, options } = target;
  const chosen = chooseUnit(target);
  const { lengthBytes } = chosen;
  if (findNonZero(fd, chosen.offset, lengthBytes) !== undefined) return chosen;
  if (options.offset !== undefined) {
    throw new Error(
      `${path} has nothing but zeros from offset ${chosen.offset} for ${lengthBytes} bytes: choose another stretch`,
    );
  }
  const nonZero = findNonZero(fd, chosen.offset, size - chosen.offset) ?? findNonZero(fd, 0, chosen.offset);
  if (nonZero === undefined) throw new Error(`${path} is nothing but zeros: there is nothing to zero`);
  const { startBytes, unitBytes } = unitsOf(fd, size) ?? singleBytes;
  const aligned = nonZero - ((nonZero - startBytes) % unitBytes);
  const isInside = nonZero >= startBytes && nonZero < aligned + lengthBytes;
  return { offset: Math.min(isInside ? aligned : nonZero, size - lengthBytes), lengthBytes };
}

/** From the offset asked for to the end, or so many bytes off the end, or from anywhere to the end. */
export function chooseTail(target: Target): Stretch {
  const { path, size, random, options } = target;
  const { offset = size - (options.lengthBytes ?? size - random.below(size)) } = options;
  const lengthBytes = options.lengthBytes ?? size - offset;
  requireInside(target, { offset, lengthBytes });
  if (offset + lengthBytes === size) return { offset, lengthBytes };
  throw new RangeError(
    `${path} has ${size} bytes: truncating at offset ${offset} cuts off ${size - offset}, not ${lengthBytes}; ` +
      `give one of the two, or drop the stretch`,
  );
}

/**
 * Where to copy as many bytes from that are to be put in before the stretch: neither across that place nor next to it,
 * which would be a `duplicate`, unless the file is too small for anything else.
 */
export function chooseSource({ fd, size, random }: Target, { offset, lengthBytes }: Stretch): number {
  for (const { startBytes, unitBytes } of [unitsOf(fd, size) ?? singleBytes, singleBytes]) {
    const countUpTo = (last: number): number => Math.max(0, Math.floor((last - startBytes) / unitBytes) + 1);
    const before = countUpTo(offset - lengthBytes - 1);
    const notBehind = countUpTo(offset);
    const behind = Math.max(0, countUpTo(size - lengthBytes) - notBehind);
    if (before + behind === 0) continue;
    const n = random.below(before + behind);
    return startBytes + unitBytes * (n < before ? n : notBehind + n - before);
  }
  return random.below(size - lengthBytes + 1);
}

function choose(target: Target, units: FileUnits, defaultLengthBytes: number): Stretch {
  const { size, random, options } = target;
  const { startBytes, unitBytes } = units;
  const available = size - (options.offset ?? 0);
  const lengthBytes = options.lengthBytes ?? Math.max(1, Math.min(defaultLengthBytes, available));
  const places = Math.floor((size - startBytes - lengthBytes) / unitBytes) + 1;
  const chosen =
    places > 0 ? startBytes + unitBytes * random.below(places) : random.below(Math.max(1, size - lengthBytes + 1));
  const stretch = { offset: options.offset ?? chosen, lengthBytes };
  requireInside(target, stretch);
  return stretch;
}

function requireInside({ path, size }: Target, { offset, lengthBytes }: Stretch): void {
  const isInside = offset >= 0 && lengthBytes >= 1 && offset + lengthBytes <= size;
  if (isInside && Number.isInteger(offset) && Number.isInteger(lengthBytes)) return;
  throw new RangeError(
    `${path} has ${size} bytes, and offset ${offset} for ${lengthBytes} bytes is no stretch of them: ` +
      `give an offset from 0 and a length from 1 that end within the file`,
  );
}
