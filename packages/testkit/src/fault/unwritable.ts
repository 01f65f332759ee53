import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Makes a folder unwritable until it is disposed of: by its mode, and for root, whom modes do not stop, by the
 * immutable flag of the file system (`chattr +i`).
 * @throws Error where this user, on this file system, can write anywhere; see `canMakeUnwritable`
 */
export function makeUnwritable(path: string): Disposable {
  if (process.getuid?.() !== 0) {
    const { mode } = statSync(path);
    chmodSync(path, 0o500);
    return { [Symbol.dispose]: () => chmodSync(path, mode) };
  }
  changeImmutable("+i", path);
  return { [Symbol.dispose]: () => changeImmutable("-i", path) };
}

/** True where `makeUnwritable` works on the temporary folder's file system. */
export function canMakeUnwritable(): boolean {
  const path = mkdtempSync(join(tmpdir(), "unwritable-"));
  try {
    makeUnwritable(path)[Symbol.dispose]();
    return true;
  } catch {
    return false;
  } finally {
    rmSync(path, { recursive: true });
  }
}

function changeImmutable(change: "+i" | "-i", path: string): void {
  const { status, stderr } = spawnSync("chattr", [change, path], { encoding: "utf8" });
  if (status !== 0) throw new Error(`cannot make ${path} unwritable: ${stderr || "chattr is not there"}`);
}
