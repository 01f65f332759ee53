import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";

/** A PATH with the Bun that runs us, under the name that a command's first line calls it by, first. */
export async function bunOnPath(folder: string): Promise<string> {
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  await symlink(process.execPath, join(bin, "bun"));
  return `${bin}:${process.env["PATH"] ?? ""}`;
}
