import { describe, expect, test } from "bun:test";
import type { LitestreamEventBody } from "../../src/events.ts";
import { ReplicaLoop } from "../../src/replica/replica-loop.ts";

/** A loop whose syncs are counted, and waited for. */
class CountedLoop implements AsyncDisposable {
  count = 0;
  failure: Error | undefined;
  readonly events: LitestreamEventBody[] = [];
  readonly #loop: ReplicaLoop;
  #synced: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(intervalMs: number) {
    const emit = (event: LitestreamEventBody): void => void this.events.push(event);
    this.#loop = new ReplicaLoop("file", async () => this.#sync(), emit, intervalMs);
    this.#loop.start();
  }

  wake(): void {
    this.#loop.wake();
  }

  async untilSynced(): Promise<void> {
    await this.#synced.promise;
    this.#synced = Promise.withResolvers();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop.stop();
  }

  #sync(): void {
    this.count++;
    this.#synced.resolve();
    if (this.failure !== undefined) throw this.failure;
  }
}

/** Lets everything happen that needs neither a timer nor the system. */
async function letPromisesRun(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe("ReplicaLoop", () => {
  test("syncs once by itself", async () => {
    await using loop = new CountedLoop(10);
    await loop.untilSynced();
    expect(loop.count).toBe(1);
  });

  test("syncs without a timer when it is woken after its interval", async () => {
    await using loop = new CountedLoop(10);
    await loop.untilSynced();
    await Bun.sleep(30);
    loop.wake();
    await letPromisesRun();
    expect(loop.count).toBe(2);
  });

  test("gathers what comes before its interval is over into one sync", async () => {
    await using loop = new CountedLoop(50);
    await loop.untilSynced();
    loop.wake();
    await letPromisesRun();
    loop.wake();
    await letPromisesRun();
    expect(loop.count).toBe(1);
    await loop.untilSynced();
    await letPromisesRun();
    expect(loop.count).toBe(2);
  });

  test("tries again by itself after a failure, which is an event", async () => {
    await using loop = new CountedLoop(10);
    loop.failure = new Error("no space");
    await loop.untilSynced();
    loop.failure = undefined;
    await loop.untilSynced();
    expect(loop.count).toBe(2);
    expect(loop.events.map(({ type }) => type)).toEqual(["error"]);
  });

  test("ends at once while it waits", async () => {
    const loop = new CountedLoop(1_000_000);
    await loop.untilSynced();
    loop.wake();
    await letPromisesRun();
    await loop[Symbol.asyncDispose]();
    expect(loop.count).toBe(1);
  });
});
