/** A replica as we write it, made of real commits, and what each of its syncs held. */
import { rmSync } from "node:fs";
import { committedPrefix, tempFolder, type TempFolder } from "@litestream/testkit";
import { Db } from "../../src/db/db.ts";
import type { Generation } from "../../src/generation.ts";
import { StoreReplicaReader } from "../../src/layout/reader.ts";
import { FileReplica } from "../../src/replica/file-replica.ts";
import { restore, type RestoreOptions, type RestoreResult } from "../../src/restore/restore.ts";
import { FileStore } from "../../src/store/file.ts";
import { commitElsewhere, makeDatabase } from "../child.ts";

/** What was replicated when a sync had ended. */
export interface SyncedState {
  /** Milliseconds since 1970; each sync has one of its own. */
  readonly timeMs: number;
  readonly transactions: number;
}

export interface OwnReplica extends AsyncDisposable {
  readonly folder: TempFolder;
  readonly generation: Generation;
  readonly states: readonly SyncedState[];
  reader(): StoreReplicaReader;
  /** Path of a file of the generation. */
  file(name: string): string;
  restored(
    options?: Partial<RestoreOptions>,
  ): Promise<{ readonly result: RestoreResult; readonly transactions: number }>;
}

/** @param syncs commits, each of them replicated by itself; every third time the WAL is begun anew */
export async function ownReplica(syncs: number): Promise<OwnReplica> {
  const folder = await tempFolder();
  const path = folder.join("app.db");
  await makeDatabase(path);
  const checkpoint = { maxPageCount: 0, intervalMs: 0, retryMs: 1e9, forcedRetryMs: 1e9, minPageCount: 12 };
  const db = new Db({ path, checkpoint, busyTimeoutMs: 1000 }, () => undefined);
  db.open();
  const replica = new FileReplica(db, { path: folder.join("replica"), monitorEnabled: false }, () => undefined);
  const states: SyncedState[] = [];
  let transactions = 10;
  const sync = async (): Promise<void> => {
    db.sync();
    await replica.sync();
    states.push({ timeMs: Date.now(), transactions });
    await nextMillisecond();
  };
  await sync();
  const generation = db.captured()?.position.generation;
  if (generation === undefined) throw new Error("there is no generation");
  for (let i = 0; i < syncs; i++) {
    await commitElsewhere(path);
    transactions++;
    await sync();
  }
  await replica.stop();
  db.close();
  const reader = (): StoreReplicaReader =>
    new StoreReplicaReader(new FileStore(folder.join("replica")), { type: "file" });
  return {
    folder,
    generation,
    states,
    reader,
    file: (name) => folder.join("replica", "generations", generation, name),
    async restored(options = {}) {
      const outputPath = folder.join("restored.db");
      try {
        const result = await restore({ replica: reader(), outputPath, ...options });
        return { result, transactions: committedPrefix(outputPath) };
      } finally {
        rmSync(outputPath, { force: true });
      }
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function nextMillisecond(): Promise<void> {
  const before = Date.now();
  while (Date.now() <= before) await new Promise((turn) => setImmediate(turn));
}
