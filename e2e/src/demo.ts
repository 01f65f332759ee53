/**
 * The main job from end to end, on a database under load: replicate, lose the disk, restore. First without a warning,
 * then after an orderly stop. Exits with 1 if anything is not as promised.
 */
import { mkdirSync, readdirSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { errorMessage, openReplica } from "@litestream/core";
import { spawnWriter, tempFolder, type TempFolder, verifyWorkload, type WriterProcess } from "@litestream/testkit";
import { acknowledgedBefore } from "./acknowledged.ts";
import { restoreWithCommand } from "./command.ts";
import { folderSizeBytes } from "./folder-size.ts";
import { lagOf } from "./lag.ts";
import { type Replicator, startReplicator } from "./replicator.ts";

const transactionsPerSecond = 600;
const transactionsOfAct = [2400, 1200] as const;

class Demo {
  readonly #folder: TempFolder;
  readonly #children: AsyncDisposableStack;

  constructor(folder: TempFolder, children: AsyncDisposableStack) {
    this.#folder = folder;
    this.#children = children;
    mkdirSync(dirname(this.#dbPath), { recursive: true });
  }

  get #dbPath(): string {
    return this.#folder.join("disk", "app.db");
  }

  get #replicaPath(): string {
    return this.#folder.join("backup");
  }

  async run(): Promise<void> {
    title("litestream replicate disk/app.db backup     # beside a running application");
    const { writer, replicator } = await this.#start();
    await writer.waitFor(writer.lastAcknowledged() + transactionsOfAct[0]);
    await this.#account(writer, replicator);

    title("kill -9, and the disk is gone: rm -rf disk");
    await Promise.all([replicator.kill("SIGKILL"), writer.kill()]);
    const reported = acknowledgedBefore(writer.acknowledged(), replicator.asOfMs());
    const first = await this.#loseAndRestore();
    const acknowledged = writer.lastAcknowledged();
    require(first >=
      reported, `transaction ${reported} was reported as replicated, and ${first} is the last one restored`);
    line("restored", `${count(first)} transactions; all ${count(reported)} that were reported are there`);
    const lost = Math.max(0, acknowledged - first);
    line("lost", `${count(lost)} of ${count(acknowledged)} acknowledged: those of the last moment, not yet copied`);

    title("The application goes on with it, and so does litestream replicate");
    const next = await this.#start();
    require(next.writer.acknowledged()[0]?.n === first + 1, "the application did not go on with the restored database");
    await next.writer.waitFor(first + transactionsOfAct[1]);
    await this.#account(next.writer, next.replicator);

    title("This time both are stopped in order, then the disk is gone");
    await next.writer.stop();
    const { exitCode, stderr } = await next.replicator.kill("SIGTERM");
    require(exitCode === 0, `litestream replicate ended with exit code ${exitCode}: ${stderr}`);
    const last = next.writer.lastAcknowledged();
    const second = await this.#loseAndRestore();
    require(second === last, `${last} transactions were acknowledged, and ${second} were restored`);
    line("restored", `${count(second)} transactions: every one that was acknowledged, no other`);
  }

  async #start(): Promise<{ writer: WriterProcess; replicator: Replicator }> {
    const writer = await spawnWriter({
      path: this.#dbPath,
      seed: 1,
      pagesPerTransaction: 12,
      rate: transactionsPerSecond,
      logPath: this.#folder.join(`acknowledged-${crypto.randomUUID()}.log`),
    });
    this.#children.use(writer);
    const replicator = await startReplicator({
      dbPath: this.#dbPath,
      replicaPath: this.#replicaPath,
      workPath: this.#folder.join("work"),
    });
    this.#children.use(replicator);
    await replicator.waitForReplicated();
    return { writer, replicator };
  }

  async #account(writer: WriterProcess, replicator: Replicator): Promise<void> {
    // The lag is that of something: on a busy machine the first report can be long in coming.
    await replicator.waitForAsOf(Date.now());
    const acknowledgements = writer.acknowledged();
    const walBytes = replicator.events().reduce((sum, event) => sum + (event.type === "sync" ? event.bytes : 0), 0);
    const written = count(acknowledgements.length);
    line(
      "written",
      `${written} transactions, ${bytes(walBytes)} of WAL; app.db has ${bytes(statSync(this.#dbPath).size)}`,
    );
    const replica = openReplica({ path: this.#replicaPath });
    const [generations, wals] = [(await replica.generations()).length, (await replica.wals()).length];
    const size = bytes(folderSizeBytes(this.#replicaPath));
    line("replica", `${plural(generations, "generation")}, ${plural(wals, "WAL file")}, ${size}`);
    const lag = lagOf(acknowledgements, replicator.replicaSyncs());
    require(lag !== undefined, "nothing was reported as replicated");
    line("lag", `from commit to replica: half within ${ms(lag.p50Ms)}, all within ${ms(lag.maxMs)}`);
  }

  /** @returns the last transaction in the restored database, which is where the lost one was */
  async #loseAndRestore(): Promise<number> {
    const folder = dirname(this.#dbPath);
    await rm(folder, { recursive: true });
    mkdirSync(folder);
    const { exitCode, stderr, durationMs } = await restoreWithCommand(this.#replicaPath, this.#dbPath);
    require(exitCode === 0, `litestream restore ended with exit code ${exitCode}: ${stderr}`);
    require(readdirSync(folder).join() === "app.db", `litestream restore left ${readdirSync(folder).join(", ")}`);
    line("restore", `${bytes(statSync(this.#dbPath).size)} in ${ms(durationMs)}`);
    const transactions = verifyWorkload(this.#dbPath);
    line("verified", "integrity_check is ok, and every row is as a replay leaves it");
    return transactions;
  }
}

const hasColour = process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "";

function title(text: string): void {
  console.log(hasColour ? `\u001b[1m${text}\u001b[0m` : text);
}

function line(name: string, text: string): void {
  console.log(`  ${name.padEnd(9)} ${text}`);
}

function require(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}

function count(number: number): string {
  return number.toLocaleString("en");
}

function plural(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

function bytes(size: number): string {
  return `${(size / 1e6).toFixed(1)} MB`;
}

function ms(duration: number): string {
  return `${Math.ceil(duration)} ms`;
}

const everything = new AsyncDisposableStack();
let isInterrupted = false;
for (const [signal, number] of [
  ["SIGINT", 2],
  ["SIGTERM", 15],
] as const) {
  process.once(signal, () => {
    isInterrupted = true;
    const end = (): never => process.exit(128 + number);
    everything.disposeAsync().then(end, end);
  });
}
try {
  const folder = everything.use(await tempFolder());
  await new Demo(folder, everything).run();
  title("All as promised.");
} catch (error) {
  if (!isInterrupted) console.error(`NOT AS PROMISED: ${errorMessage(error)}`);
  process.exitCode = 1;
} finally {
  await everything.disposeAsync();
}
