import {
  type Acknowledgement,
  type ConnectionProcess,
  type SeededRandom,
  spawnConnection,
  SqlError,
} from "@litestream/testkit";
import { pause, pick } from "./loops.ts";

/** Those who use the database beside the workload's writer; none of them touches a row of the workload. */
type Neighbour = (path: string, random: SeededRandom, signal: AbortSignal) => Promise<void>;

/** Holds snapshots that grow old, so that checkpoints cannot move everything. */
export const reader: Neighbour = (path, random, signal) =>
  withConnections(path, 1000, random, signal, async (connection) => {
    await attempt(connection, "BEGIN");
    await attempt(connection, "SELECT count(*) FROM sqlite_schema");
    await pause(20 + random.below(random.below(4) === 0 ? 3000 : 300), signal);
    await attempt(connection, "COMMIT");
    await pause(random.below(300), signal);
  });

/**
 * Makes checkpoints of every mode. Those that want the WAL for themselves keep writers out while they wait, so it does
 * not wait long.
 */
export const checkpointer: Neighbour = (path, random, signal) =>
  withConnections(path, 40, random, signal, async (connection) => {
    const mode = pick(random, ["PASSIVE", "PASSIVE", "FULL", "RESTART", "TRUNCATE", "TRUNCATE"]);
    await attempt(connection, `PRAGMA wal_checkpoint(${mode})`);
    await pause(10 + random.below(250), signal);
  });

/** Writes the whole database anew. */
export const vacuumer: Neighbour = (path, random, signal) =>
  withConnections(path, 2000, random, signal, async (connection) => {
    await pause(500 + random.below(2500), signal);
    await attempt(connection, pick(random, ["VACUUM", "PRAGMA incremental_vacuum(20)"]));
  });

/** Writes to a table of its own, and rolls back what was too much for its cache and lies in the WAL already. */
export class OtherWriter {
  readonly table: string;
  readonly #path: string;
  readonly #acknowledged: Acknowledgement[] = [];

  constructor(path: string, number: number) {
    this.#path = path;
    this.table = `other_${number}`;
  }

  /** Its commits, numbered from 1, as rows of the table. */
  acknowledged(): readonly Acknowledgement[] {
    return this.#acknowledged;
  }

  async run(random: SeededRandom, signal: AbortSignal): Promise<void> {
    const write = async (connection: ConnectionProcess): Promise<void> => {
      await connection.run("PRAGMA cache_size = 10");
      await connection.run(`CREATE TABLE IF NOT EXISTS ${this.table} (n INTEGER PRIMARY KEY, data BLOB)`);
      if (random.below(8) === 0) await this.#rollBack(connection);
      else await this.#commit(connection, random.below(4000));
      if (random.below(20) === 0) {
        await connection.run(`DELETE FROM ${this.table} WHERE n < ?`, [this.#acknowledged.length - 50]);
      }
      await pause(random.below(80), signal);
    };
    await withConnections(this.#path, 60_000, random, signal, write);
  }

  async #commit(connection: ConnectionProcess, size: number): Promise<void> {
    const n = this.#acknowledged.length + 1;
    // A commit that was killed may have come true, or not: its number is used again.
    await connection.run(`INSERT OR REPLACE INTO ${this.table} VALUES (?, randomblob(?))`, [n, size]);
    this.#acknowledged.push({ n, atMs: performance.timeOrigin + performance.now() });
  }

  async #rollBack(connection: ConnectionProcess): Promise<void> {
    const rows = `WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < 60)
      INSERT INTO ${this.table} SELECT -n, randomblob(3000) FROM k`;
    await connection.run(`BEGIN IMMEDIATE; ${rows}; ROLLBACK`);
  }
}

/** Does something with a connection again and again, which now and then is closed, or killed, and replaced. */
async function withConnections(
  path: string,
  busyTimeoutMs: number,
  random: SeededRandom,
  signal: AbortSignal,
  work: (connection: ConnectionProcess) => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    const autocheckpointPages = pick(random, [0, 100, 1000]);
    await using connection = await spawnConnection({ path, busyTimeoutMs, autocheckpointPages });
    for (let uses = 5 + random.below(30); uses > 0 && !signal.aborted; uses--) await work(connection);
    if (random.below(3) > 0 || signal.aborted) continue;
    // The last use is cut short somewhere.
    const last = work(connection).catch(() => undefined);
    await pause(random.below(5), signal);
    await connection.kill();
    await last;
  }
}

/** Runs a statement that others may be in the way of: then it is left. */
async function attempt(connection: ConnectionProcess, sql: string): Promise<void> {
  try {
    await connection.run(sql);
  } catch (error) {
    if (!(error instanceof SqlError) || !/^SQLITE_(?:BUSY|LOCKED)/.test(error.code)) throw error;
  }
}
