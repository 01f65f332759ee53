import { defineCommand } from "citty";
import { join } from "node:path";
import { catalogue, findCatalogueEntry } from "../fixture/catalogue.ts";
import { createFixture, type CreateFixtureOptions } from "../fixture/create-fixture.ts";
import { createNamedFixture } from "../fixture/named-fixture.ts";
import type { FixtureManifest } from "../fixture/manifest.ts";
import { type FixtureOptions, fixtureProfiles } from "../fixture/options.ts";
import { Interruption } from "./interruption.ts";
import { type RunSubcommand, subcommand } from "./invoke.ts";
import { didYouMean } from "./nearest.ts";
import { printJson, printOut } from "./output.ts";
import { Progress } from "./progress.ts";
import { formatBytes, formatCount, parseInteger, parseSize } from "./size.ts";
import { UsageError } from "./usage-error.ts";

const flags = {
  name: { type: "positional", required: false, description: "A fixture of the catalogue, or all." },
  dir: { type: "positional", required: false, description: "Is made; may exist if it is empty." },
  profile: { type: "string", valueHint: "NAME", description: "What the transactions do. Default mixed." },
  seed: { type: "string", valueHint: "N", description: "Default 1." },
  "page-size": { type: "string", valueHint: "BYTES", description: "512 to 65536. Default 4096." },
  "auto-vacuum": { type: "string", valueHint: "MODE", description: "none, full or incremental. Default none." },
  "pages-per-transaction": { type: "string", valueHint: "N", description: "About so many. Default 8." },
  "rows-max": { type: "string", valueHint: "N", description: "Rows at which it stops growing. Default 10000." },
  "wal-bytes": { type: "string", valueHint: "SIZE", description: "Size of the WAL, as 64KiB or 1GB. Default 256KiB." },
  transactions: { type: "string", valueHint: "N", description: "Transactions in the WAL, instead of its size." },
  "db-bytes": { type: "string", valueHint: "SIZE", description: "Size of the database before anything else." },
  "transactions-before": { type: "string", valueHint: "N", description: "Transactions that are in no WAL." },
  restarts: { type: "string", valueHint: "N", description: "How often the WAL was begun anew." },
  "big-endian-checksum": { type: "boolean", description: "Checksums as a big-endian machine writes them." },
  checkpointed: { type: "boolean", description: "Every frame is in the database file, too." },
  tail: { type: "string", valueHint: "KIND", description: "none, uncommitted, unpublished or torn-frame." },
  json: { type: "boolean", description: "Prints JSON." },
} as const;

interface Job {
  readonly dir: string;
  readonly make: (observer: Pick<CreateFixtureOptions, "onProgress" | "signal">) => Promise<FixtureManifest>;
}

interface Outcome {
  readonly dir: string;
  readonly name: string | null;
  readonly version: number | null;
  readonly walBytes: number;
  readonly dbBytes: number;
  readonly commits: number;
  readonly durationMs: number;
  readonly walBytesPerSecond: number;
}

const command = defineCommand({
  meta: {
    name: "generate",
    description:
      "Makes a fixture in DIR: db, db-wal and manifest.json.\n" +
      "generate NAME DIR: one of the catalogue; see list. generate all DIR: each that is not large, in DIR/NAME.\n" +
      "generate --profile NAME ... DIR: one to order.",
  },
  args: flags,
  async run({ args }): Promise<number> {
    const jobs = jobsOf(args._, optionsOf(args));
    using interruption = new Interruption();
    const outcomes: Outcome[] = [];
    try {
      for (const job of jobs) {
        const outcome = await runJob(job, interruption.signal);
        outcomes.push(outcome);
        if (args.json !== true) printOut(describe(outcome));
      }
    } catch (error) {
      if (interruption.exitCode === undefined) throw error;
      return interruption.exitCode;
    }
    if (args.json === true) printJson(jobs.length === 1 && args._[0] !== "all" ? outcomes[0] : outcomes);
    return 0;
  },
});

export const generate: RunSubcommand = subcommand("generate", flags, command);

