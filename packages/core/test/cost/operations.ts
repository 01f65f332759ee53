import { relative } from "node:path";
import { type FilePoint, handleFaultPoints } from "../../src/fault-point.ts";

/** How often each operation was done, by what it is and of which file, as in `write shadow wal`; and bytes written. */
export type Operations = Readonly<Record<string, number>>;

/** Counts the engine's operations on files while `work` goes on. */
export async function countOperations(folder: string, work: () => unknown): Promise<Operations> {
  const counts = new Map<string, number>();
  const add = (name: string, count: number): void => void counts.set(name, (counts.get(name) ?? 0) + count);
  using _ = handleFaultPoints((point) => {
    if (point.kind !== "file") return;
    const role = roleOf(relative(folder, point.path));
    add(`${point.operation} ${role}`, 1);
    if (point.operation === "write") add(`bytes to ${role}`, point.bytes.byteLength);
  });
  await work();
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

export function syncsIn(operations: Operations): number {
  return Object.entries(operations).reduce((sum, [name, count]) => (name.startsWith("sync ") ? sum + count : sum), 0);
}

const roles: readonly (readonly [RegExp, string])[] = [
  [/^app\.db$/, "database"],
  [/^app\.db-wal$/, "wal"],
  [/^\.app\.db-litestream\/.*\.wal$/, "shadow wal"],
  [/^\.app\.db-litestream/, "meta folder"],
  [/\/times\/.*\.wal$/, "points"],
  [/\/times\/.*\.snapshot(?:\.tmp)?$/, "snapshot end"],
  [/\/snapshots\/.*\.lz4(?:\.tmp)?$/, "snapshot"],
  [/\/wal\/.*\.wal\.lz4(?:\.tmp)?$/, "compressed wal"],
  [/\/wal\/.*\.wal(?:\.tmp)?$/, "replica wal"],
  [/^replica/, "replica folder"],
];

function roleOf(path: FilePoint["path"]): string {
  return roles.find(([pattern]) => pattern.test(path))?.[1] ?? path;
}
