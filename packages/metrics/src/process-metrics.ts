import { readdirSync, readFileSync } from "node:fs";
import { Counter, Gauge, type Registry } from "prom-client";

/**
 * What Litestream serves of its process, by the same names; those of the Go runtime have no counterpart. prom-client's
 * own set is not taken: it measures the event loop by a timer, and so wakes an idle process a hundred times a second.
 */
const gauges: readonly (readonly [name: string, help: string, read: () => number | undefined])[] = [
  ["process_resident_memory_bytes", "Resident memory in bytes", () => process.memoryUsage.rss()],
  ["process_virtual_memory_bytes", "Virtual memory in bytes", virtualMemoryBytes],
  ["process_open_fds", "Open file descriptors", () => readdirSync("/proc/self/fd").length],
  ["process_max_fds", "Most file descriptors that may be open", maxDescriptors],
  ["process_start_time_seconds", "When the process started, in seconds since 1970", startTimeSeconds],
];

export function collectProcessMetrics(registry: Registry): void {
  for (const [name, help, read] of gauges) {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect: () => {
        const value = valueOf(read);
        if (value === undefined) gauge.remove();
        else gauge.set(value);
      },
    });
  }
  const cpu: Counter = new Counter({
    name: "process_cpu_seconds_total",
    help: "CPU time of user and system in seconds",
    registers: [registry],
    collect: () => {
      const { user, system } = process.cpuUsage();
      cpu.reset();
      cpu.inc((user + system) / 1e6);
    },
  });
}

/** Undefined where the system does not tell: there is no /proc, or not all of it. */
function valueOf(read: () => number | undefined): number | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function startTimeSeconds(): number {
  return Math.round(performance.timeOrigin / 10) / 100;
}

function virtualMemoryBytes(): number | undefined {
  return numberIn("/proc/self/status", /^VmSize:\s+(\d+) kB$/m, 1024);
}

function maxDescriptors(): number | undefined {
  return numberIn("/proc/self/limits", /^Max open files\s+(\d+)/m, 1);
}

function numberIn(path: string, pattern: RegExp, unit: number): number | undefined {
  const found = pattern.exec(readFileSync(path, "utf8"))?.[1];
  return found === undefined ? undefined : Number(found) * unit;
}
