import { readdirSync } from "node:fs";
import { join, sep } from "node:path";
import { SeededRandom } from "../seeded-random.ts";
import { damageFile, type DamageKind, damageKinds, type DamageRecord, dropFile } from "./damage-file.ts";

/**
 * What a replica by Litestream is made of, whatever its layout:
 *
 * - `snapshot`: `generations/<generation>/snapshots/<index>.snapshot.lz4`; in LTX an `ltx` of level 9.
 * - `wal`: `generations/<generation>/wal/<index>.wal` or `<index>.wal.lz4`, a whole WAL (0.3.4 file replicas).
 * - `segment`: `generations/<generation>/wal/<index>_<offset>.wal.lz4`, a piece of a WAL (0.3).
 * - `ltx`: `ltx/<level>/<min TXID>-<max TXID>.ltx`, of any level (0.5).
 */
export type ReplicaObject = "snapshot" | "wal" | "segment" | "ltx";

export const replicaObjects: readonly ReplicaObject[] = ["snapshot", "wal", "segment", "ltx"];

export interface DamageReplicaOptions {
  /**
   * Which of the objects in the order of their paths: by generation, which says nothing about time, then index and
   * offset; or by level, then TXID. A number counts from 0. By default the seed chooses.
   */
  readonly which?: "first" | "last" | number;
  /** Only objects of this generation, 16 hex digits. */
  readonly generation?: string;
  /** Only objects of this level of LTX, from 0 to 9. */
  readonly level?: number;
  /** Default 0. */
  readonly seed?: number;
}

const patterns: Readonly<Record<ReplicaObject, readonly RegExp[]>> = {
  snapshot: [
    /^generations\/(?<generation>[0-9a-f]{16})\/snapshots\/[0-9a-f]{8}\.snapshot(?:\.lz4)?$/,
    /^ltx\/(?<level>9)\/[0-9a-f]{16}-[0-9a-f]{16}\.ltx$/,
  ],
  wal: [/^generations\/(?<generation>[0-9a-f]{16})\/wal\/[0-9a-f]{8}\.wal(?:\.lz4)?$/],
  segment: [/^generations\/(?<generation>[0-9a-f]{16})\/wal\/[0-9a-f]{8}_[0-9a-f]{8}\.wal(?:\.lz4)?$/],
  ltx: [/^ltx\/(?<level>\d)\/[0-9a-f]{16}-[0-9a-f]{16}\.ltx$/],
};

/**
 * Damages one object of a replica in a folder, found by its name. `drop` removes the whole object; every other kind
 * is what `damageFile` does without a stretch.
 *
 * @throws Error naming the folder, what there is in it and what to do if it has no such object.
 * @throws RangeError if `which` is none of them.
 */
export function damageReplica(
  replicaPath: string,
  object: ReplicaObject,
  kind: DamageKind,
  options: DamageReplicaOptions = {},
): DamageRecord {
  const { which, seed = 0 } = options;
  const found = findObjects(replicaPath, object, options);
  const random = new SeededRandom(seed, replicaObjects.indexOf(object), damageKinds.indexOf(kind));
  const index = which === "first" ? 0 : which === "last" ? found.length - 1 : (which ?? random.below(found.length));
  const file = found[index];
  if (file === undefined) {
    throw new RangeError(
      `${replicaPath} has ${found.length} objects of kind ${object}, and none is number ${index}: ` +
        `give 0 to ${found.length - 1}, "first" or "last"`,
    );
  }
  const path = join(replicaPath, file);
  const record = kind === "drop" ? dropFile(path, seed) : damageFile(path, kind, { seed });
  return { ...record, file };
}

function findObjects(replicaPath: string, object: ReplicaObject, options: DamageReplicaOptions): string[] {
  const files = readdirSync(replicaPath, { recursive: true, encoding: "utf8" }).map((file) =>
    file.replaceAll(sep, "/"),
  );
  const found = files.filter((file) => patterns[object].some((pattern) => isWanted(pattern.exec(file), options)));
  if (found.length > 0) return found.sort((a, b) => (a < b ? -1 : 1));

  const others = replicaObjects.flatMap((kind) => {
    const count = files.filter((file) => patterns[kind].some((pattern) => pattern.test(file))).length;
    return count === 0 ? [] : [`${count} of kind ${kind}`];
  });
  const { generation, level } = options;
  const where = [
    ...(generation === undefined ? [] : [` in generation ${generation}`]),
    ...(level === undefined ? [] : [` of level ${level}`]),
  ].join("");
  const instead =
    others.length === 0
      ? "it is no replica that Litestream wrote into a folder; give the folder that holds generations/ or ltx/"
      : `it has ${others.join(", ")}; damage one of those`;
  throw new Error(`${replicaPath} has no object of kind ${object}${where}: ${instead}`);
}

function isWanted(match: RegExpExecArray | null, { generation, level }: DamageReplicaOptions): boolean {
  if (match === null) return false;
  if (generation !== undefined && match.groups?.["generation"] !== generation) return false;
  return level === undefined || match.groups?.["level"] === String(level);
}
