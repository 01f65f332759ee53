import type { DatabaseStatus } from "@litestream/core";
import { defineCommand } from "citty";
import { hasColor } from "../color.ts";
import { controlRequest } from "../control/client.ts";
import { type ControlArguments, configuredDatabases, controlFlags, runningReplicator } from "../control/connect.ts";
import type { StatusResponse } from "../control/protocol.ts";
import { Interrupt } from "../interrupt.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson } from "../listing.ts";
import { printError, printOut } from "../output.ts";
import { withoutSecrets } from "../secrets.ts";
import { canonicalPath, expandPath } from "../paths.ts";
import { statusAtRest } from "../status/status-at-rest.ts";
import { statusJson } from "../status/status-json.ts";
import { LagLines } from "../status/lag-lines.ts";
import { areGood, formatStatus } from "../status/status-table.ts";
import { watch } from "../status/watch.ts";
import { UsageError } from "../usage-error.ts";

const flags = {
  ...controlFlags,
  check: {
    type: "boolean",
    description: "Ends with exit code 1 unless a replicator runs and every replica\nis good, as health checks want it.",
  },
  watch: {
    type: "boolean",
    description: "Shows it anew each second, with the lag of the last minutes, until it is\ninterrupted.",
  },
} as const;

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
    if (args.watch === true) return watchStatus(args);
    const { databases, isRunning } = await find(args);
    const exitCode = args.check === true && !(isRunning && areGood(databases)) ? 1 : 0;
    if (args.json === true) {
      printJson(databases.map(statusJson));
      return exitCode;
    }
    const { stdout } = process;
    const columns = stdout.isTTY ? stdout.columns || 80 : undefined;
    printOut(formatStatus(databases, { columns, isColored: hasColor(stdout), isRunning }));
    if (!isRunning) {
      printError("no replicator was asked, for none listens at the control socket: this is what the replicas hold");
    }
    return exitCode;
  },
});

/** Bars of lag in a line: less than two minutes. */
const looksMax = 100;

async function watchStatus(args: ControlArguments & { readonly json?: boolean | undefined }): Promise<number> {
  const { stdout } = process;
  const isTerminal = stdout.isTTY;
  const size = (): { columns: number; rows: number } => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 });
  const lag = new LagLines(Math.min(looksMax, Math.max(10, Math.floor(size().columns / 3))));
  using interrupt = new Interrupt();
  await watch({
    draw: async () => {
      const { databases, isRunning } = await find(args);
      if (args.json === true) return JSON.stringify(databases.map(statusJson));
      lag.note(databases);
      const { columns, rows } = size();
      const options = { columns: isTerminal ? columns : undefined, isColored: hasColor(stdout), isRunning };
      const table = formatStatus(databases, options);
      const lines = lag.lines(databases, Math.max(3, rows - table.split("\n").length - 3));
      return [
        table,
        "",
        ...lines.map((line) => (isTerminal ? Array.from(line).slice(0, columns).join("") : line)),
      ].join("\n");
    },
    write: (text) => stdout.write(withoutSecrets(text)),
    isTerminal,
    rows: () => size().rows,
    signal: interrupt.signal,
  });
  // It was asked to end, and did.
  return 0;
}

async function find(args: ControlArguments): Promise<{ databases: readonly DatabaseStatus[]; isRunning: boolean }> {
  const client = await runningReplicator("status", args);
  if (client === undefined) {
    const configured = await configuredDatabases("status", args);
    return { databases: await Promise.all(configured.map(statusAtRest)), isRunning: false };
  }
  const { databases } = await controlRequest<StatusResponse>(client, "GET", "/status");
  if (args._.length === 0) return { databases, isRunning: true };
  const wanted = args._.map((path) => canonicalPath(expandPath(path)));
  const chosen = databases.filter(({ path }) => wanted.includes(canonicalPath(path)));
  if (chosen.length === 0) throw new UsageError(`the replicator does not replicate ${args._.join(", ")}`);
  return { databases: chosen, isRunning: true };
}

const help: CommandHelp = {
  about: [
    "Shows how replication stands: of the replicator that listens at the control socket, or else, from the",
    "configuration file, what the replicas hold. Lag is the age of the oldest commit that a replica lacks.",
  ].join("\n"),
  usages: ["[arguments] [DB_PATH...]"],
  examples: [
    { purpose: "Of a running replicator.", command: "litestream status -socket /run/litestream.sock" },
    { purpose: "The same, anew each second.", command: "litestream status -watch -socket /run/litestream.sock" },
    { purpose: "For a health check.", command: "litestream status -check -socket /run/litestream.sock" },
    { purpose: "Of the databases of a file.", command: "litestream status -config litestream.yml" },
  ],
};

export const statusCommand: Command = { flags, help, run: (args) => invoke("status", command, flags, help, args) };
