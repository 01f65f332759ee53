import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandEnvironment } from "@litestream/e2e/command";
import { type ProcessUsage, processUsage } from "../measure/process-usage.ts";
import type { Replicator } from "./replicator.ts";

/** A replica as litestream.yml describes it. */
export type ReplicaSettings = Readonly<Record<string, unknown>>;

/** As litestream.yml has it, with whatever settings. */
export interface ReplicatedDatabase extends Readonly<Record<string, unknown>> {
  readonly path: string;
  readonly replicas: readonly ReplicaSettings[];
}

export function fileReplica(path: string): ReplicaSettings {
  return { type: "file", path };
}

/** Those that still run when a benchmark is interrupted. */
const running = new Set<Bun.Subprocess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** `replicate` in a process of its own, from its start on. Disposal ends it as an operator would. */
export class RunningReplicator implements AsyncDisposable {
  readonly startedAtMs: number;
  readonly #child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly #folder: string;
  readonly #stderr: Promise<string>;
  readonly #name: string;

  constructor(
    replicator: Replicator,
    databases: readonly ReplicatedDatabase[],
    environment: Readonly<Record<string, string>> = {},
  ) {
    this.#name = replicator.name;
    this.#folder = mkdtempSync(join(tmpdir(), "litestream-bench-"));
    const configPath = join(this.#folder, "litestream.yml");
    // JSON is YAML.
    writeFileSync(configPath, JSON.stringify({ dbs: databases }));
    this.startedAtMs = performance.timeOrigin + performance.now();
    this.#child = Bun.spawn([...replicator.command, "replicate", "-config", configPath], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...commandEnvironment(), ...environment },
    });
    running.add(this.#child);
    this.#stderr = this.#child.stderr.text();
  }

  /** @throws Error when it has ended by itself */
  usage(): ProcessUsage {
    this.requireRunning();
    return processUsage(this.#child.pid);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  requireRunning(): void {
    if (this.#child.exitCode !== null) throw new Error(`${this.#name} ended with exit code ${this.#child.exitCode}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    const killer = setTimeout(() => this.#child.kill("SIGKILL"), 20_000);
    await this.#child.exited;
    clearTimeout(killer);
    running.delete(this.#child);
    await this.#stderr;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
