import { LitestreamError } from "./errors.ts";
import { type Generation, parseGeneration } from "./generation.ts";

declare const walIndexBrand: unique symbol;

/** Number of a WAL file inside a generation: 0 to `walIndexMax`, written as 8 hexadecimal digits. */
export type WalIndex = number & { readonly [walIndexBrand]: true };

/** Litestream's `MaxIndex`: a generation ends there. */
export const walIndexMax = 0x7fffffff;

/** Where one byte of WAL is: the generation, the WAL file's index in it, and the offset in bytes into that file. */
export interface Position {
  readonly generation: Generation;
  readonly index: WalIndex;
  readonly offset: number;
}

/** @throws LitestreamError FORMAT_INVALID unless `value` is an integer from 0 to `walIndexMax`. */
export function walIndex(value: number): WalIndex {
  if (Number.isInteger(value) && value >= 0 && value <= walIndexMax) return value as WalIndex;
  throw new LitestreamError("FORMAT_INVALID", `WAL index out of range: ${value}`);
}

/** The index in the 8 hexadecimal digits that file names use. */
export function formatWalIndex(index: WalIndex): string {
  return index.toString(16).padStart(8, "0");
}

/** @throws LitestreamError FORMAT_INVALID unless `text` is 8 lower-case hexadecimal digits up to `walIndexMax`. */
export function parseWalIndex(text: string): WalIndex {
  if (/^[0-9a-f]{8}$/.test(text)) return walIndex(Number.parseInt(text, 16));
  throw new LitestreamError("FORMAT_INVALID", `not a WAL index: "${text}"`);
}

/** `generation/index:offset`, index and offset as 8 hexadecimal digits or more. */
export function formatPosition(position: Position): string {
  const offset = position.offset.toString(16).padStart(8, "0");
  return `${position.generation}/${formatWalIndex(position.index)}:${offset}`;
}

/** @throws LitestreamError FORMAT_INVALID unless `text` is what `formatPosition` writes. */
export function parsePosition(text: string): Position {
  const match = /^([0-9a-f]{16})\/([0-9a-f]{8}):([0-9a-f]{8,13})$/.exec(text);
  const [, generation, index, offset] = match ?? [];
  if (generation === undefined || index === undefined || offset === undefined) {
    throw new LitestreamError("FORMAT_INVALID", `not a position: "${text}"`);
  }
  return {
    generation: parseGeneration(generation),
    index: parseWalIndex(index),
    offset: Number.parseInt(offset, 16),
  };
}

/** Negative when `a` lies before `b`, within one generation. Generations have no order among each other. */
export function comparePositions(a: Position, b: Position): number {
  if (a.generation !== b.generation) throw new TypeError("positions of different generations have no order");
  return a.index - b.index || a.offset - b.offset;
}

export function samePosition(a: Position, b: Position): boolean {
  return a.generation === b.generation && a.index === b.index && a.offset === b.offset;
}
