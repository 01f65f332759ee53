import { litestreamBinary, type LitestreamVersion } from "@litestream/e2e/litestream-binary";
import { commandLine } from "@litestream/e2e/command";

/** How the objects of a replica are named: docs/formats. */
export type Layout = "whole" | "segments" | "ltx";

export type ReplicatorName = "ours" | LitestreamVersion;

/** A command that replicates, as all of them do: `replicate -config FILE`, and `restore -o OUTPUT REPLICA`. */
export interface Replicator {
  readonly name: ReplicatorName;
  /** The words that come before the subcommand. */
  readonly command: readonly string[];
  /** What it writes to folders. */
  readonly fileLayout: Layout;
  /** Ours notes in side files, after each fsync, what is durable (docs/formats/whole.md). */
  readonly notesDurable: boolean;
}

const ours: Replicator = { name: "ours", command: commandLine, fileLayout: "whole", notesDurable: true };

const releases: readonly { readonly name: LitestreamVersion; readonly fileLayout: Layout }[] = [
  { name: "v0.3.4", fileLayout: "whole" },
  { name: "v0.3.13", fileLayout: "segments" },
  { name: "v0.5.16", fileLayout: "ltx" },
];

/** Ours, and those releases of Litestream that are there or can be installed. */
export async function findReplicators(): Promise<Replicator[]> {
  const found = [ours];
  for (const { name, fileLayout } of releases) {
    const binary = await litestreamBinary(name);
    if (binary === undefined) console.error(`Litestream ${name} is left out: it could not be installed`);
    else found.push({ name, command: [binary], fileLayout, notesDurable: false });
  }
  return found;
}
