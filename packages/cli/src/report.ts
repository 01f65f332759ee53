import { oneLine } from "./output.ts";

/** What any thrown value has to say to a person: what failed, then what to do. One line, or one for each problem. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  if ("lines" in error && Array.isArray(error.lines))
    return error.lines.map((line) => oneLine(String(line))).join("\n");
  const hint = "hint" in error && typeof error.hint === "string" ? error.hint : undefined;
  return oneLine(withHint(error.message || error.name, hint));
}

export function withHint(message: string, hint: string | undefined): string {
  if (hint === undefined) return message;
  return /[.!?]$/.test(message) ? `${message} ${hint}` : `${message}. ${hint}`;
}

/** The stack as well, for whoever set LITESTREAM_DEBUG to find a bug. */
export function debugStack(error: unknown): string | undefined {
  if (!process.env["LITESTREAM_DEBUG"] || !(error instanceof Error)) return undefined;
  return Bun.inspect(error);
}
