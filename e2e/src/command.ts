import { join } from "node:path";
import { PeakMemory } from "./peak-memory.ts";

const main = join(import.meta.dirname, "../../packages/cli/src/main.ts");

/**
 * How the command is started; arguments follow. By default it is this checkout's, run by the Bun that runs us. Where
 * LITESTREAM_COMMAND is set, a list of words in JSON, it is another one: what was packed, or compiled.
 */
export const commandLine: readonly string[] = commandFromEnvironment() ?? [process.execPath, main];

function commandFromEnvironment(): readonly string[] | undefined {
  const words: unknown = JSON.parse(process.env["LITESTREAM_COMMAND"] ?? "null");
  if (words === null) return undefined;
  if (Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === "string")) return words;
  throw new TypeError("LITESTREAM_COMMAND has to be a list of words, in JSON");
}

/**
 * The environment of a command that shall not read a configuration file of the machine's own.
 *
 * - Litestream 0.5 cannot use S3 where AWS_CA_BUNDLE is set.
 * - The assembly of Litestream 0.3.4's LZ4 library expects a copy to leave registers as they are. What a recent Go
 *   copies with, where a processor has fast short moves, does not: whole replicas are "invalid" to it.
 */
export function commandEnvironment(): Record<string, string | undefined> {
  return {
    ...process.env,
    LITESTREAM_CONFIG: "/nonexistent/litestream.yml",
    AWS_CA_BUNDLE: undefined,
    GODEBUG: "cpu.erms=off",
  };
}

/** How a program ran that came to its end. */
export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
  /** Of all its threads, in the system too. Undefined where it was not measured. */
  readonly cpuMs: number | undefined;
  /** Undefined where there is no /proc. */
  readonly peakMemoryBytes: number | undefined;
}

/** Runs a program to its end. */
export async function run(program: readonly string[]): Promise<Outcome> {
  const startedAtMs = performance.now();
  const child = Bun.spawn([...program], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: commandEnvironment(),
  });
  using peak = new PeakMemory(child.pid);
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const durationMs = performance.now() - startedAtMs;
  const usage = child.resourceUsage();
  const cpuMs = usage === undefined ? undefined : Number(usage.cpuTime.total) / 1000;
  return { exitCode, stdout, stderr, durationMs, cpuMs, peakMemoryBytes: peak.bytes };
}

/** `litestream restore -o OUTPUT REPLICA`, with the command of this checkout. */
export function restoreWithCommand(replicaPath: string, outputPath: string): Promise<Outcome> {
  return run([...commandLine, "restore", "-o", outputPath, replicaPath]);
}
