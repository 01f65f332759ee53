import type { Generation } from "../generation.ts";
import { readerLeaseKey } from "../layout/reader-lease.ts";
import type { WalIndex } from "../position.ts";
import { randomHex } from "../random.ts";
import type { ReplicaReader } from "../replica-reader.ts";

/** What ends before is covered by the time for which retention leaves alone what was needed until now. */
const leaseAfterMs = 30_000;
const renewalMs = 60_000;

export interface ReaderHoldOptions {
  readonly afterMs?: number;
  readonly everyMs?: number;
}

/**
 * Says in a replica what is being read, by a lease, until it is disposed of. Not before that has taken a while: so a
 * quick restore writes nothing there. A replica that cannot be written, or has no room, is read without.
 */
export class ReaderHold implements AsyncDisposable {
  readonly #leases: ReplicaReader["leases"];
  readonly #id: string = randomHex(8);
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #wanted: string | undefined;
  #written: string | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor({ leases }: Pick<ReplicaReader, "leases">, options: ReaderHoldOptions = {}) {
    this.#leases = leases;
    this.#everyMs = options.everyMs ?? renewalMs;
    if (leases !== undefined) this.#renewAfter(options.afterMs ?? leaseAfterMs);
  }

  /** Reads the generation from this index on, and nothing else any more. */
  hold(generation: Generation, index: WalIndex): void {
    this.#wanted = readerLeaseKey({ generation, index, id: this.#id });
    if (this.#written !== undefined && this.#written !== this.#wanted) this.#renew();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#wanted = undefined;
    this.#renew();
    await this.#work;
  }

  #renewAfter(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#renew();
      if (this.#timer !== undefined) this.#renewAfter(this.#everyMs);
    }, ms);
    this.#timer.unref();
  }

  #renew(): void {
    this.#work = this.#work.then(async () => {
      const [wanted, written] = [this.#wanted, this.#written];
      try {
        if (wanted !== undefined) await this.#leases?.put(wanted);
        this.#written = wanted;
        if (written !== undefined && written !== wanted) await this.#leases?.delete(written);
      } catch {
        // Whoever reads from a medium that cannot be written has no other choice; what is left there expires.
      }
    });
  }
}
