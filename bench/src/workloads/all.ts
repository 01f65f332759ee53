import { catchUp } from "./catch-up.ts";
import { commitLag } from "./commit-lag.ts";
import { firstSnapshot } from "./first-snapshot.ts";
import { byBacklog } from "./growth/by-backlog.ts";
import { byDatabaseSize } from "./growth/by-database-size.ts";
import { byDatabases } from "./growth/by-databases.ts";
import { byReplicas } from "./growth/by-replicas.ts";
import { byWalLength } from "./growth/by-wal-length.ts";
import { idle } from "./idle.ts";
import { objectStore, objectStoreCost } from "./object-store.ts";
import { restore } from "./restore.ts";
import { sizeOnDisk } from "./size-on-disk.ts";
import { startUp } from "./start-up.ts";
import { transactionCost } from "./transaction-cost.ts";
import type { Workload } from "./workload.ts";
import { writerSpeed } from "./writer-speed.ts";

/** In the order of docs/benchmarks.md. */
export const workloads: readonly Workload[] = [
  commitLag,
  transactionCost,
  catchUp,
  writerSpeed,
  firstSnapshot,
  restore,
  idle,
  startUp,
  sizeOnDisk,
  objectStore,
  objectStoreCost,
  byDatabaseSize,
  byWalLength,
  byDatabases,
  byReplicas,
  byBacklog,
];
