/** What the machine can do at best, so that a figure can be read as a distance from it. */
import { closeSync, copyFileSync, fdatasyncSync, fsyncSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { compressSync } from "lz4-napi";
import type { Measured } from "../workloads/workload.ts";
import { percentile } from "./statistics.ts";

const blockBytes = 4 << 20;
const limitTransactions = 200;

/** Compresses a file on one thread, block by block as a snapshot does, and stores nothing. */
export function lz4Alone(path: string): Measured {
  const block = Buffer.allocUnsafeSlow(blockBytes);
  const cpuBefore = process.cpuUsage();
  const startedAtMs = performance.now();
  const fd = openSync(path, "r");
  try {
    for (let size = readSync(fd, block); size > 0; size = readSync(fd, block)) {
      const { buffer } = compressSync(block.subarray(0, size));
      if (buffer instanceof ArrayBuffer) buffer.transfer(0);
    }
  } finally {
    closeSync(fd);
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  return { mbPerSecond: speed(path, startedAtMs), cpuSeconds: (user + system) / 1e6 };
}

/**
 * What each replicator has to do with a transaction at least, if it shall be durable at once: a copy of its own, one in
 * the replica, and a flush of that.
 */
export function twoCopiesAndFlush(folder: string, transactionBytes: number): Measured {
  const content = Buffer.alloc(transactionBytes, "transaction");
  const [own, replica] = ["own", "replica"].map((name) => openSync(join(folder, name), "w"));
  if (own === undefined || replica === undefined) throw new Error("two files were opened");
  const durationMs: number[] = [];
  const cpuBefore = process.cpuUsage();
  for (let n = 0; n < limitTransactions; n++) {
    const beganAtMs = performance.now();
    writeSync(own, content);
    writeSync(replica, content);
    fdatasyncSync(replica);
    durationMs.push(performance.now() - beganAtMs);
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  closeSync(own);
  closeSync(replica);
  return {
    cpuMs: (user + system) / 1000 / limitTransactions,
    writtenKB: (2 * transactionBytes) / 1000,
    p50Ms: percentile(durationMs, 0.5),
    p99Ms: percentile(durationMs, 0.99),
    maxMs: percentile(durationMs, 1),
  };
}

/** Copies a file as the kernel does it best, and flushes it. */
export function copyAndFlush(path: string, folder: string): Measured {
  const startedAtMs = performance.now();
  const copy = join(folder, "copy");
  copyFileSync(path, copy);
  const fd = openSync(copy, "r+");
  fsyncSync(fd);
  closeSync(fd);
  return { mbPerSecond: speed(path, startedAtMs) };
}

function speed(path: string, startedAtMs: number): number {
  return statSync(path).size / 1e6 / ((performance.now() - startedAtMs) / 1000);
}
