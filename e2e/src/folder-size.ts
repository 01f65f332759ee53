import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Bytes in all files below a folder. */
export function folderSizeBytes(path: string): number {
  let bytes = 0;
  for (const name of readdirSync(path, { recursive: true, encoding: "utf8" })) {
    const entry = lstatSync(join(path, name));
    if (entry.isFile()) bytes += entry.size;
  }
  return bytes;
}
