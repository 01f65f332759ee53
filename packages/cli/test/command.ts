import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

const checkout = [process.execPath, join(import.meta.dirname, "../src/main.ts")];
/** LITESTREAM_COMMAND, a list of words in JSON, names another command to be tested than that of this checkout. */
const command = (JSON.parse(process.env["LITESTREAM_COMMAND"] ?? "null") as string[] | null) ?? checkout;

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** The command under the environment of the tests, without a configuration file of the machine's own. */
export function spawn(args: readonly string[]): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  const env = { ...process.env, LITESTREAM_CONFIG: "/nonexistent/litestream.yml", LITESTREAM_DEBUG: "" };
  return Bun.spawn([...command, ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env });
}

/** Runs the command to its end. */
export async function litestream(...args: string[]): Promise<Outcome> {
  const child = spawn(args);
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { stdout, stderr, exitCode };
}

/** The command while it runs. Disposing kills it. */
export class RunningCommand implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"ignore", "pipe", "pipe">;
  readonly #stderr: AsyncIterator<string>;
  #text = "";

  constructor(...args: string[]) {
    this.#child = spawn(args);
    this.#stderr = this.#child.stderr.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  }

  /** Everything on stderr so far, once that contains `part`. */
  async saying(part: string): Promise<string> {
    while (!this.#text.includes(part)) {
      if (!(await this.#more())) throw new Error(`it ended without saying "${part}":\n${this.#text}`);
    }
    return this.#text;
  }

  get pid(): number {
    return this.#child.pid;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits for the end. */
  async ended(): Promise<{ stderr: string; exitCode: number }> {
    while (await this.#more());
    return { stderr: this.#text, exitCode: await this.#child.exited };
  }

  /** Sends a signal and waits for the end. */
  async end(signal: NodeJS.Signals): Promise<{ stderr: string; exitCode: number }> {
    this.#child.kill(signal);
    return this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  async #more(): Promise<boolean> {
    const next = await this.#stderr.next();
    if (next.done === true) return false;
    this.#text += next.value;
    return true;
  }
}

/** Every file below a folder with size and time of change: equal when nothing was changed. */
export function contents(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .toSorted()
    .map((name) => {
      const { size, mtimeMs, mode } = lstatSync(join(folder, name));
      return `${name} ${size} ${mtimeMs} ${mode}`;
    });
}
