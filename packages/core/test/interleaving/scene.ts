import { Database } from "bun:sqlite";
import { existsSync, readFileSync, rmSync } from "node:fs";
import {
  canUseSyscallShim,
  createSyscallShim,
  readWalSummary,
  type SyscallShim,
  syscallShimObstacle,
  type TempFolder,
  tempFolder,
} from "@litestream/testkit";
import { skipUnless, type ToolTest } from "@litestream/testkit/skip";
import { handleFaultPoints } from "../../src/fault-point.ts";
import type { LitestreamEvent } from "../../src/events.ts";
import { Litestream } from "../../src/litestream.ts";
import type { LitestreamOptions } from "../../src/litestream-options.ts";
import { openReplica } from "../../src/open-replica.ts";
import { formatPosition, type Position } from "../../src/position.ts";
import { restore } from "../../src/restore/restore.ts";
import { Neighbour } from "./neighbour.ts";

export const testShim: ToolTest<true> = skipUnless(
  canUseSyscallShim() || undefined,
  `no system call shim: ${syscallShimObstacle()}`,
);

/** A database in a folder of its own, and its application: a neighbour with an open connection. */
export interface Scene extends AsyncDisposable {
  readonly folder: TempFolder;
  readonly path: string;
  readonly app: Neighbour;
  /** One more neighbour, with a connection if `path` is given. */
  neighbour(path?: string): Neighbour;
  /** What is to be spawned with its environment can be stopped, killed or failed at its system calls. */
  shim(): Promise<SyscallShim>;
  /** Starts to replicate; disposed of with the scene. */
  replicate(options?: Partial<LitestreamOptions>): Promise<Ours>;
  /** Makes another database in the same folder, with the application's connection to it. @returns its path */
  makeDatabase(name: string, pageSize?: number): string;
}

/** A folder in memory, where there is one: for what flushes often, and needs no shim, which takes it for a device. */
export const inMemory: string | undefined = existsSync("/dev/shm") ? "/dev/shm" : undefined;

