import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const readme = readFileSync(join(import.meta.dirname, "../../README.md"), "utf8");

/** The blocks of the README in a language, as they are written there. */
export function examplesIn(language: string): string[] {
  return [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, named]) => named === language)
    .map(([, , code = ""]) => code);
}

/**
 * Runs every TypeScript example as a test file in `project`, a folder in which the package is installed.
 * Returns what `bun test` said.
 */
export async function runExamples(project: string): Promise<{ readonly exitCode: number; readonly said: string }> {
  examplesIn("ts").forEach((code, i) => writeFileSync(join(project, `example-${i + 1}.test.ts`), code));
  const child = Bun.spawn([process.execPath, "test"], { cwd: project, stdio: ["ignore", "pipe", "pipe"] });
  const [out, err, exitCode] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { exitCode, said: `${out}${err}` };
}
