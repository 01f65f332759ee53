import type { Command } from "./invoke.ts";
import { didYouMean } from "./nearest.ts";
import { UsageError } from "./usage-error.ts";

export interface CommandEntry {
  readonly summary: string;
  /** Commands are loaded when they run: `version` shall not wait for SQLite. */
  readonly load: () => Promise<Command>;
}

const commands: ReadonlyMap<string, CommandEntry> = new Map([
  [
    "replicate",
    {
      summary: "replicates databases continuously, until it is stopped",
      load: async () => (await import("./commands/replicate.ts")).replicateCommand,
    },
  ],
  [
    "restore",
    {
      summary: "recovers a database from a replica",
      load: async () => (await import("./commands/restore.ts")).restoreCommand,
    },
  ],
  [
    "verify",
    {
      summary: "reads all of a replica and says what can be restored",
      load: async () => (await import("./commands/verify.ts")).verifyCommand,
    },
  ],
  [
    "status",
    {
      summary: "shows how replication stands",
      load: async () => (await import("./commands/status.ts")).statusCommand,
    },
  ],
  [
    "sync",
    {
      summary: "replicates a database now",
      load: async () => (await import("./commands/sync.ts")).syncCommand,
    },
  ],
  [
    "snapshot",
    {
      summary: "takes a new snapshot of a database",
      load: async () => (await import("./commands/snapshot.ts")).snapshotCommand,
    },
  ],
  [
    "validate",
    {
      summary: "compares replicas with the live databases",
      load: async () => (await import("./commands/validate.ts")).validateCommand,
    },
  ],
  [
    "databases",
    {
      summary: "lists the databases of the configuration file",
      load: async () => (await import("./commands/databases.ts")).databasesCommand,
    },
  ],
  [
    "generations",
    {
      summary: "lists the generations of a database's replicas",
      load: async () => (await import("./commands/generations.ts")).generationsCommand,
    },
  ],
  [
    "snapshots",
    {
      summary: "lists the snapshots of a database's replicas",
      load: async () => (await import("./commands/snapshots.ts")).snapshotsCommand,
    },
  ],
  [
    "wal",
    {
      summary: "lists the WAL of a database's replicas",
      load: async () => (await import("./commands/wal.ts")).walCommand,
    },
  ],
  [
    "ltx",
    {
      summary: "lists the LTX files of replicas by Litestream 0.5",
      load: async () => (await import("./commands/ltx.ts")).ltxCommand,
    },
  ],
  [
    "config",
    {
      summary: "checks a configuration file",
      load: async () => (await import("./commands/config.ts")).configCommand,
    },
  ],
  [
    "list",
    {
      summary: "lists the databases of a running replicator",
      load: async () => (await import("./commands/list.ts")).listCommand,
    },
  ],
  [
    "info",
    {
      summary: "says which replicator runs",
      load: async () => (await import("./commands/info.ts")).infoCommand,
    },
  ],
  [
    "start",
    {
      summary: "starts replication of a database again",
      load: async () => (await import("./commands/start.ts")).startCommand,
    },
  ],
  [
    "stop",
    {
      summary: "stops replication of a database",
      load: async () => (await import("./commands/stop.ts")).stopCommand,
    },
  ],
  [
    "register",
    {
      summary: "has one more database replicated",
      load: async () => (await import("./commands/register.ts")).registerCommand,
    },
  ],
  [
    "unregister",
    {
      summary: "has a database replicated no more",
      load: async () => (await import("./commands/unregister.ts")).unregisterCommand,
    },
  ],
  [
    "version",
    { summary: "prints the version", load: async () => (await import("./commands/version.ts")).versionCommand },
  ],
  [
    "help",
    {
      summary: "shows this, or the help of a command",
      load: async () => (await import("./commands/help.ts")).helpCommand,
    },
  ],
]);

export function commandEntries(): Iterable<[string, CommandEntry]> {
  return commands.entries();
}

/** @throws UsageError for a command that does not exist. */
export async function loadCommand(name: string): Promise<Command> {
  const entry = commands.get(name);
  if (entry !== undefined) return entry.load();
  const guess = didYouMean(name, commands.keys()) || '; run "litestream help" for those there are';
  throw new UsageError(`litestream ${name}: unknown command${guess}`);
}
