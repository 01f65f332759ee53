import { type FSWatcher, watch } from "node:fs";
import { join } from "node:path";
import { errorMessage, isLitestreamError } from "@litestream/core";
import type { DirectoryConfig } from "../config/config.ts";
import type { Log } from "../log/log.ts";
import { describeError } from "../report.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { databaseIn, makeReplicaFolders } from "./place.ts";
import { type Candidate, type Scan, scanDirectory } from "./scan.ts";

/** Changes that come together are looked at together. */
const settleMs = 20;
/** For when the system tells nothing of a change. */
const pollMs = 1000;
/** A database that could not be started is tried again after this time, and then after twice as long each time. */
const retryMsMin = 1000;
const retryMsMax = 60_000;

/** A file that is not replicated, and why. */
type Refusal =
  /** No database, until it is another file or has other content. */
  | { readonly kind: "no database"; readonly signature: string }
  | { readonly kind: "failed"; readonly waitMs: number; readonly retryAtMs: number };

/**
 * The databases of a folder: finds those that are there, and follows what comes and goes while it is watched. A file is
 * a database if core can replicate it; nothing else opens it.
 */
export class DirectoryWatch implements AsyncDisposable {
  readonly directory: DirectoryConfig;
  readonly #supervisor: Supervisor;
  readonly #log: Log;
  /** What we have put into the supervisor, by path. */
  readonly #found = new Map<string, Candidate>();
  readonly #refused = new Map<string, Refusal>();
  readonly #watchers = new Map<string, FSWatcher>();
  #poll: ReturnType<typeof setInterval> | undefined;
  #settling: ReturnType<typeof setTimeout> | undefined;
  #looking: Promise<void> = Promise.resolve();
  #isEnded = false;

  constructor(directory: DirectoryConfig, supervisor: Supervisor, log: Log) {
    this.directory = directory;
    this.#supervisor = supervisor;
    this.#log = log;
  }

  /** Starts what is there, and begins to watch. */
  async start(): Promise<void> {
    await this.look();
    const { dir, isWatched } = this.directory;
    this.#log.info(`${dir}: found ${this.#found.size} databases${isWatched ? ", and watching for more" : ""}`);
    if (isWatched && !this.#isEnded) this.#poll = setInterval(() => this.#soon(), pollMs);
  }

  /** Whether a database is in the supervisor because of this folder. */
  has(path: string): boolean {
    return this.#found.has(path);
  }

  /** Looks at the folder, and starts and stops what has come and gone. One look at a time. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look());
    return this.#looking;
  }

  /** Ends watching; its databases go on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnded = true;
    clearInterval(this.#poll);
    clearTimeout(this.#settling);
    for (const watcher of this.#watchers.values()) watcher.close();
    await this.#looking;
  }

  /** Stops its databases, after a last sync each. */
  async stopDatabases(): Promise<void> {
    await Promise.all([...this.#found.keys()].map((path) => this.#supervisor.remove(path)));
    this.#found.clear();
  }

  #soon(): void {
    if (this.#settling !== undefined || this.#isEnded) return;
    this.#settling = setTimeout(() => {
      this.#settling = undefined;
      this.look().catch((error: unknown) => this.#log.error(`${this.directory.dir}: ${describeError(error)}`));
    }, settleMs);
  }

  async #look(): Promise<void> {
    if (this.#isEnded) return;
    let scan: Scan;
    try {
      scan = scanDirectory(this.directory);
    } catch (error) {
      // A disk that is gone for a moment is no reason to let go of its databases: they wait by themselves.
      this.#log.warn(`${this.directory.dir}: cannot be read: ${errorMessage(error)}`);
      return;
    }
    // Watched before it is looked at again: what comes in between is seen by one of the two.
    if (this.directory.isWatched && this.#watch(scan.folders)) this.#soon();
    await this.#stopGone(scan.candidates);
    await this.#startNew(scan.candidates);
  }

  async #stopGone(there: ReadonlyMap<string, Candidate>): Promise<void> {
    for (const path of this.#refused.keys()) {
      if (!there.has(path)) this.#refused.delete(path);
    }
    const gone = [...this.#found.keys()].filter((path) => !there.has(path));
    await Promise.all(
      gone.map(async (path) => {
        this.#log.info("was taken out of the watched folder: last sync", path);
        await this.#supervisor.remove(path);
        this.#found.delete(path);
      }),
    );
  }

  async #startNew(there: ReadonlyMap<string, Candidate>): Promise<void> {
    const identities = new Set([...this.#found.values()].map(({ identity }) => identity));
    const started: Promise<void>[] = [];
    for (const [path, candidate] of there) {
      if (this.#found.has(path)) {
        this.#found.set(path, candidate);
        continue;
      }
      // By another name, it is replicated already: two replicators would fight over one database.
      if (identities.has(candidate.identity) || this.#supervisor.find(path) !== undefined) continue;
      if (this.#isRefused(path, candidate)) continue;
      identities.add(candidate.identity);
      started.push(this.#startOne(path, candidate));
    }
    await Promise.all(started);
  }

  #isRefused(path: string, { signature }: Candidate): boolean {
    const refusal = this.#refused.get(path);
    if (refusal === undefined) return false;
    return refusal.kind === "no database" ? refusal.signature === signature : performance.now() < refusal.retryAtMs;
  }

  async #startOne(path: string, candidate: Candidate): Promise<void> {
    const config = databaseIn(this.directory, path);
    try {
      makeReplicaFolders(this.directory, config);
      await this.#supervisor.add(config);
      this.#found.set(path, candidate);
      this.#refused.delete(path);
    } catch (error) {
      if (isLitestreamError(error, "DATABASE_INVALID")) {
        this.#refused.set(path, { kind: "no database", signature: candidate.signature });
        this.#log.debug(`left out: ${describeError(error)}`, path);
        return;
      }
      const last = this.#refused.get(path);
      const waitMs = last?.kind === "failed" ? Math.min(2 * last.waitMs, retryMsMax) : retryMsMin;
      this.#refused.set(path, { kind: "failed", waitMs, retryAtMs: performance.now() + waitMs });
      this.#log.error(`cannot be replicated yet: ${describeError(error)}`, path);
    }
  }

  /** Watches each folder; true when there is a new one. */
  #watch(folders: readonly string[]): boolean {
    for (const [folder, watcher] of this.#watchers) {
      if (folders.includes(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    let isNew = false;
    for (const folder of folders) {
      if (this.#watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, (event, name) => {
          // Content changes with every commit, and matters of what was no database; names come and go with files.
          if (event === "rename" || (name !== null && this.#refused.has(join(folder, name)))) this.#soon();
        });
        watcher.on("error", () => this.#unwatch(folder));
        this.#watchers.set(folder, watcher);
        isNew = true;
      } catch {
        // The poll sees what it holds.
      }
    }
    return isNew;
  }

  #unwatch(folder: string): void {
    this.#watchers.get(folder)?.close();
    this.#watchers.delete(folder);
  }
}
