import { isDeepStrictEqual } from "node:util";
import type { DatabaseConfig } from "../config/config.ts";
import { canonicalPath, expandPath } from "../paths.ts";
import { describeError } from "../report.ts";
import { type DatabaseContext, ManagedDatabase } from "./managed-database.ts";

/** What a change of the configuration did. */
export interface Changes {
  readonly kept: number;
  readonly started: readonly string[];
  readonly stopped: readonly string[];
  readonly failed: readonly string[];
}

/**
 * The databases of one process. Each runs by itself: what happens to one touches no other, and a change of the
 * configuration touches those that it changes.
 */
export class Supervisor {
  readonly #context: DatabaseContext;
  /** By canonical path. */
  readonly #databases = new Map<string, ManagedDatabase>();
  #isEnding = false;

  constructor(context: DatabaseContext) {
    this.#context = context;
  }

  get databases(): readonly ManagedDatabase[] {
    return [...this.#databases.values()];
  }

  find(path: string): ManagedDatabase | undefined {
    const absolute = expandPath(path);
    // One whose file is gone may have been found behind a link that no longer leads anywhere.
    return (
      this.#databases.get(canonicalPath(absolute)) ?? this.databases.find((database) => database.path === absolute)
    );
  }

  /**
   * Starts all, at once: one that waits for its database must not keep the others from starting.
   * @throws what the first of them throws that cannot be started
   */
  async start(configs: readonly DatabaseConfig[]): Promise<void> {
    await Promise.all(configs.map((config) => this.#added(config).start()));
  }

  /** Starts one more. @throws what keeps it from being replicated; then it is none of ours */
  async add(config: DatabaseConfig): Promise<void> {
    if (this.#isEnding || this.find(config.path) !== undefined) return;
    const database = this.#added(config);
    try {
      await database.start();
    } catch (error) {
      this.#forget(database);
      throw error;
    }
  }

  /** Stops one, after a last sync, and forgets it. */
  async remove(path: string): Promise<boolean> {
    const database = this.find(path);
    if (database === undefined) return false;
    await database.stop();
    this.#forget(database);
    return true;
  }

  /** Does what is different in `configs`. One that cannot be started is said, and keeps no other from it. */
  async change(configs: readonly DatabaseConfig[], isOurs: (path: string) => boolean): Promise<Changes> {
    const wanted = new Map(configs.map((config) => [canonicalPath(config.path), config]));
    const ended: ManagedDatabase[] = [];
    let kept = 0;
    for (const [place, database] of this.#databases) {
      if (!isOurs(database.path)) continue;
      if (isDeepStrictEqual(wanted.get(place), database.config) && database.engine !== undefined) {
        wanted.delete(place);
        kept++;
      } else ended.push(database);
    }
    // All are stopped before any is started: one's replica may have become another's.
    await Promise.all(
      ended.map(async (database) => {
        await database.stop();
        this.#forget(database);
      }),
    );
    const failed: string[] = [];
    const started: string[] = [];
    await Promise.all(
      [...wanted.values()].map(async (config) => {
        if (this.#isEnding) return;
        try {
          await this.#added(config).start();
          started.push(config.path);
        } catch (error) {
          failed.push(config.path);
          this.#context.log.error(`cannot be replicated: ${describeError(error)}`, config.path);
        }
      }),
    );
    return { kept, started, stopped: ended.map(({ path }) => path).filter((path) => !started.includes(path)), failed };
  }

  /** Ends all after a last sync. False when one could not be brought to a good end; the log has said which. */
  async stop(): Promise<boolean> {
    this.#isEnding = true;
    const ends = await Promise.all(this.databases.map((database) => database.stop()));
    return ends.every((end) => end === "already_stopped" || end.complete);
  }

  /** Closes all databases at once, without a last sync: for a process that is about to end. */
  closeNow(): void {
    this.#isEnding = true;
    for (const database of this.databases) database.closeNow();
  }

  #added(config: DatabaseConfig): ManagedDatabase {
    const database = new ManagedDatabase(config, this.#context);
    this.#databases.set(canonicalPath(config.path), database);
    return database;
  }

  #forget(database: ManagedDatabase): void {
    for (const [place, other] of this.#databases) {
      if (other === database) this.#databases.delete(place);
    }
  }
}
