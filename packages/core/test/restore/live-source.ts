/** A database that is replicated step by step, as we write replicas: for whoever follows one. */
import { rmSync } from "node:fs";
import { type TempFolder, tempFolder } from "@litestream/testkit";
import { Db } from "../../src/db/db.ts";
import { StoreReplicaReader } from "../../src/layout/reader.ts";
import { FileReplica } from "../../src/replica/file-replica.ts";
import { FileStore } from "../../src/store/file.ts";
import { commitElsewhere, makeDatabase } from "../child.ts";

export class LiveSource implements AsyncDisposable {
  readonly folder: TempFolder;
  transactions = 10;
  #db: Db | undefined;
  #replica: FileReplica | undefined;

  private constructor(folder: TempFolder) {
    this.folder = folder;
  }

  static async start(): Promise<LiveSource> {
    const source = new LiveSource(await tempFolder());
    await makeDatabase(source.path);
    source.#open();
    await source.sync();
    return source;
  }

  get path(): string {
    return this.folder.join("app.db");
  }

  get replicaPath(): string {
    return this.folder.join("replica");
  }

  get copyPath(): string {
    return this.folder.join("copy.db");
  }

  reader(): StoreReplicaReader {
    return new StoreReplicaReader(new FileStore(this.replicaPath), { type: "file" });
  }

  /** Commits, each replicated by itself; every few the WAL begins anew. */
  async commit(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await commitElsewhere(this.path);
      this.transactions++;
      await this.sync();
    }
  }

  async sync(): Promise<void> {
    this.#db?.sync();
    await this.#replica?.sync();
  }

  /** As after the meta directory was lost. */
  async beginGeneration(): Promise<void> {
    await this.#close();
    rmSync(this.folder.join(".app.db-litestream"), { recursive: true });
    this.#open();
    await this.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await this.folder[Symbol.asyncDispose]();
  }

  #open(): void {
    const checkpoint = { maxPageCount: 0, intervalMs: 0, retryMs: 1e9, forcedRetryMs: 1e9, minPageCount: 12 };
    this.#db = new Db({ path: this.path, checkpoint, busyTimeoutMs: 1000 }, () => undefined);
    this.#db.open();
    this.#replica = new FileReplica(this.#db, { path: this.replicaPath, monitorEnabled: false }, () => undefined);
  }

  async #close(): Promise<void> {
    await this.#replica?.stop();
    this.#db?.close();
  }
}
