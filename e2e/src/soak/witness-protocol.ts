/** What the witness is asked to do, one thing at a time, and what it answers; JSON over the IPC channel. */
export type WitnessRequest =
  /** Take the write lock, however long that takes, and say what the database is now. */
  | { readonly do: "hold" }
  /** While it is held: write the database, page by page, to a file. */
  | { readonly do: "dump"; readonly outputPath: string }
  | { readonly do: "release" }
  /** The number of the workload's last transaction. */
  | { readonly do: "committed" };

/** A live database while nobody else can write, as SQLite itself reads it. */
export interface Testimony {
  /** SHA-256 of all its pages. */
  readonly pagesDigest: string;
  readonly pageSize: number;
  /** Frames in the WAL that count. */
  readonly mxFrame: number;
  /** Salt-1 and salt-2 of the WAL, in hex. */
  readonly salts: string;
}

export type WitnessReply =
  | { readonly of: "ready" | "dump" | "release" }
  | { readonly of: "hold"; readonly testimony: Testimony }
  | { readonly of: "committed"; readonly transactions: number }
  | { readonly of: "error"; readonly message: string };
