import { fileURLToPath } from "node:url";
import type { Testimony, WitnessReply, WitnessRequest } from "./witness-protocol.ts";

/**
 * Says, in a process of its own, what a live database is: byte for byte as SQLite reads it, while the witness holds
 * the write lock. Disposing ends it, and lets writers in.
 */
export class Witness implements AsyncDisposable {
  readonly #child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  readonly #stderr: Promise<string>;
  #awaited = Promise.withResolvers<WitnessReply>();

  private constructor(path: string) {
    const script = fileURLToPath(new URL("./witness-process.ts", import.meta.url));
    this.#child = Bun.spawn([process.execPath, script, path], {
      stdio: ["ignore", "ignore", "pipe"],
      ipc: (reply: WitnessReply) => this.#awaited.resolve(reply),
    });
    this.#stderr = this.#child.stderr.text();
  }

  /** A witness of the database at `path`, which is there already. */
  static async of(path: string): Promise<Witness> {
    const witness = new Witness(path);
    try {
      await witness.#reply();
      return witness;
    } catch (error) {
      await witness[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Keeps writers out, until `release`. @returns what the database is for that time */
  async hold(): Promise<Testimony> {
    const reply = await this.#ask({ do: "hold" });
    if (reply.of === "hold") return reply.testimony;
    throw new Error(`asked to hold, the witness answered ${reply.of}`);
  }

  /** While writers are kept out: writes the database to a file of its own. */
  async dump(outputPath: string): Promise<void> {
    await this.#ask({ do: "dump", outputPath });
  }

  async release(): Promise<void> {
    await this.#ask({ do: "release" });
  }

  /** Number of the workload's last transaction that is committed now. */
  async committed(): Promise<number> {
    const reply = await this.#ask({ do: "committed" });
    if (reply.of === "committed") return reply.transactions;
    throw new Error(`asked for the last transaction, the witness answered ${reply.of}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  async #ask(request: WitnessRequest): Promise<WitnessReply> {
    this.#awaited = Promise.withResolvers<WitnessReply>();
    this.#child.send(request);
    return this.#reply();
  }

  async #reply(): Promise<WitnessReply> {
    const gone = this.#child.exited.then(async () => {
      throw new Error(`the witness is gone: ${await this.#stderr}`);
    });
    const reply = await Promise.race([this.#awaited.promise, gone]);
    if (reply.of === "error") throw new Error(`the witness: ${reply.message}`);
    return reply;
  }
}
