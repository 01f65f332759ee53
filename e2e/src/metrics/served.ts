import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Replicator } from "../replicator.ts";

export interface ServedOptions {
  /** For the configuration and the trace; made if absent. */
  readonly workPath: string;
  readonly databases: readonly {
    readonly path: string;
    readonly replicas: readonly ({ readonly path: string; readonly name?: string } & Readonly<
      Record<string, unknown>
    >)[];
    readonly [key: string]: unknown;
  }[];
  /** Other keys of the configuration. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** `litestream replicate` with an `addr`. */
export interface Served {
  readonly replicator: Replicator;
  readonly configPath: string;
  /** Such as `http://127.0.0.1:9090`. */
  readonly url: string;
}

export async function startServed({ workPath, databases, settings }: ServedOptions): Promise<Served> {
  await mkdir(workPath, { recursive: true });
  const configPath = join(workPath, "litestream.yml");
  await writeFile(configPath, JSON.stringify({ addr: "127.0.0.1:0", ...settings, dbs: databases }));
  const replicator = new Replicator(["-config", configPath], join(workPath, "trace.jsonl"));
  try {
    await replicator.waitForText("serving ");
    const url = /serving .* at (http:\/\/[^/\s,]+)/.exec(replicator.stderr)?.[1];
    if (url === undefined) throw new Error(`it does not say where it serves:\n${replicator.stderr}`);
    return { replicator, configPath, url };
  } catch (error) {
    await replicator[Symbol.asyncDispose]();
    throw error;
  }
}
