import { spawnConnection, spawnWriter, type TempFolder, type WriterOptions } from "@litestream/testkit";

/** Runs statements on a connection of another process. @returns the rows of the last one */
export async function sqlElsewhere(path: string, ...statements: string[]): Promise<Record<string, unknown>[]> {
  await using connection = await spawnConnection({ path, persistWal: true, busyTimeoutMs: 5000 });
  let rows: Record<string, unknown>[] = [];
  for (const sql of statements) rows = await connection.all(sql);
  return rows;
}

export interface MadeDatabase {
  readonly pageSize?: number;
  readonly transactions?: number;
}

/** Makes a WAL database by a workload, in another process, whose WAL is left as it is. */
export async function makeDatabase(path: string, options: MadeDatabase = {}): Promise<void> {
  await writeElsewhere({ path, ...options, transactions: options.transactions ?? 10 });
}

/** Makes `app.db` in the folder. @returns its path */
export async function databaseIn(folder: TempFolder, options?: MadeDatabase): Promise<string> {
  const path = folder.join("app.db");
  await makeDatabase(path, options);
  return path;
}

/** Commits the next transaction of the workload from another process, which checkpoints nothing. */
export async function commitElsewhere(path: string): Promise<void> {
  await writeElsewhere({ path, transactions: 1 });
}

/** The transactions that the database holds, as another process sees them. */
export async function transactionsElsewhere(path: string): Promise<unknown> {
  const [row] = await sqlElsewhere(path, "SELECT count(*) AS transactions FROM marker");
  return row?.["transactions"];
}

/** The writer is killed when it is done: closing would checkpoint. */
async function writeElsewhere(options: Omit<WriterOptions, "seed">): Promise<void> {
  const settings = { seed: 1, pagesPerTransaction: 3, synchronous: "off", autocheckpointPages: 0 } as const;
  await using writer = await spawnWriter({ ...settings, ...options, whenDone: "hold" });
  await writer.waitUntilDone();
  await writer.kill();
}
