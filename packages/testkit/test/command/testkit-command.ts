import { join } from "node:path";

export const main: string = join(import.meta.dirname, "../../src/command/main.ts");

export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
}

/** Runs the command to its end. */
export async function testkit(...args: string[]): Promise<Outcome> {
  const child = Bun.spawn([process.execPath, main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { stdout, stderr, exitCode };
}
