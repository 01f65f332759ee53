import { chmodSync, lstatSync, rmSync } from "node:fs";
import { errorMessage, formatPosition, isLitestreamError, type Position } from "@litestream/core";
import type { DatabaseConfig } from "../config/config.ts";
import type { Engine } from "../supervisor/engine.ts";
import type { ManagedDatabase } from "../supervisor/managed-database.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { describeError } from "../report.ts";
import { UsageError } from "../usage-error.ts";
import { version } from "../version.ts";
import { controlRequest, isAlive } from "./client.ts";
import {
  type ErrorResponse,
  type InfoResponse,
  type ListResponse,
  type ProgressLine,
  progressType,
  type SnapshotResponse,
  type StateResponse,
  type StatusResponse,
  type SyncResponse,
  type ValidateResponse,
} from "./protocol.ts";
import { bodyOf, type ControlBody } from "./request.ts";
import { takeSnapshots } from "./snapshots.ts";

export interface ControlOptions {
  readonly path: string;
  /** Rights of the socket's file. */
  readonly mode: number;
  readonly supervisor: Supervisor;
  readonly reload: () => Promise<object>;
  /** What a database that is registered here is replicated with. */
  readonly register: (path: string, replicaUrl: string) => Promise<DatabaseConfig>;
  readonly unregister: (path: string) => Promise<boolean>;
}

const bodySizeBytesMax = 64 * 1024;
const timeoutSeconds = 30;

/** Answers at a Unix socket that only its owner may use. Disposing takes the socket away. */
export class ControlServer implements Disposable {
  readonly #options: ControlOptions;
  readonly #server: Bun.Server<undefined>;
  readonly #startedAtMs = Date.now();
  /** The socket's file that we made: another one at its path is not ours to delete. */
  readonly #inode: number;

  /** @throws UsageError when the path is taken, or the socket cannot be made */
  static async listen(options: ControlOptions): Promise<ControlServer> {
    await makeRoom(options.path);
    return new ControlServer(options);
  }

