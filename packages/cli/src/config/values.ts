import * as v from "valibot";
import { durationMsMax, durationPattern, parseDurationMs } from "../duration.ts";
import { didYouMean } from "../nearest.ts";
import { parseBytes, sizePattern } from "../size.ts";

/**
 * The kinds of values of a configuration file. What comes out of a variable is text, so each takes its value as text,
 * too. A message goes on from the key's name: `busy-timeout must be …`; what was written is added to it elsewhere.
 */

/** What an editor sees before variables are replaced. */
const variablePattern = /\$/;

export const text = v.pipe(v.string("must be text; put it in quotes"), v.nonEmpty("must not be empty"));

const durationText = "must be a duration with its unit, such as 500ms, 1s or 1h30m";

/** Milliseconds; 0 without a unit, as Go writes it. For what no timer waits for: a timer has its own limit. */
const anyDurationMs = v.pipe(
  v.union(
    [v.pipe(v.string(), v.regex(either(durationPattern), durationText)), v.pipe(v.number(), v.value(0, durationText))],
    durationText,
  ),
  v.transform((written) => parseDurationMs(String(written)) ?? Number.NaN),
  v.check((milliseconds) => !Number.isNaN(milliseconds), durationText),
);

export const durationMs = v.pipe(anyDurationMs, v.maxValue(durationMsMax, "is too long; durations go up to 596h"));

/** Milliseconds, at least `minimum` of them, which `says` in Go's form. */
export function durationMsFrom(minimum: number, says: string) {
  return v.pipe(durationMs, v.minValue(minimum, says));
}

const hundredYearsMs = 876_000 * 3_600_000;

/** How long something is kept, or how seldom it is done: months and years, too. */
export const longDurationMs = v.pipe(
  anyDurationMs,
  v.maxValue(hundredYearsMs, "is too long; it goes up to 876000h, which are a hundred years"),
);

export function longDurationMsFrom(minimum: number, says: string) {
  return v.pipe(longDurationMs, v.minValue(minimum, says));
}

export const count = v.pipe(
  v.union(
    [v.number(), v.pipe(v.string(), v.regex(either(/^\d+$/), "must be a whole number"))],
    "must be a whole number",
  ),
  v.transform(Number),
  v.safeInteger("must be a whole number"),
  v.minValue(0, "must not be negative"),
);

const sizeText = "must be a size, such as 5MiB, 100MB or a number of bytes";

export const sizeBytes = v.pipe(
  v.union([v.number(), v.pipe(v.string(), v.regex(either(sizePattern), sizeText))], sizeText),
  v.transform((written) => parseBytes(String(written)) ?? Number.NaN),
  v.safeInteger(sizeText),
);

const booleanTexts: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  false: false,
  no: false,
  off: false,
};

const booleanText = "must be true or false";
const booleanPattern = either(/^(?:true|yes|on|false|no|off)$/i);

/** Go's YAML takes `yes` and `on`, too. */
export const boolean = v.pipe(
  v.union([v.boolean(), v.pipe(v.string(), v.regex(booleanPattern, booleanText))], booleanText),
  v.transform((written) => (typeof written === "boolean" ? written : booleanTexts[written.toLowerCase()])),
  v.boolean(booleanText),
);

/** One of some words, in either case of letters. */
export function oneOf<const Words extends readonly string[]>(words: Words) {
  const listed = words.length > 1 ? `${words.slice(0, -1).join(", ")} or ${words.at(-1)}` : words.join("");
  return v.union(
    [v.picklist(words), v.pipe(v.string(), v.toLowerCase(), v.picklist(words))],
    ({ input }) => `must be ${listed}${didYouMean(String(input), words)}`,
  );
}

/** Rights of a file, as chmod counts them. */
export const permissions = v.pipe(
  v.string("must be rights in octal digits, such as 0600"),
  v.regex(/^0?o?[0-7]{3,4}$|\$/, "must be rights in octal digits, such as 0600"),
  v.transform((written) => Number.parseInt(written.replace(/^0?o/, ""), 8)),
  v.check((mode) => !Number.isNaN(mode), "must be rights in octal digits, such as 0600"),
);

function either(pattern: RegExp): RegExp {
  return new RegExp(`${pattern.source}|${variablePattern.source}`, pattern.flags);
}
