import { commandEnvironment, type Outcome, run } from "./command.ts";

/** Litestream's own `replicate` in a process of its own. Disposing kills it, if it still runs. */
export class LitestreamProcess implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly #stderr: Promise<string>;

  /** @param binary path of Litestream's own binary */
  constructor(binary: string, configPath: string) {
    this.#child = Bun.spawn([binary, "replicate", "-config", configPath], {
      stdio: ["ignore", "ignore", "pipe"],
      env: commandEnvironment(),
    });
    this.#stderr = this.#child.stderr.text();
  }

  /** Sends a signal and waits for the end. @returns everything it wrote to standard error */
  async kill(signal: NodeJS.Signals): Promise<string> {
    this.#child.kill(signal);
    await this.#child.exited;
    return this.#stderr;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL");
  }
}

/** Restores a replica's folder with Litestream's own binary. */
export function restoreWithLitestream(binary: string, replicaPath: string, outputPath: string): Promise<Outcome> {
  return run([binary, "restore", "-o", outputPath, `file://${replicaPath}`]);
}
