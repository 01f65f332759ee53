/** A database with replicas in folders, without loops: tests say when what happens. */
import { mkdirSync } from "node:fs";
import { expect } from "bun:test";
import { integrityCheck, rowsDigest, tempFolder, type TempFolder } from "@litestream/testkit";
import { Db } from "../../src/db/db.ts";
import type { LitestreamEventBody } from "../../src/events.ts";
import { openReplica } from "../../src/open-replica.ts";
import { SegmentsReplica } from "../../src/replica/segments-replica.ts";
import { FileReplica } from "../../src/replica/file-replica.ts";
import type { StoreReplica } from "../../src/replica/store-replica.ts";
import type { CommonReplicaOptions } from "../../src/replica-options.ts";
import { restore } from "../../src/restore/restore.ts";
import { commitElsewhere, makeDatabase } from "../child.ts";

export type Layout = "whole" | "segments";

export interface ReplicatedOptions {
  readonly layout?: Layout;
  readonly replica?: CommonReplicaOptions;
  /** A checkpoint is tried with each sync, so that each commit begins the next WAL; only on demand where absent. */
  readonly checkpoints?: boolean;
}

export class Replicated implements AsyncDisposable {
  readonly folder: TempFolder;
  readonly path: string;
  readonly db: Db;
  readonly events: LitestreamEventBody[] = [];
  readonly #options: ReplicatedOptions;

  private constructor(folder: TempFolder, options: ReplicatedOptions) {
    this.folder = folder;
    this.path = folder.join("app.db");
    this.#options = options;
    const minPageCount = options.checkpoints === true ? 1 : 1e9;
    const checkpoint = { minPageCount, maxPageCount: 0, intervalMs: 0, retryMs: 1e9, forcedRetryMs: 1e9 };
    this.db = new Db({ path: this.path, checkpoint, busyTimeoutMs: 1000 }, (event) => this.events.push(event));
  }

  static async open(options: ReplicatedOptions = {}): Promise<Replicated> {
    const replicated = new Replicated(await tempFolder(), options);
    await makeDatabase(replicated.path);
    replicated.db.open();
    return replicated;
  }

  /** A replica's life: the same name is the same folder. */
  replica(name: string = "replica", more: CommonReplicaOptions = {}): StoreReplica {
    const path = this.folder.join(name);
    mkdirSync(path, { recursive: true });
    const options = { ...this.#options.replica, ...more, name, path, retentionCheckIntervalMs: 0 };
    const emit = (event: LitestreamEventBody): void => void this.events.push(event);
    return this.#options.layout === "segments"
      ? new SegmentsReplica(this.db, { ...options, layout: "segments" }, false, emit)
      : new FileReplica(this.db, { ...options, monitorEnabled: false }, emit);
  }

  /** One more transaction, captured. */
  async commit(count: number = 1): Promise<void> {
    for (let i = 0; i < count; i++) {
      await commitElsewhere(this.path);
      this.db.sync();
    }
  }

  /** Restores the latest state and compares every row. */
  async expectLatest(name: string = "replica"): Promise<void> {
    const outputPath = this.folder.join(`restored-${crypto.randomUUID()}.db`);
    await restore({ replica: openReplica({ path: this.folder.join(name) }), outputPath });
    expect(integrityCheck(outputPath)).toBe("ok");
    expect(rowsDigest(outputPath)).toBe(rowsDigest(this.path));
  }

  ofType<T extends LitestreamEventBody["type"]>(type: T): Extract<LitestreamEventBody, { type: T }>[] {
    return this.events.filter((event): event is Extract<LitestreamEventBody, { type: T }> => event.type === type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.db.close();
    await this.folder[Symbol.asyncDispose]();
  }
}
