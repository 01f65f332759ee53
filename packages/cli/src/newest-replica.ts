import { type Generation, LitestreamError, type ReplicaReader } from "@litestream/core";

/**
 * The replica whose data is the latest, by the times of its objects; of `generation` when one is given.
 * @throws LitestreamError NO_BACKUP when none has any, and whatever a replica throws that cannot be read: the latest
 *   data may be there, so another one is not taken in its place.
 */
export async function newestReplica(
  replicas: readonly ReplicaReader[],
  generation: Generation | undefined,
): Promise<ReplicaReader> {
  const [only, ...others] = replicas;
  if (only !== undefined && others.length === 0) return only;
  let newest: ReplicaReader | undefined;
  let newestMs = Number.NEGATIVE_INFINITY;
  for (const replica of replicas) {
    const updatedMs = await latestMs(replica, generation);
    if (updatedMs === undefined || updatedMs <= newestMs) continue;
    newest = replica;
    newestMs = updatedMs;
  }
  if (newest !== undefined) return newest;
  const locations = replicas.map(({ location }) => location).join(", ");
  throw new LitestreamError(
    "NO_BACKUP",
    `no matching backups found in ${locations}${generation === undefined ? "" : ` of generation ${generation}`}`,
    { hint: "Check the replicas of the database in the configuration file." },
  );
}

async function latestMs(replica: ReplicaReader, generation: Generation | undefined): Promise<number | undefined> {
  let latest: number | undefined;
  for (const candidate of await replica.generations()) {
    if (generation !== undefined && candidate !== generation) continue;
    const updatedMs = (await replica.generationStats(candidate)).updatedAt?.getTime();
    if (updatedMs !== undefined) latest = Math.max(latest ?? updatedMs, updatedMs);
  }
  for (const { createdAt } of (generation === undefined ? await replica.ltx?.list() : undefined) ?? []) {
    latest = Math.max(latest ?? createdAt.getTime(), createdAt.getTime());
  }
  return latest;
}
