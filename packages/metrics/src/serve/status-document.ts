import { type DatabaseStatus, formatPosition, type Position, type ReplicaStatus } from "@litestream/core";
import type { Watched } from "../observed.ts";
import { statusWithin } from "../status-within.ts";
import { problemsOf } from "./health.ts";

/** `Position` as text, `generation/index:offset`, wherever it stands. */
type Plain<T> = T extends Position
  ? string
  : T extends readonly (infer E)[]
    ? readonly Plain<E>[]
    : T extends object
      ? { readonly [K in keyof T]: Plain<T[K]> }
      : T;

export type ReplicaDocument = Plain<ReplicaStatus>;

/** What `/status.json` says of one database: how core says it stands, and what is wrong with that. */
export interface DatabaseDocument {
  readonly path: string;
  /** Undefined while the database does not answer. */
  readonly status: Plain<DatabaseStatus> | undefined;
  /** Empty while the backup is good. */
  readonly problems: readonly string[];
}

export interface StatusDocument {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly isHealthy: boolean;
  /** A replica that is further behind is not good. */
  readonly lagLimitMs: number;
  readonly databases: readonly DatabaseDocument[];
}

/** A database that does not answer in this time is said not to. */
const statusTimeoutMs = 2000;

export async function statusDocument(databases: readonly Watched[], lagLimitMs: number): Promise<StatusDocument> {
  const documents = await Promise.all(
    databases.map(async (observed): Promise<DatabaseDocument> => {
      const { path } = observed;
      const status = await statusWithin(observed, statusTimeoutMs);
      const problems = problemsOf({ path, status }, lagLimitMs);
      return { path, status: status === undefined ? undefined : plainStatus(status), problems };
    }),
  );
  const isHealthy = documents.every(({ problems }) => problems.length === 0);
  return { atMs: Date.now(), isHealthy, lagLimitMs, databases: documents };
}

function plainStatus(status: DatabaseStatus): Plain<DatabaseStatus> {
  return plain(status) as Plain<DatabaseStatus>;
}

function plain(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(plain);
  if (isPosition(value)) return formatPosition(value);
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]));
}

function isPosition(value: object): value is Position {
  return "generation" in value && "index" in value && "offset" in value;
}
