import { LitestreamError } from "../errors.ts";
import type { LastSnapshot, RetentionResult, ValidationResult } from "../status.ts";
import type { OfReplica, RetentionRun } from "./database-engine.ts";

/** What a replica does on demand, besides replicating. A kind of replica may lack some of it. */
export interface ReplicaDuties {
  readonly name: string;
  /** Takes a new snapshot in the current generation. */
  snapshot?(signal?: AbortSignal): Promise<LastSnapshot>;
  /** Restores the replica aside and compares it with the live database. */
  validate?(signal?: AbortSignal): Promise<ValidationResult>;
  /** Deletes what is older than the retention asks for. */
  enforceRetention?(options: { readonly isDryRun: boolean; readonly signal?: AbortSignal }): Promise<RetentionResult>;
}

export function takeSnapshots(replicas: readonly ReplicaDuties[], options: OfReplica): Promise<LastSnapshot[]> {
  return ofEach(replicas, options, async (replica) => {
    if (replica.snapshot === undefined) throw unsupported(replica, "take a snapshot on demand");
    return replica.snapshot(options.signal);
  });
}

export function validateReplicas(replicas: readonly ReplicaDuties[], options: OfReplica): Promise<ValidationResult[]> {
  return ofEach(replicas, options, async (replica) => {
    if (replica.validate === undefined) throw unsupported(replica, "validate itself");
    return replica.validate(options.signal);
  });
}

export function enforceRetentions(
  replicas: readonly ReplicaDuties[],
  options: RetentionRun,
): Promise<RetentionResult[]> {
  const { signal, isDryRun = false } = options;
  return ofEach(replicas, options, async (replica) => {
    if (replica.enforceRetention === undefined) throw unsupported(replica, "delete what is old");
    return replica.enforceRetention(signal === undefined ? { isDryRun } : { isDryRun, signal });
  });
}

/** One replica after the other: each of these reads or writes as much as a disk can give. */
async function ofEach<T>(
  replicas: readonly ReplicaDuties[],
  { replica: name }: OfReplica,
  work: (replica: ReplicaDuties) => Promise<T>,
): Promise<T[]> {
  const chosen = name === undefined ? replicas : replicas.filter((replica) => replica.name === name);
  if (chosen.length === 0) {
    throw new LitestreamError("CONFIG_INVALID", `no replica is named ${name}`, {
      hint: `The names are: ${replicas.map((replica) => replica.name).join(", ")}.`,
    });
  }
  const results: T[] = [];
  for (const replica of chosen) results.push(await work(replica));
  return results;
}

function unsupported({ name }: ReplicaDuties, duty: string): LitestreamError {
  return new LitestreamError("NOT_SUPPORTED", `the replica ${name} cannot ${duty}`);
}
