import { readFileSync, rmSync } from "node:fs";
import {
  canMountSmallFileSystem,
  committedPrefix,
  integrityCheck,
  type SeededRandom,
  type SmallFileSystem,
  smallFileSystem,
  spawnWriter,
  type TempFolder,
  tempFolder,
  type WriterExit,
  type WriterOptions,
  type WriterProcess,
} from "@litestream/testkit";
import {
  Litestream,
  type LitestreamEvent,
  LitestreamError,
  openReplica,
  type Position,
  restore,
} from "@litestream/core";

/** How long anything may take that has to come in the end. */
const patienceMs = 180_000;
const [metaSizeBytes, replicaSizeBytes] = [1024 << 20, 1024 << 20];
const pageSizes = [512, 1024, 4096, 16_384];

/** A database that is written to all the time, the library that replicates it, and all that can happen around both. */
export class World implements AsyncDisposable {
  readonly path: string;
  readonly replicaPath: string;
  readonly metaPath: string;
  readonly random: SeededRandom;
  /** Undefined where this process may not mount. */
  readonly disks: { readonly meta: SmallFileSystem; readonly replica: SmallFileSystem } | undefined;
  readonly events: LitestreamEvent[] = [];
  /** How often what was told, by type and code or reason. */
  readonly counts: Record<string, number> = {};
  readonly memoryBytes: number[] = [];
  transactions = 0;
  #litestream: Litestream | undefined;
  #writer: WriterProcess | undefined;
  #writerEnd: WriterExit | undefined;
  #workload: Omit<WriterOptions, "path">;
  readonly #folder: TempFolder;
  readonly #stack: AsyncDisposableStack;
  readonly #waiters = new Set<() => void>();

  private constructor(folder: TempFolder, disks: World["disks"], random: SeededRandom, stack: AsyncDisposableStack) {
    this.#folder = folder;
    this.disks = disks;
    this.random = random;
    this.#stack = stack;
    this.#workload = workloadBy(random);
    this.path = folder.join("app.db");
    this.metaPath = disks === undefined ? folder.join("meta") : disks.meta.join("meta");
    this.replicaPath = disks === undefined ? folder.join("replica") : disks.replica.join("replica");
  }

