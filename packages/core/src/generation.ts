import { LitestreamError } from "./errors.ts";
import { randomHex } from "./random.ts";

declare const generationBrand: unique symbol;

/** Name of one unbroken run of WAL: 16 lower-case hexadecimal digits, chosen at random. */
export type Generation = string & { readonly [generationBrand]: true };

const generationPattern = /^[0-9a-f]{16}$/;

export function isGeneration(text: string): text is Generation {
  return generationPattern.test(text);
}

/** @throws LitestreamError FORMAT_INVALID unless `text` is 16 lower-case hexadecimal digits. */
export function parseGeneration(text: string): Generation {
  if (isGeneration(text)) return text;
  throw new LitestreamError("FORMAT_INVALID", `not a generation: "${text}"`, {
    hint: "A generation is 16 lower-case hexadecimal digits; list those of a replica to find it.",
  });
}

export function newGeneration(): Generation {
  return parseGeneration(randomHex(8));
}
