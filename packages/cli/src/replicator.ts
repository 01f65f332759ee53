import { isDeepStrictEqual } from "node:util";
import { LitestreamError } from "@litestream/core";
import type { Config, DatabaseConfig } from "./config/config.ts";
import type { ControlServer } from "./control/server.ts";
import { DirectoryWatch } from "./directory/directory-watch.ts";
import type { ExecutedApp } from "./exec.ts";
import type { Log } from "./log/log.ts";
import { type Observability, startObservability } from "./observability.ts";
import { expandPath } from "./paths.ts";
import { checkPlaces } from "./places.ts";
import { parseReplica } from "./replica-url.ts";
import { describeError } from "./report.ts";
import type { Running } from "./service.ts";
import type { Engine } from "./supervisor/engine.ts";
import type { Prepare } from "./supervisor/managed-database.ts";
import { Supervisor } from "./supervisor/supervisor.ts";

export interface ReplicatorOptions {
  readonly config: Config;
  readonly log: Log;
  readonly createEngine: (config: DatabaseConfig) => Engine;
  /** Restores a database that is not there, if its configuration asks for it. */
  readonly prepare: Prepare;
  /** Reads the configuration again; undefined where there is no file. @throws ConfigError */
  readonly reread: (() => Config) | undefined;
  /** What tells another command of the same configuration file; undefined where there is none. */
  readonly configArguments?: readonly string[] | undefined;
}

/** Everything that `litestream replicate` keeps running. */
export class Replicator implements Running {
  #config: Config;
  readonly #log: Log;
  readonly #reread: (() => Config) | undefined;
  readonly #configArguments: readonly string[] | undefined;
  readonly #supervisor: Supervisor;
  #watches: DirectoryWatch[] = [];
  /** Databases that came by the control socket: a reload leaves them alone. */
  readonly #registered = new Set<string>();
  #control: ControlServer | undefined;
  #observability: Observability | undefined;
  #reloading: Promise<unknown> = Promise.resolve();
  readonly #ending = new AbortController();

  constructor({ config, log, createEngine, prepare, reread, configArguments }: ReplicatorOptions) {
    this.#configArguments = configArguments;
    this.#config = config;
    this.#log = log;
    this.#reread = reread;
    this.#supervisor = new Supervisor({
      log,
      limits: () => ({
        timeoutMs: this.#config.shutdownSyncTimeoutMs,
        intervalMs: this.#config.shutdownSyncIntervalMs,
      }),
      createEngine: (database) => {
        const engine = createEngine(database);
        this.#observability?.attach(engine);
        return engine;
      },
      prepare,
      ending: this.#ending.signal,
    });
  }

  async start(): Promise<void> {
    const config = this.#config;
    this.#observability = await startObservability({
      config,
      databases: () => this.#supervisor.databases,
      configArguments: this.#configArguments,
      log: this.#log,
    });
    if (config.socket.isEnabled) await this.#listen();
    await this.#supervisor.start(config.databases);
    this.#watches = config.directories.map((directory) => new DirectoryWatch(directory, this.#supervisor, this.#log));
    await Promise.all(this.#watches.map((watch) => watch.start()));
  }

  async execute(): Promise<ExecutedApp | undefined> {
    const { exec } = this.#config;
    if (exec === undefined) return undefined;
    const { ExecutedApp: App } = await import("./exec.ts");
    const app = new App(exec);
    this.#log.info(`started ${app.name}, process ${app.pid}`);
    return app;
  }

  async stop(): Promise<boolean> {
    this.#ending.abort();
    this.#control?.[Symbol.dispose]();
    await this.#reloading.catch(() => undefined);
    await Promise.all(this.#watches.map((watch) => watch[Symbol.asyncDispose]()));
    const complete = await this.#supervisor.stop();
    await this.#observability?.[Symbol.asyncDispose]();
    return complete;
  }

  closeNow(): void {
    this.#supervisor.closeNow();
    this.#control?.[Symbol.dispose]();
  }

  /** Never rejects: a configuration that cannot be used leaves everything as it is. */
  async reload(): Promise<void> {
    try {
      await this.#reloadNow();
    } catch (error) {
      for (const line of describeError(error).split("\n")) this.#log.error(line);
      this.#log.error("the configuration was not changed");
    }
  }

  #reloadNow(): Promise<object> {
    const reloading = this.#reloading.then(() => this.#change());
    this.#reloading = reloading.catch(() => undefined);
    return reloading;
  }

  async #change(): Promise<object> {
    if (this.#reread === undefined) {
      throw new LitestreamError("CONFIG_INVALID", "there is no configuration file to read again");
    }
    const config = this.#reread();
    for (const warning of config.warnings) this.#log.warn(warning);
    this.#warnOfRestart(config);
    this.#config = config;
    this.#log.configure(config.logging);
    await this.#changeDirectories(config);
    const changes = await this.#supervisor.change(config.databases, (path) => this.#isConfigured(path));
    const { kept, started, stopped, failed } = changes;
    const others = failed.length === 0 ? "" : `, ${failed.length} cannot be replicated`;
    this.#log.info(
      `configuration read again: ${kept} databases go on, ` +
        `${started.length} started, ${stopped.length} stopped${others}`,
    );
    return changes;
  }

  async #changeDirectories({ directories }: Config): Promise<void> {
    const ended = this.#watches.filter(
      ({ directory }) => !directories.some((other) => isDeepStrictEqual(other, directory)),
    );
    for (const watch of ended) {
      await watch[Symbol.asyncDispose]();
      await watch.stopDatabases();
    }
    const kept = this.#watches.filter((watch) => !ended.includes(watch));
    const added = directories
      .filter((directory) => !kept.some((watch) => isDeepStrictEqual(watch.directory, directory)))
      .map((directory) => new DirectoryWatch(directory, this.#supervisor, this.#log));
    this.#watches = [...kept, ...added];
    await Promise.all(added.map((watch) => watch.start()));
  }

  #isConfigured(path: string): boolean {
    return !this.#registered.has(path) && !this.#watches.some((watch) => watch.has(path));
  }

  #warnOfRestart(config: Config): void {
    for (const key of ["addr", "addrToken", "exec", "socket", "heartbeat"] as const) {
      if (isDeepStrictEqual(config[key], this.#config[key])) continue;
      this.#log.warn(
        `a change of ${key === "addrToken" ? "addr-token" : key} takes effect when litestream starts again`,
      );
    }
  }

  async #listen(): Promise<void> {
    const { path, mode } = this.#config.socket;
    const { ControlServer: Server } = await import("./control/server.ts");
    this.#control = await Server.listen({
      path,
      mode,
      supervisor: this.#supervisor,
      reload: () => this.#reloadNow(),
      register: async (database, url) => this.#register(database, url),
      unregister: async (database) => {
        this.#registered.delete(database);
        return this.#supervisor.remove(database);
      },
    });
    this.#log.info(`control socket at ${path}`);
  }

  #register(path: string, url: string): DatabaseConfig {
    const replica = parseReplica(url);
    const database = { path: expandPath(path), replicas: [{ ...replica, name: replica.type ?? "file" }] };
    checkPlaces([...this.#supervisor.databases.map(({ config }) => config), database]);
    this.#registered.add(database.path);
    return database;
  }
}