function jobsOf(words: readonly string[], options: FixtureOptions): Job[] {
  const isToOrder = Object.keys(options).length > 0;
  const [first, second, ...others] = words;
  if (others.length > 0) throw new UsageError(`generate: too many arguments: ${others.join(" ")}`);
  if (isToOrder) {
    if (first === undefined) throw new UsageError("generate: DIR is missing");
    if (second === undefined) return [toOrder(first, options)];
    throw new UsageError(`generate: a fixture to order takes DIR alone; "${first}" goes without other options`);
  }
  if (first === undefined) throw new UsageError('generate: NAME and DIR are missing; "list" shows the names');
  if (first === "all") {
    if (second === undefined) throw new UsageError("generate all: DIR is missing");
    const ordinary = catalogue.filter(({ large }) => !large);
    return ordinary.map(({ name }) => ofCatalogue(join(second, name), name));
  }
  if (findCatalogueEntry(first) === undefined) {
    const names = [...catalogue.map(({ name }) => name), "all"];
    throw new UsageError(
      `generate: unknown fixture "${first}"${didYouMean(first, names) || '; "list" shows the names'}`,
    );
  }
  if (second === undefined) throw new UsageError(`generate ${first}: DIR is missing`);
  return [ofCatalogue(second, first)];
}

function toOrder(dir: string, options: FixtureOptions): Job {
  return { dir, make: (observer) => createFixture(dir, { ...options, ...observer }) };
}

function ofCatalogue(dir: string, name: string): Job {
  return { dir, make: (observer) => createNamedFixture(dir, name, observer) };
}

async function runJob({ dir, make }: Job, signal: AbortSignal): Promise<Outcome> {
  const startMs = performance.now();
  let manifest: FixtureManifest;
  {
    using progress = new Progress();
    manifest = await make({
      signal,
      onProgress: ({ phase, bytes, totalBytes }) => progress.update(phase, bytes, totalBytes),
    });
  }
  const durationMs = Math.round(performance.now() - startMs);
  const walBytes = manifest.wal.sizeBytes;
  return {
    dir,
    name: manifest.name,
    version: manifest.version,
    walBytes,
    dbBytes: manifest.files["db"]?.sizeBytes ?? 0,
    commits: manifest.commits.length,
    durationMs,
    walBytesPerSecond: Math.round((walBytes * 1000) / Math.max(1, durationMs)),
  };
}

function describe(outcome: Outcome): string {
  const { dir, commits, walBytes, dbBytes, durationMs, walBytesPerSecond } = outcome;
  const seconds = (durationMs / 1000).toFixed(1);
  const rate = `${(walBytesPerSecond / 1e6).toFixed(1)} MB/s`;
  return (
    `${dir}: ${formatCount(commits, "commit")} in ${formatBytes(walBytes)} of WAL ` +
    `over ${formatBytes(dbBytes)} of database, in ${seconds} s (${rate} of WAL)`
  );
}

interface Flags {
  readonly [name: string]: unknown;
}

/** Only what was given: an empty object when nothing was. */
function optionsOf(args: Flags): FixtureOptions {
  const text = (flag: string): string | undefined => {
    const value = args[flag];
    return typeof value === "string" ? value : undefined;
  };
  const options: Record<string, unknown> = {};
  for (const [flag, option, parse] of parsers) {
    const value = text(flag);
    if (value !== undefined) options[option] = parse(flag, value);
  }
  if (args["big-endian-checksum"] === true) options["bigEndianChecksum"] = true;
  if (args["checkpointed"] === true) options["checkpointed"] = true;
  return options;
}

function asText(_flag: string, text: string): string {
  return text;
}

function parseProfile(_flag: string, text: string): string {
  if (fixtureProfiles().includes(text)) return text;
  const guess = didYouMean(text, fixtureProfiles()) || `; there are ${fixtureProfiles().join(", ")}`;
  throw new UsageError(`generate: unknown profile "${text}"${guess}`);
}

/** Flag, option, and the way from the one's text to the other; the values are checked where all options are. */
const parsers: readonly (readonly [string, keyof FixtureOptions, (flag: string, text: string) => string | number])[] = [
  ["profile", "profile", parseProfile],
  ["seed", "seed", parseInteger],
  ["page-size", "pageSize", parseInteger],
  ["auto-vacuum", "autoVacuum", asText],
  ["pages-per-transaction", "pagesPerTransaction", parseInteger],
  ["rows-max", "rowsMax", parseInteger],
  ["wal-bytes", "walBytes", parseSize],
  ["transactions", "transactions", parseInteger],
  ["db-bytes", "dbBytes", parseSize],
  ["transactions-before", "transactionsBefore", parseInteger],
  ["restarts", "restarts", parseInteger],
  ["tail", "tail", asText],
];
