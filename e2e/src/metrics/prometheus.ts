import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { waitUntil } from "../wait-until.ts";
import { freePort } from "./free-port.ts";

export interface PrometheusOptions {
  /** For its configuration and its data; made if absent. */
  readonly folder: string;
  /** What it scrapes: `host:port`. */
  readonly target: string;
  readonly ruleFile?: string;
  /** Of scrapes and of rules. */
  readonly intervalMs: number;
}

export interface Alert {
  readonly state: "pending" | "firing";
  readonly labels: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data: unknown;
}

/** Debian's Prometheus in a process of its own. Disposing ends it. */
export class Prometheus implements AsyncDisposable {
  readonly url: string;
  readonly #child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly #stderr: Promise<string>;

  constructor(url: string, child: Bun.Subprocess<"ignore", "ignore", "pipe">) {
    this.url = url;
    this.#child = child;
    this.#stderr = child.stderr.text();
  }

  static async start(binary: string, options: PrometheusOptions): Promise<Prometheus> {
    const { folder, target, ruleFile, intervalMs } = options;
    await mkdir(folder, { recursive: true });
    const interval = `${intervalMs}ms`;
    const configPath = join(folder, "prometheus.yml");
    const configuration = {
      global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
      ...(ruleFile !== undefined && { rule_files: [ruleFile] }),
      scrape_configs: [{ job_name: "litestream", static_configs: [{ targets: [target] }] }],
    };
    // JSON is YAML.
    await writeFile(configPath, JSON.stringify(configuration));
    const address = `127.0.0.1:${freePort()}`;
    const child = Bun.spawn(
      [
        binary,
        `--config.file=${configPath}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=${address}`,
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    const prometheus = new Prometheus(`http://${address}`, child);
    try {
      await waitUntil("Prometheus to be ready", async () => {
        if (child.exitCode !== null) throw new Error(`Prometheus ended: ${await prometheus.#stderr}`);
        return await fetch(`${prometheus.url}/-/ready`).then(
          ({ ok }) => ok,
          () => false,
        );
      });
    } catch (error) {
      await prometheus[Symbol.asyncDispose]();
      throw error;
    }
    return prometheus;
  }

  /** The values of what a query finds. @throws Error when Prometheus does not take the query */
  async query(expression: string): Promise<number[]> {
    const data = await this.#get(`/api/v1/query?query=${encodeURIComponent(expression)}`);
    const { result } = data as { readonly result: readonly { readonly value: readonly [number, string] }[] };
    return result.map(({ value }) => Number(value[1]));
  }

  async alerts(): Promise<readonly Alert[]> {
    return ((await this.#get("/api/v1/alerts")) as { readonly alerts: readonly Alert[] }).alerts;
  }

  /** Health and last error of what it scrapes. */
  async targets(): Promise<readonly { readonly health: string; readonly lastError: string }[]> {
    const data = (await this.#get("/api/v1/targets")) as {
      readonly activeTargets: readonly { readonly health: string; readonly lastError: string }[];
    };
    return data.activeTargets;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#child.exited;
  }

  async #get(path: string): Promise<unknown> {
    const response = await fetch(`${this.url}${path}`);
    const { status, error, data } = (await response.json()) as Answer;
    if (status !== "success") throw new Error(`Prometheus does not take ${path}: ${error}`);
    return data;
  }
}
