import { acknowledgedBefore } from "../acknowledged.ts";
import type { Acknowledgement } from "@litestream/testkit";
import { type Replicator, type ReplicatorOptions, startReplicator } from "../replicator.ts";

/** What the replicators of a round went through, all together. */
export interface ReplicationRecord {
  readonly kills: number;
  readonly finalSyncs: number;
  readonly checkpoints: number;
  /** WAL restarts that were taken as the next index of the same generation. */
  readonly indexes: number;
  readonly generations: Readonly<Record<string, number>>;
  /** What went wrong for a moment, and was tried again: `operation: code`. */
  readonly errors: Readonly<Record<string, number>>;
}

/** The product's command, which is killed and started again. Its reports are kept across its lives. */
export class Replication implements AsyncDisposable {
  readonly #options: ReplicatorOptions;
  readonly #newestIndex = new Map<string, number>();
  readonly #generations: Record<string, number> = {};
  readonly #errors: Record<string, number> = {};
  #current: Replicator | undefined;
  #asOfMs = 0;
  #kills = 0;
  #finalSyncs = 0;
  #checkpoints = 0;

  constructor(options: ReplicatorOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#current = await startReplicator(this.#options);
  }

  /** Everything acknowledged before this was reported as replicated, by the one that runs or one before it. */
  asOfMs(): number {
    return Math.max(this.#asOfMs, this.#current?.asOfMs() ?? 0);
  }

  /** Number of the last of these transactions that was reported as replicated. */
  reportedOf(acknowledged: readonly Acknowledgement[]): number {
    return acknowledgedBefore(acknowledged, this.asOfMs());
  }

  /** Resolves when a position was reported that ends so many bytes into a WAL for which `isThat` holds. */
  async waitForPosition(offset: number, isThat: (generation: string, index: string) => boolean): Promise<void> {
    await this.#running().waitForReplicated(({ position }) => {
      const { generation, index, offset: reported } = partsOf(position);
      return reported === offset && isThat(generation, index);
    });
  }

  async kill(): Promise<void> {
    const exit = await this.#end("SIGKILL");
    if (exit.signal !== "SIGKILL") throw new Error(`the replicator ended by itself (${exit.exitCode}): ${exit.stderr}`);
    this.#kills += 1;
  }

  /** Ends it as an operator does: with exit code 0 the replica has everything. */
  async stop(): Promise<void> {
    // Before that it may not even have begun to listen to signals.
    await this.#running().waitForReplicated();
    const exit = await this.#end("SIGTERM");
    if (exit.exitCode !== 0) {
      throw new Error(`the replicator ended with ${exit.signal ?? exit.exitCode} at SIGTERM: ${exit.stderr}`);
    }
    this.#finalSyncs += 1;
  }

  record(): ReplicationRecord {
    return {
      kills: this.#kills,
      finalSyncs: this.#finalSyncs,
      checkpoints: this.#checkpoints,
      indexes: this.#newestIndex.values().reduce((sum, index) => sum + index, 0),
      generations: this.#generations,
      errors: this.#errors,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#current?.[Symbol.asyncDispose]();
  }

  #running(): Replicator {
    if (this.#current === undefined) throw new Error("no replicator runs");
    return this.#current;
  }

  async #end(signal: NodeJS.Signals): ReturnType<Replicator["kill"]> {
    const replicator = this.#running();
    const exit = await replicator.kill(signal);
    this.#current = undefined;
    this.#asOfMs = Math.max(this.#asOfMs, replicator.asOfMs());
    this.#take(replicator);
    return exit;
  }

  /** @throws Error when a generation began in the middle of a life: capture has no reason for that here */
  #take(replicator: Replicator): void {
    let isOpen = false;
    for (const event of replicator.events()) {
      switch (event.type) {
        case "opened":
          isOpen = true;
          break;
        case "generation":
          count(this.#generations, event.reason);
          if (isOpen) throw new Error(`a generation began while all was replicated: ${event.reason}`);
          break;
        case "sync": {
          const { generation, index } = partsOf(event.position);
          this.#newestIndex.set(generation, Math.max(this.#newestIndex.get(generation) ?? 0, parseInt(index, 16)));
          break;
        }
        case "checkpoint":
          this.#checkpoints += 1;
          break;
        case "error":
          count(this.#errors, `${event.operation}: ${String((event.error as { readonly code?: unknown }).code)}`);
          break;
        default:
      }
    }
  }
}

export function count(counts: Record<string, number>, name: string, by: number = 1): void {
  counts[name] = (counts[name] ?? 0) + by;
}

function partsOf(position: string): { readonly generation: string; readonly index: string; readonly offset: number } {
  const [, generation = "", index = "", offset = ""] = /^(\w+)\/(\w+):(\w+)$/.exec(position) ?? [];
  return { generation, index, offset: parseInt(offset, 16) };
}
