/**
 * How the child process is started, and how it knows that it is one:
 *
 * - From the package's files, in a checkout or installed, it is `child-main` beside this file.
 * - In the output of `bun build` there is no such file, and in an executable of `bun build --compile` no file at all.
 *   There the program itself is started again, with `childMarker` in its environment; when it comes to this package,
 *   it stays there (take-over.ts), and nothing of the application that comes after is run.
 */
import { existsSync } from "node:fs";
import { devNull } from "node:os";
import { basename, join } from "node:path";

/** Set in the environment of the child, and there only; removed from it at once. */
export const childMarker = "LITESTREAM_CHILD";

/** True in a process that was started by `childCommand`. */
export function isChild(): boolean {
  return process.env[childMarker] === "1" && process.send !== undefined;
}

/** The command that starts the child. */
export function childCommand(): string[] {
  if (isExecutable()) return [process.execPath];
  const own = import.meta.path;
  const extension = own.endsWith(".ts") ? ".ts" : ".js";
  const main = join(import.meta.dirname, `./child-main${extension}`);
  const isUnbundled = basename(own) === `child-command${extension}` && existsSync(main);
  // Settings of the application, such as modules to load first, are not the child's.
  if (isUnbundled) return [process.execPath, `--config=${devNull}`, "--no-env-file", main];
  return [process.execPath, existsSync(own) ? own : Bun.main];
}

/** Whether this is a program of `bun build --compile`, whose files are inside it. */
function isExecutable(): boolean {
  return /^(?:\/\$bunfs\/|[A-Z]:[\\/]~BUN[\\/])/.test(Bun.main);
}
