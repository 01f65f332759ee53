import type { DatabaseStatus } from "@litestream/core";
import { defineCommand } from "citty";
import { hasColor } from "../color.ts";
import { controlRequest } from "../control/client.ts";
import { type ControlArguments, configuredDatabases, controlFlags, runningReplicator } from "../control/connect.ts";
import type { StatusResponse } from "../control/protocol.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson } from "../listing.ts";
import { printError, printOut } from "../output.ts";
import { canonicalPath, expandPath } from "../paths.ts";
import { statusAtRest } from "../status/status-at-rest.ts";
import { statusJson } from "../status/status-json.ts";
import { areGood, formatStatus } from "../status/status-table.ts";
import { UsageError } from "../usage-error.ts";

const flags = {
  ...controlFlags,
  check: {
    type: "boolean",
    description: "Ends with exit code 1 unless a replicator runs and every replica\nis good, as health checks want it.",
  },
} as const;

const command = defineCommand({
  args: flags,
  async run({ args }): Promise<number> {
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
    { purpose: "For a health check.", command: "litestream status -check -socket /run/litestream.sock" },
    { purpose: "Of the databases of a file.", command: "litestream status -config litestream.yml" },
  ],
};

export const statusCommand: Command = { flags, help, run: (args) => invoke("status", command, flags, help, args) };
