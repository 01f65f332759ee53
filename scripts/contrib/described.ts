import { commandEntries } from "litestream/commands";

/** A flag as it is written, without its dash. */
export interface DescribedFlag {
  readonly name: string;
  /** Undefined where it takes no value. */
  readonly valueHint: string | undefined;
  readonly description: string;
  /** What its value may be, if that is one of a few words. */
  readonly values: readonly string[];
}

export interface DescribedCommand {
  readonly name: string;
  readonly summary: string;
  readonly about: string;
  readonly usages: readonly string[];
  readonly examples: readonly { readonly purpose: string; readonly command: string }[];
  readonly flags: readonly DescribedFlag[];
}

/** Every command of `litestream`, in the order of its help. */
export async function describeCommands(): Promise<DescribedCommand[]> {
  return await Promise.all(
    [...commandEntries()].map(async ([name, { summary, load }]) => {
      const { flags, help } = await load();
      const described = Object.entries(flags).map(([key, flag]): DescribedFlag => {
        const isOff = flag.type === "boolean" && flag.default === true;
        const description = flag.description ?? "";
        const valueHint = flag.type === "string" ? (flag.valueHint ?? "VALUE") : undefined;
        const values = valueHint === undefined ? [] : wordsOf(description);
        return { name: isOff ? `no-${key}` : key, valueHint, description, values };
      });
      return { name, summary, about: help.about, usages: help.usages, examples: help.examples, flags: described };
    }),
  );
}

/** The words of a description that ends by naming them all: "...: quick, full or none." */
function wordsOf(description: string): string[] {
  const [, list] = /: ([a-z]+(?:, [a-z]+)* or [a-z]+)\./.exec(description) ?? [];
  return list === undefined ? [] : list.split(/, | or /);
}

/** The first sentence, on one line, for where there is room for no more. */
export function briefly(description: string): string {
  const text = description.replaceAll("\n", " ");
  return (/^.*?(?=[.:;](?:\s|$))/.exec(text)?.[0] ?? text).trim();
}
