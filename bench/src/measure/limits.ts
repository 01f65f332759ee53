/** What the machine can do at best, so that a figure can be read as a distance from it. */
import { closeSync, copyFileSync, fsyncSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { compressSync } from "lz4-napi";
import type { Measured } from "../workloads/workload.ts";

const blockBytes = 4 << 20;

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
