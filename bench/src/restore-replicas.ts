import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeConfigFile } from "@litestream/e2e/config-file";
import { LitestreamProcess } from "@litestream/e2e/litestream-process";
import { startReplicator } from "@litestream/e2e/replicator";
import { generateDatabase, spawnWriter } from "@litestream/testkit";

export interface ReplicaToRestore {
  readonly path: string;
  /** All objects together. */
  readonly sizeBytes: number;
  readonly objects: number;
  /** Transactions that a restore must give back. */
  readonly transactions: number;
}

/** Share of the database that is there when replication begins, and so in the snapshot. */
const snapshotShare = 0.9;
/** Stored by LZ4, content of which this share is text has about half of its size. */
const compressible = 0.6;
const pagesPerTransaction = 64;
const transactionsPerSecond = 150;
/** What one transaction adds to the database, as it came out. */
const grownBytesPerTransaction = 55_000;

/**
 * Makes the same database by the same transactions, and its replica in `folder`: by Litestream's binary, or by our
 * command. A replica that is there already is left as it is; the database does not stay.
 */
export async function makeReplica(
  folder: string,
  sizeBytes: number,
  litestream: string | undefined,
): Promise<ReplicaToRestore> {
  const transactions = Math.ceil((sizeBytes * (1 - snapshotShare)) / grownBytesPerTransaction);
  if (!existsSync(folder)) {
    const made = `${folder}.new`;
    await rm(made, { recursive: true, force: true });
    await mkdir(made);
    await replicate(made, sizeBytes * snapshotShare, transactions, litestream);
    for (const name of readdirSync(made)) {
      if (name !== "replica") await rm(join(made, name), { recursive: true });
    }
    // A run that was interrupted leaves none that looks whole.
    await rename(made, folder);
  }
  const path = join(folder, "replica");
  const sizes = sizesBelow(path);
  return { path, sizeBytes: sizes.reduce((sum, size) => sum + size, 0), objects: sizes.length, transactions };
}

async function replicate(
  folder: string,
  sizeBytes: number,
  transactions: number,
  litestream: string | undefined,
): Promise<void> {
  const [dbPath, replicaPath, workPath] = [join(folder, "app.db"), join(folder, "replica"), join(folder, "work")];
  await mkdir(workPath);
  await generateDatabase(dbPath, { sizeBytes, seed: 1, compressible });
  const write = async (): Promise<void> => {
    await using writer = await spawnWriter({
      path: dbPath,
      seed: 1,
      profile: "mixed",
      pagesPerTransaction,
      rowsMax: 1e9,
      transactions,
      rate: transactionsPerSecond,
      autocheckpointPages: 0,
      whenDone: "hold",
    });
    await writer.waitUntilDone();
    // Every replicator looks at least once a second.
    await Bun.sleep(3000);
    await writer.stop();
  };
  if (litestream === undefined) {
    await using replicator = await startReplicator({ dbPath, replicaPath, workPath });
    await replicator.waitFor(({ type }) => type === "snapshot");
    await write();
    await replicator.kill("SIGTERM");
  } else {
    const configPath = join(workPath, "litestream.yml");
    await writeConfigFile(configPath, dbPath, replicaPath);
    await using replicator = new LitestreamProcess(litestream, configPath);
    // It makes its first snapshot at its first look, and the writer waits for nobody.
    while (sizesBelow(replicaPath).length === 0) await Bun.sleep(100);
    await write();
    await replicator.kill("SIGTERM");
  }
}

function sizesBelow(folder: string): number[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => statSync(join(folder, name)))
    .filter((found) => found.isFile())
    .map(({ size }) => size);
}
