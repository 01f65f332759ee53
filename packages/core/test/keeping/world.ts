/** A database and two replicas in folders, one of each layout, in a time of their own. */
import { Database } from "bun:sqlite";
import { setSystemTime } from "bun:test";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { type TempFolder, Workload } from "@litestream/testkit";
import { Db } from "../../src/db/db.ts";
import type { LitestreamEventBody } from "../../src/events.ts";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { openReplica } from "../../src/open-replica.ts";
import { formatPosition } from "../../src/position.ts";
import { FileReplica } from "../../src/replica/file-replica.ts";
import { SegmentsReplica } from "../../src/replica/segments-replica.ts";
import type { StoreReplica } from "../../src/replica/store-replica.ts";
import type { ReplicaReader } from "../../src/replica-reader.ts";
import { restore, type RestorePointOptions } from "../../src/restore/restore.ts";
import type { ShadowNeed } from "../../src/shadow/release.ts";

/** The replicator is gone: nothing that it still does reaches a file. */
class Dead extends Error {}

const names = ["whole", "segments"] as const;

export class World implements Disposable {
  readonly #folder: TempFolder;
  readonly #database: Database;
  readonly #workload: Workload;
  readonly #retentionMs: number;
  readonly events: LitestreamEventBody[] = [];
  /** SHA-256 of the pages of the database at each position that was captured, by its text. */
  readonly captured: Map<string, string> = new Map();
  /** As the world has it: milliseconds since 1970. */
  #nowMs = Date.UTC(2030, 0, 1);
  #db: Db;
  #replicas: readonly StoreReplica[] = [];
  #diesAfter: number | undefined;

  constructor(folder: TempFolder, seed: number, retentionMs: number) {
    this.#folder = folder;
    this.#retentionMs = retentionMs;
    this.#database = new Database(folder.join("app.db"), { create: true });
    this.#database.run("PRAGMA page_size = 1024");
    this.#database.run("PRAGMA journal_mode = wal");
    this.#database.run("PRAGMA synchronous = off");
    this.#database.run("PRAGMA wal_autocheckpoint = 0");
    this.#workload = new Workload(this.#database, { seed, pageSize: 1024 });
    this.#workload.commit(2);
    setSystemTime(this.#nowMs);
    this.#db = this.#open();
    this.#capture();
  }

  get db(): Db {
    return this.#db;
  }

  replica(number: number): StoreReplica {
    const replica = this.#replicas[number];
    if (replica === undefined) throw new Error(`no replica ${number}`);
    return replica;
  }

  /** Without the database beside it. */
  reader(number: number): ReplicaReader {
    return openReplica({ path: this.#replicaPath(number) });
  }

  commit(transactions: number): void {
    this.#workload.commit(transactions);
    this.#capture();
  }

  release(sizeBytesMax: number): void {
    this.#db.releaseWal(
      this.#replicas.map((replica): ShadowNeed => {
        return { ...replica.shadowNeed(), sizeBytesMax: () => sizeBytesMax };
      }),
    );
  }

  pass(minutes: number): void {
    this.#nowMs += minutes * 60_000;
    setSystemTime(this.#nowMs);
  }

  dieInNext(afterOperations: number): void {
    this.#diesAfter = afterOperations;
  }

  restart(generation: "same" | "other"): void {
    this.#db.close();
    if (generation === "other") rmSync(this.#folder.join(".app.db-litestream"), { recursive: true, force: true });
    this.#db = this.#open();
    this.#capture();
  }

  /** @returns undefined when the replicator died in it, and another one has taken over */
  async write<T>(work: () => Promise<T>): Promise<T | undefined> {
    const diesAfter = this.#diesAfter;
    this.#diesAfter = undefined;
    let operations = 0;
    let isDead = false;
    let isStamped = true;
    let result: T | undefined;
    {
      using _ = handleFaultPoints((point) => {
        if (point.kind !== "file" || !point.path.includes("/replicas/")) return;
        if (point.operation === "list" && !isStamped) {
          this.#stamp();
          isStamped = true;
        }
        if (["open", "read", "list"].includes(point.operation)) return;
        isStamped = false;
        if (operations++ === diesAfter) isDead = true;
        if (isDead) throw new Dead("the replicator is dead");
      });
      try {
        result = await work();
      } catch (error) {
        if (!isDead) throw error;
      }
      for (const replica of this.#replicas) await replica.settled();
    }
    this.#stamp();
    if (!isDead) return result;
    this.restart("same");
    return undefined;
  }

  /** SHA-256 of the pages of the database as it is. */
  pages(): string {
    return digest(this.#database.serialize());
  }

  /** SHA-256 of the pages of a state. @throws what `restore` throws */
  async restoredPages(number: number, point: Omit<RestorePointOptions, "replica">): Promise<string> {
    const outputPath = this.#folder.join("restored.db");
    rmSync(outputPath, { force: true });
    await restore({ replica: this.reader(number), outputPath, integrityCheck: "none", parallelism: 1, ...point });
    return digest(readFileSync(outputPath));
  }

  [Symbol.dispose](): void {
    setSystemTime();
    this.#db.close();
    this.#workload[Symbol.dispose]();
    this.#database.close();
  }

  #capture(): void {
    this.#db.sync();
    const position = this.#db.captured()?.position;
    if (position !== undefined) this.captured.set(formatPosition(position), this.pages());
  }

  #open(): Db {
    const checkpoint = { minPageCount: 20, maxPageCount: 0, intervalMs: 0, retryMs: 0, forcedRetryMs: 1e9 };
    const emit = (event: LitestreamEventBody): void => void this.events.push(event);
    const db = new Db({ path: this.#folder.join("app.db"), checkpoint, busyTimeoutMs: 1000 }, emit);
    db.open();
    const options = { retentionMs: this.#retentionMs };
    this.#replicas = names.map((name, number) => {
      const path = this.#replicaPath(number);
      mkdirSync(path, { recursive: true });
      return name === "whole"
        ? new FileReplica(db, { ...options, path, name, monitorEnabled: false }, emit)
        : new SegmentsReplica(db, { ...options, path, name, layout: "segments" }, false, emit);
    });
    return db;
  }

  #replicaPath(number: number): string {
    return this.#folder.join("replicas", names[number] ?? "");
  }

  /** Files that were written in the time outside get the world's. */
  #stamp(): void {
    const root = this.#folder.join("replicas");
    for (const name of readdirSync(root, { recursive: true }) as string[]) {
      const path = join(root, name);
      const file = statSync(path);
      // The world's time lies years ahead.
      if (!file.isFile() || file.mtimeMs > Date.UTC(2029, 0, 1)) continue;
      utimesSync(path, this.#nowMs / 1000, this.#nowMs / 1000);
    }
  }
}

function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