export async function startScene(pageSize = 4096, parentFolder?: string): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder(parentFolder));
  const app = stack.use(new Neighbour(folder));
  const path = folder.join("app.db");
  makeDatabase(app, path, pageSize);
  const parts = stack.move();
  return {
    folder,
    path,
    app,
    neighbour: (to) => {
      const neighbour = parts.use(new Neighbour(folder));
      if (to !== undefined) neighbour.open(to);
      return neighbour;
    },
    shim: async () => parts.use(await createSyscallShim({ path })),
    replicate: async (options = {}) => parts.use(await Ours.start(folder, { path, ...options })),
    makeDatabase: (name, size = pageSize) => {
      app.close();
      const other = folder.join(name);
      makeDatabase(app, other, size);
      return other;
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** A WAL database whose WAL has frames, to which `app` stays connected. */
function makeDatabase(app: Neighbour, path: string, pageSize: number): void {
  app.open(path);
  app.run(`PRAGMA page_size = ${pageSize}; PRAGMA journal_mode = wal`);
  app.run("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, data BLOB)");
  app.run(insert("first", 2000));
}

/** A row that can be told from every other one by its name. */
export function insert(name: string, bytes = 700): string {
  return `INSERT INTO t (name, data) VALUES ('${name}', randomblob(${bytes}))`;
}

/** Our side: replication in line, to a folder. A generation that should not begin shows in `reasons`. */
export class Ours implements AsyncDisposable {
  readonly litestream: Litestream;
  readonly events: LitestreamEvent[];
  readonly #folder: TempFolder;
  readonly #replicaPath: string;

  private constructor(folder: TempFolder, replicaPath: string, litestream: Litestream, events: LitestreamEvent[]) {
    this.#folder = folder;
    this.#replicaPath = replicaPath;
    this.litestream = litestream;
    this.events = events;
  }

  /** Replicates `options.path` into a folder beside it. No checkpoint is made but from `minCheckpointPageCount` on. */
  static async start(
    folder: TempFolder,
    options: Partial<LitestreamOptions> & { readonly path: string },
  ): Promise<Ours> {
    const events: LitestreamEvent[] = [];
    const replicaPath = `${options.path}-replica`;
    const litestream = new Litestream({
      engine: "inline",
      monitorEnabled: false,
      monitorIntervalMs: 0,
      minCheckpointPageCount: 1e9,
      maxCheckpointPageCount: 0,
      checkpointIntervalMs: 0,
      busyTimeoutMs: 20,
      replicas: [{ path: replicaPath }],
      ...options,
      onEvent: (event) => {
        events.push(event);
        options.onEvent?.(event);
      },
    });
    try {
      await litestream.start();
    } catch (error) {
      litestream.closeNow();
      throw error;
    }
    return new Ours(folder, replicaPath, litestream, events);
  }

  /** Why generations began, in this run. */
  get reasons(): string[] {
    return this.events.flatMap((event) => (event.type === "generation" ? [event.reason] : []));
  }

  /** Ours that were made, in this run; whether each moved everything. */
  get checkpoints(): boolean[] {
    return this.events.flatMap((event) => (event.type === "checkpoint" ? [event.complete] : []));
  }

  sync(): Promise<Position> {
    return this.litestream.sync();
  }

  /** What a restore of the replica gives. */
  async restored(): Promise<Buffer> {
    const outputPath = this.#folder.join(`restored-${crypto.randomUUID()}`);
    await restore({ replica: openReplica({ path: this.#replicaPath }), outputPath });
    const bytes = readFileSync(outputPath);
    rmSync(outputPath);
    return bytes;
  }

  /**
   * After a sync, what the replica gives is the database, byte for byte, as `witness` sees it; and again after one more
   * commit of `witness`, which has no transaction open. @returns the names of the rows before that commit
   */
  async expectSame(witness: Neighbour): Promise<string[]> {
    const names = namesIn(await this.expectSameNow(witness));
    witness.run(insert("one more"));
    await this.expectSameNow(witness);
    witness.run("DELETE FROM t WHERE name = 'one more'");
    return names;
  }

  /** @returns the bytes that both are */
  async expectSameNow(witness: Neighbour): Promise<Buffer> {
    const position = await this.sync();
    const copy = await this.restored();
    const live = witness.serialize();
    if (copy.equals(live)) return copy;
    const sizes = `${copy.byteLength} and ${live.byteLength} bytes`;
    const rows = `${namesIn(copy).join()} and ${namesIn(live).join()}`;
    throw new Error(`at ${formatPosition(position)} the replica is not the database: ${sizes}, rows ${rows}`);
  }

  /** Ends without a last sync, as a process does that is killed. */
  kill(): void {
    this.litestream.closeNow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.litestream[Symbol.asyncDispose]().catch(() => undefined);
    this.kill();
  }
}

/** The rows of a database's bytes, by name, in the order in which they were added. */
export function namesIn(bytes: Uint8Array): string[] {
  const content = Uint8Array.from(bytes);
  // In WAL mode it would want a WAL, which there is none for bytes: fileformat2.html, offsets 18 and 19.
  content.fill(1, 18, 20);
  using database = Database.deserialize(content);
  return database
    .query<{ name: string }, []>("SELECT name FROM t ORDER BY id")
    .all()
    .map(({ name }) => name);
}

/** Frames of the WAL up to its last valid commit frame, published or not. */
export function committedFrames(path: string): number {
  return readWalSummary(`${path}-wal`).mxFrame;
}

/** Calls `act` before each step of ours, until disposed of: with its number, from 0, and its name. */
export function beforeSteps(act: (number: number, step: string) => void): Disposable {
  let number = 0;
  return handleFaultPoints((point) => {
    if (point.kind === "step") act(number++, point.step);
  });
}