  static async create(random: SeededRandom): Promise<World> {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await tempFolder());
    const disks = canMountSmallFileSystem()
      ? {
          meta: stack.use(await smallFileSystem({ sizeBytes: metaSizeBytes })),
          replica: stack.use(await smallFileSystem({ sizeBytes: replicaSizeBytes })),
        }
      : undefined;
    const world = new World(folder, disks, random, stack.move());
    await world.startWriter();
    await world.startReplication();
    return world;
  }

  get litestream(): Litestream {
    if (this.#litestream === undefined) throw new Error("nothing replicates");
    return this.#litestream;
  }

  get writer(): WriterProcess {
    if (this.#writer === undefined) throw new Error("nobody writes");
    return this.#writer;
  }

  async startReplication(): Promise<void> {
    this.#litestream = new Litestream({
      path: this.path,
      metaPath: this.metaPath,
      replicas: [
        {
          path: this.replicaPath,
          retentionMs: 60_000,
          retentionCheckIntervalMs: 15_000,
          snapshotIntervalMs: 30_000,
        },
      ],
      monitorIntervalMs: 200,
      minCheckpointPageCount: 200,
      maxCheckpointPageCount: 5000,
      checkpointIntervalMs: 5000,
      onEvent: (event) => this.#take(event),
    });
    await this.#litestream.start();
  }

  async stopReplication(): Promise<void> {
    await this.litestream.stop();
    this.#litestream = undefined;
  }

  /** As somebody does who begins with an empty disk. */
  async beginReplicaAnew(): Promise<void> {
    await this.stopReplication();
    rmSync(this.replicaPath, { recursive: true });
    await this.startReplication();
  }

  /** Goes on with the workload that the database holds; where it holds none, that is begun. */
  async startWriter(): Promise<void> {
    const writer = await spawnWriter({ path: this.path, ...this.#workload });
    this.#writer = writer;
    this.#writerEnd = undefined;
    writer.exited.then((exit) => {
      if (this.#writer === writer) this.#writerEnd = exit;
    }, reportError);
    await writer.waitFor(1);
  }

  /** Another database, which `startWriter` goes on with once it stands at the path. */
  async makeDatabase(path: string): Promise<void> {
    this.forgetDatabase();
    await using writer = await spawnWriter({ path, ...this.#workload });
    await writer.waitFor(1);
    await writer.stop();
    this.transactions += writer.acknowledged().length;
  }

  /** What stands at the path next is another database. */
  forgetDatabase(): void {
    this.#workload = workloadBy(this.random);
  }

  /** Stops the writer as an application that ends well, or kills it. Nobody has the database open after it. */
  async stopWriter(how: "stop" | "kill"): Promise<void> {
    const { writer } = this;
    this.#writer = undefined;
    if (how === "kill") await writer.kill();
    else await writer.stop();
    this.transactions += writer.acknowledged().length;
    await writer[Symbol.asyncDispose]();
  }

  /** A path in a folder that goes with the world. */
  join(name: string): string {
    return this.#folder.join(name);
  }

  /** Everything that was acknowledged before the call is in what a restore gives after a sync. */
  async compare(): Promise<void> {
    this.#requireWriter();
    const acknowledged = this.#writer?.lastAcknowledged() ?? 0;
    await this.sync();
    const outputPath = this.join(`restored-${crypto.randomUUID()}.db`);
    await restore({ replica: openReplica({ path: this.replicaPath }), outputPath });
    const integrity = integrityCheck(outputPath);
    if (integrity !== "ok") throw new Error(`CORRUPT: integrity_check of ${outputPath} says: ${integrity}`);
    const restored = committedPrefix(outputPath);
    if (restored < acknowledged) {
      throw new Error(`LOST: ${acknowledged} transactions were acknowledged, ${restored} are in ${outputPath}`);
    }
    rmSync(outputPath);
    const [child] = this.children();
    if (child !== undefined) this.memoryBytes.push(residentBytes(child));
  }

  /** @throws Error if the application has ended, which nothing that happens here may make it do */
  #requireWriter(): void {
    const end = this.#writerEnd;
    if (end !== undefined) throw new Error(`the application ended by itself: ${JSON.stringify(end)}`);
  }

  /** Tries until it is done: what a disturbance left may keep it from that for a while. */
  async sync(): Promise<Position> {
    const untilMs = performance.now() + patienceMs;
    for (;;) {
      try {
        return await this.litestream.sync({ signal: AbortSignal.timeout(patienceMs) });
      } catch (error) {
        const code = error instanceof LitestreamError ? error.code : String(error);
        this.#count(`sync rejected: ${code}`);
        if (performance.now() > untilMs) throw error;
      }
      await Bun.sleep(100);
    }
  }

  /** Resolves with the first event from number `from` on that `isIt`. */
  async event(what: string, isIt: (event: LitestreamEvent) => boolean, from: number): Promise<void> {
    const untilMs = performance.now() + patienceMs;
    while (!this.events.slice(from).some(isIt)) {
      this.#requireWriter();
      if (performance.now() > untilMs) throw new Error(`${what} was not told within ${patienceMs} ms`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiters.add(resolve);
      await Promise.race([promise, Bun.sleep(1000)]);
      this.#waiters.delete(resolve);
    }
  }

  /** Processes that replicate for this one. */
  children(): number[] {
    return readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8")
      .split(" ")
      .filter(Boolean)
      .map(Number)
      .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("child-main"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer?.[Symbol.asyncDispose]();
    await this.#litestream?.stop().catch(() => undefined);
    await this.#stack.disposeAsync();
  }

  #take(event: LitestreamEvent): void {
    this.events.push(event);
    if (event.type === "generation") this.#count(`generation: ${event.reason}`);
    if (event.type === "error") {
      const code = event.error instanceof LitestreamError ? event.error.code : String(event.error);
      this.#count(`error: ${code}`);
    }
    for (const resolve of this.#waiters) resolve();
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

function workloadBy(random: SeededRandom): Omit<WriterOptions, "path"> {
  const pageSize = pageSizes[random.below(pageSizes.length)] ?? 4096;
  return { seed: random.uint32(), pageSize, pagesPerTransaction: 3, rowsMax: 500, rate: 60, busyTimeoutMs: 30_000 };
}

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}
