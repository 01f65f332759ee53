/**
 * Commands of the three releases of Litestream, as their users type them, with what comes of them here: the columns of
 * lists are Litestream's own. `ls.yml`, `/data-demo/…` and the names of generations stand for those of the test.
 */
export interface Sample {
  readonly releases: readonly Release[];
  /** After `litestream`. */
  readonly args: string;
  readonly exit: 0 | 1;
  /** The first line of standard output. */
  readonly columns?: string;
  /** On standard output or standard error. */
  readonly says?: RegExp;
  /** Where it is not what these releases do, and why. */
  readonly differs?: string;
}

export type Release = "0.3.4" | "0.3.13" | "0.5.16";

const old = ["0.3.4", "0.3.13"] as const;
const all = ["0.3.4", "0.3.13", "0.5.16"] as const;
const new05 = ["0.5.16"] as const;

const generations = "name generation lag start end";
const snapshots = "replica generation index size created";
const wal = "replica generation index offset size created";
const ltx = "level min_txid max_txid size created";

export const samples: readonly Sample[] = [
  { releases: all, args: "version", exit: 0, says: /^\d+\.\d+\.\d+/ },
  {
    releases: all,
    args: "databases -config ls.yml",
    exit: 0,
    columns: "path replicas",
    differs: "0.5 says replica, of which there is one",
  },
  { releases: old, args: "generations -config ls.yml /data-demo/app.db", exit: 0, columns: generations },
  { releases: old, args: "generations file:///data-demo/replica", exit: 0, columns: generations },
  { releases: old, args: "snapshots -config ls.yml /data-demo/app.db", exit: 0, columns: snapshots },
  { releases: old, args: "snapshots file:///data-demo/replica", exit: 0, columns: snapshots },
  { releases: old, args: "wal -config ls.yml /data-demo/app.db", exit: 0, columns: wal },
  { releases: old, args: "wal -config ls.yml -generation GENERATION /data-demo/app.db", exit: 0, columns: wal },
  {
    releases: new05,
    args: "wal -config ls.yml /data-demo/app.db",
    exit: 0,
    columns: wal,
    says: /litestream ltx/,
    differs: "names ltx instead of listing what it lists",
  },
  {
    releases: new05,
    args: "generations -config ls.yml /data-demo/app.db",
    exit: 0,
    columns: generations,
    differs: "0.5 does not know it",
  },
  {
    releases: new05,
    args: "snapshots -config ls.yml /data-demo/app.db",
    exit: 0,
    columns: snapshots,
    differs: "0.5 does not know it",
  },
  { releases: new05, args: "ltx -config ls.yml /data-demo/app.db", exit: 0, columns: ltx },
  { releases: new05, args: "ltx -level all -config ls.yml /data-demo/app.db", exit: 0, columns: ltx },
  { releases: new05, args: "ltx -level 9 file:///data-demo/replica", exit: 0, columns: ltx },
  { releases: new05, args: "ltx -level 1 -json file:///data-demo/replica", exit: 0, says: /"min_txid": "0{15}1"/ },
  {
    releases: new05,
    args: "status -config ls.yml",
    exit: 0,
    columns: "database status replica lag position wal size",
    differs: "each replica has its own line, and a position instead of a local txid",
  },
  { releases: ["0.3.4"], args: "restore -v -o out1.db -config ls.yml /data-demo/app.db", exit: 0, says: /restored / },
  { releases: ["0.3.4"], args: "restore -v -o out1.db file:///data-demo/replica", exit: 1, says: /already/ },
  {
    releases: ["0.3.13"],
    args: "restore -v -o out0.db file:///data-demo/replica",
    exit: 0,
    says: /restored /,
    differs: "0.3.13 has no -v",
  },
  {
    releases: new05,
    args: "restore -v -o out2.db file:///data-demo/replica",
    exit: 0,
    says: /restored /,
    differs: "0.5 has no -v",
  },
  { releases: ["0.3.13", "0.5.16"], args: "restore -o out1.db file:///data-demo/replica", exit: 0 },
  { releases: ["0.3.13", "0.5.16"], args: "restore -o out1.db file:///data-demo/replica", exit: 1, says: /already/ },
  {
    releases: ["0.3.13", "0.5.16"],
    args: "restore -if-db-not-exists -o out1.db file:///data-demo/replica",
    exit: 0,
    says: /database already exists, skipping/,
  },
  { releases: ["0.3.4"], args: "restore -o out2.db file:///data-demo/replica", exit: 0 },
  { releases: old, args: "restore -o out3.db -generation GENERATION -index 1 file:///data-demo/replica", exit: 0 },
  {
    releases: old,
    args: "restore -o out7.db -index 1 file:///data-demo/replica",
    exit: 1,
    says: /generation/,
    differs: "an index alone is refused: each generation counts its own",
  },
  {
    releases: all,
    args: "restore -o out4.db -timestamp 2000-01-01T00:00:00Z file:///data-demo/replica",
    exit: 1,
    says: /2000-01-01/,
  },
  {
    releases: old,
    args: "restore -if-replica-exists -o out5.db -timestamp 2000-01-01T00:00:00Z file:///data-demo/replica",
    exit: 1,
    says: /2000-01-01/,
    differs: "there is a backup, but none of that time: success would begin an empty database beside it",
  },
  {
    releases: all,
    args: "restore -o out6.db file:///data-demo/nothing",
    exit: 1,
    says: /no (?:matching )?backups? found/,
  },
  {
    releases: all,
    args: "restore -if-replica-exists -o out6.db file:///data-demo/nothing",
    exit: 0,
    says: /no (?:matching )?backups? found/,
  },
  {
    releases: all,
    args: "restore -o out7.db -timestamp yesterday file:///data-demo/replica",
    exit: 1,
    says: /yesterday/,
  },
  { releases: all, args: "restore", exit: 1, says: /database path or replica URL required/ },
  { releases: all, args: "restore a b", exit: 1, says: /too many arguments/ },
  { releases: ["0.3.13", "0.5.16"], args: "restore file:///data-demo/replica", exit: 1, says: /output path required/ },
  {
    releases: ["0.3.4"],
    args: "restore -o x.db /data-demo/unknown.db",
    exit: 1,
    says: /unknown\.db/,
  },
  {
    releases: all,
    args: "restore -config ls.yml /data-demo/unknown.db",
    exit: 1,
    says: /database not found in config: /,
  },
  {
    releases: new05,
    args: "restore -dry-run -o out3.db file:///data-demo/replica",
    exit: 0,
    says: /Restore plan:[^]*Files to fetch:/,
  },
  {
    releases: new05,
    args: "restore -json -integrity-check full -txid 0000000000000004 -o out4.db file:///data-demo/replica",
    exit: 0,
    says: /"txid": "0000000000000004"[^]*"integrity_check": "full"/,
  },
  { releases: new05, args: "restore -txid 4 -o out5.db file:///data-demo/replica", exit: 1, says: /"4"/ },
  { releases: new05, args: "restore -txid 00000000000000ff -o out5.db file:///data-demo/replica", exit: 1 },
  { releases: all, args: "help", exit: 0, says: /The commands are:/, differs: "0.3 exits with 1" },
  { releases: all, args: "bogus", exit: 1, says: /unknown command/ },
  { releases: old, args: "generations", exit: 1, says: /database path or replica URL required/ },
  ...["wal", "restore", "replicate", "databases", "snapshots", "generations"].map((command): Sample => ({
    releases: old,
    args: `${command} -h`,
    exit: 0,
    says: new RegExp(`litestream ${command}`),
    differs: "0.3 exits with 1",
  })),
  ...["ltx", "restore", "replicate", "databases"].map((command): Sample => ({
    releases: new05,
    args: `${command} -h`,
    exit: 0,
    says: new RegExp(`litestream ${command}`),
  })),
  {
    releases: new05,
    args: "list -config ls.yml",
    exit: 1,
    says: /no replicator listens at/,
    differs: "-config names the socket",
  },
  {
    releases: new05,
    args: "info -config ls.yml",
    exit: 1,
    says: /no replicator listens at/,
    differs: "-config names the socket",
  },
];