  private constructor(options: ControlOptions) {
    this.#options = options;
    // Nobody may connect in the moment before the rights are set.
    const umask = process.umask(0o177);
    try {
      this.#server = Bun.serve({
        unix: options.path,
        maxRequestBodySize: bodySizeBytesMax,
        fetch: (request, server) => {
          // A sync may take as long as it was given.
          server.timeout(request, 0);
          return this.#answer(request);
        },
      });
      chmodSync(options.path, options.mode);
      this.#inode = lstatSync(options.path).ino;
    } catch (error) {
      throw new UsageError(
        `cannot listen on the control socket ${options.path}: ${errorMessage(error)}`,
        "Name another path with socket: path, or -socket.",
      );
    } finally {
      process.umask(umask);
    }
  }

  [Symbol.dispose](): void {
    this.#server.stop(true).catch(() => undefined);
    const { path } = this.#options;
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === this.#inode) rmSync(path, { force: true });
  }

  async #answer(request: Request): Promise<Response> {
    const route = `${request.method} ${new URL(request.url).pathname}`;
    const handler = this.#routes[route];
    if (handler === undefined) return failure(404, { error: `there is no ${route}` });
    try {
      const body = await bodyOf(request);
      if (request.headers.get("accept") === progressType) return this.#answerInLines(() => handler(body), body);
      return Response.json(await handler(body));
    } catch (error) {
      return failure(statusOf(error), errorResponse(error));
    }
  }

  /** How far the work on the database has come, and at last the answer. */
  #answerInLines(work: () => Promise<object>, body: ControlBody): Response {
    const engine = this.#engine(this.#database(body));
    const lines = new TransformStream<string, string>();
    const writer = lines.writable.getWriter();
    // Who asked may go away; the work goes on.
    const say = (line: object): void => void writer.write(`${JSON.stringify(line)}\n`).catch(() => undefined);
    const unsubscribe = engine.subscribe((event) => {
      if (event.type !== "progress") return;
      const { replica, operation, doneBytes: done, totalBytes: total } = event;
      say({ progress: { replica, operation, done, total } satisfies ProgressLine });
    });
    work()
      .then(
        (answer) => say({ answer }),
        (error: unknown) => say({ failure: errorResponse(error) }),
      )
      .finally(() => {
        unsubscribe();
        writer.close().catch(() => undefined);
      });
    return new Response(lines.readable.pipeThrough(new TextEncoderStream()), {
      headers: { "Content-Type": progressType },
    });
  }

  readonly #routes: Readonly<Record<string, (body: ControlBody) => Promise<object>>> = {
    "GET /info": async (): Promise<InfoResponse> => ({
      version: version(),
      pid: process.pid,
      uptime_seconds: Math.floor((Date.now() - this.#startedAtMs) / 1000),
      started_at: new Date(this.#startedAtMs).toISOString(),
      database_count: this.#options.supervisor.databases.length,
    }),
    "GET /list": async (): Promise<ListResponse> => ({
      databases: await Promise.all(
        this.#options.supervisor.databases.map(async (database) => {
          const { path, state, replicas } = await database.status();
          const syncedAtMs = replicas.flatMap(({ asOfMs }) => asOfMs ?? []);
          const lastMs = syncedAtMs.length === 0 ? undefined : Math.min(...syncedAtMs);
          return { path, status: state, ...(lastMs !== undefined && { last_sync_at: new Date(lastMs).toISOString() }) };
        }),
      ),
    }),
    "GET /status": async (): Promise<StatusResponse> => ({
      databases: await Promise.all(this.#options.supervisor.databases.map((database) => database.status())),
    }),
    "POST /sync": (body) => this.#sync(body),
    "POST /stop": async (body): Promise<StateResponse> => {
      const database = this.#database(body);
      const end = await database.stop();
      if (end === "already_stopped") return { status: end, path: database.path, position: null };
      if (!end.complete)
        throw new UsageError(`${database.path} is stopped, and not everything is replicated: ${end.lacks}`);
      return { status: "stopped", path: database.path, position: text(end.position) };
    },
    "POST /start": async (body): Promise<StateResponse> => {
      const database = this.#database(body);
      const status = await database.start();
      return { status, path: database.path, position: text((await database.status()).position) };
    },
    "POST /snapshot": (body) => this.#snapshot(body),
    "POST /validate": async (body): Promise<ValidateResponse> => {
      const database = this.#database(body);
      const engine = this.#engine(database);
      return { path: database.path, results: await engine.validate(waiting(body)) };
    },
    "POST /reload": () => this.#options.reload(),
    "POST /register": async ({ path = "", replica_url: url = "" }): Promise<StateResponse> => {
      if (path === "" || url === "") throw new UsageError("path and replica_url are needed");
      if (this.#options.supervisor.find(path) !== undefined) return { status: "already_exists", path, position: null };
      const config = await this.#options.register(path, url);
      await this.#options.supervisor.add(config);
      return { status: "registered", path: config.path, position: null };
    },
    "POST /unregister": async (body): Promise<StateResponse> => {
      const { path } = this.#database(body);
      await this.#options.unregister(path);
      return { status: "unregistered", path, position: null };
    },
  };

  async #sync(body: ControlBody): Promise<SyncResponse> {
    const database = this.#database(body);
    const engine = this.#engine(database);
    const before = (await engine.status()).replicas.map(({ position }) => text(position)).join();
    const syncing = engine.sync(waiting(body));
    if (body.wait !== true) {
      // Whatever keeps a replica from it is an event, and in the log.
      syncing.catch(() => undefined);
      const position = text((await engine.status()).position);
      return { status: "synced_local", path: database.path, position, replicated_position: null };
    }
    const position = text(await syncing);
    const after = (await engine.status()).replicas.map((replica) => text(replica.position)).join();
    const status = before === after ? "no_change" : "synced";
    return { status, path: database.path, position, replicated_position: position };
  }

  async #snapshot(body: ControlBody): Promise<SnapshotResponse> {
    const database = this.#database(body);
    return {
      path: database.path,
      snapshots: await takeSnapshots(this.#engine(database), database.config, waiting(body)),
    };
  }

  #database({ path }: ControlBody): ManagedDatabase {
    if (path === undefined || path === "") throw new UsageError("path is needed");
    const database = this.#options.supervisor.find(path);
    if (database !== undefined) return database;
    throw new NotFound(`database not found: ${path}`);
  }

  #engine(database: ManagedDatabase): Engine {
    if (database.engine !== undefined) return database.engine;
    throw new UsageError(`${database.path} is stopped`, `Run litestream start ${database.path}.`);
  }
}

class NotFound extends Error {}

function errorResponse(error: unknown): ErrorResponse {
  return {
    error: error instanceof Error ? error.message : describeError(error),
    ...(isLitestreamError(error) && { code: error.code, ...(error.hint !== undefined && { hint: error.hint }) }),
    ...(error instanceof UsageError && error.hint !== undefined && { hint: error.hint }),
  };
}

function waiting({ timeout = timeoutSeconds, replica }: ControlBody): { signal: AbortSignal; replica?: string } {
  return { signal: AbortSignal.timeout(timeout * 1000), ...(replica !== undefined && { replica }) };
}

function text(position: Position | undefined): string | null {
  return position === undefined ? null : formatPosition(position);
}

function statusOf(error: unknown): number {
  if (error instanceof NotFound) return 404;
  if (error instanceof UsageError) return 400;
  return isLitestreamError(error, "ABORTED") ? 504 : 500;
}

function failure(status: number, body: ErrorResponse): Response {
  return Response.json(body, { status });
}

/** Takes away the socket of a process that is gone. @throws UsageError when something else is there */
async function makeRoom(path: string): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket()) {
    throw new UsageError(`the control socket's path is taken by a file: ${path}`, "Name another path.");
  }
  if (await isAlive(path)) {
    const info = await controlRequest<InfoResponse>({ socket: path, timeoutMs: 1000 }, "GET", "/info").catch(
      () => undefined,
    );
    const who = info === undefined ? "another process" : `litestream process ${info.pid}`;
    throw new UsageError(`${who} listens on the control socket ${path}`, "Name another path, or stop that one.");
  }
  rmSync(path, { force: true });
}
