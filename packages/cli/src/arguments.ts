import type { ArgsDef } from "citty";
import { didYouMean } from "./nearest.ts";
import { UsageError } from "./usage-error.ts";

export interface NormalArguments {
  /** True when `-h` or `-help` is among the flags. */
  readonly help: boolean;
  /** The same arguments in the one form that citty reads: `--name=value`, `--name`, then `--` and the rest. */
  readonly rawArgs: readonly string[];
}

/**
 * Reads arguments as Go's flag package does, which Litestream's users know: one dash or two, `-name value` or
 * `-name=value`. Unlike there, flags may follow other arguments.
 * @throws UsageError for a flag that is unknown or lacks its value.
 */
export function normalizeArguments(command: string, args: readonly string[], definitions: ArgsDef): NormalArguments {
  const flags = new Map<string, Flag>();
  for (const [name, definition] of Object.entries(definitions)) {
    const takesValue = definition.type === "string";
    // citty knows a flag that is on unless `no-` stands before it by the name without.
    const written = definition.type === "boolean" && definition.default === true ? `no-${name}` : name;
    flags.set(written, { takesValue, valueHint: definition.valueHint ?? "VALUE" });
  }
  const known = (): Iterable<string> => flags.keys();

  const rawArgs: string[] = [];
  const others: string[] = [];
  const rest = [...args];
  let help = false;
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--") {
      others.push(...rest);
      break;
    }
    const [, name, attached] = /^--?([^=]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (name === undefined || !arg.startsWith("-")) {
      others.push(arg);
      continue;
    }
    const flag = flags.get(name);
    if (flag === undefined) {
      if (name === "h" || name === "help") {
        help = true;
        continue;
      }
      const guess = didYouMean(name, known(), "-") || `; run "litestream ${command} -help" for those there are`;
      throw new UsageError(`litestream ${command}: unknown flag -${name}${guess}`);
    }
    if (flag.takesValue) {
      const value = attached ?? rest.shift();
      const isFlag = attached === undefined && value !== undefined && /^-./.test(value);
      if (value === undefined || value === "" || isFlag) {
        throw new UsageError(`litestream ${command}: the flag -${name} needs a value: -${name} ${flag.valueHint}`);
      }
      rawArgs.push(`--${name}=${value}`);
    } else if (attached === undefined || parseBoolean(command, name, attached)) {
      rawArgs.push(`--${name}`);
    }
  }
  return { help, rawArgs: [...rawArgs, "--", ...others] };
}

interface Flag {
  readonly takesValue: boolean;
  readonly valueHint: string;
}

/** The texts that Go's strconv.ParseBool takes. */
function parseBoolean(command: string, name: string, text: string): boolean {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(?:0|f|F|false|FALSE|False)$/.test(text)) return false;
  throw new UsageError(`litestream ${command}: the flag -${name} is either on or off, not "${text}"`);
}
