import { isDiskFull } from "../errors.ts";
import type { LitestreamEventBody } from "../events.ts";

/** Which disks are full, as failures and successes tell: said once, and once more when it is over. */
export class FullDisks {
  /** Names of replicas; undefined for the meta directory. */
  readonly #full = new Set<string | undefined>();

  /** @returns what is to be told after `event`, if anything */
  observe(event: LitestreamEventBody): LitestreamEventBody | undefined {
    switch (event.type) {
      case "error": {
        const { replica, error } = event;
        if (!isDiskFull(error) || this.#full.has(replica)) return undefined;
        this.#full.add(replica);
        return { type: "disk-full", isFull: true, ...(replica === undefined ? {} : { replica }), error };
      }
      case "sync":
        return this.#full.delete(undefined) ? { type: "disk-full", isFull: false } : undefined;
      case "replica-sync": {
        const { replica } = event;
        return this.#full.delete(replica) ? { type: "disk-full", isFull: false, replica } : undefined;
      }
      default:
        return undefined;
    }
  }
}
