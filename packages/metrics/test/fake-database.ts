import {
  type DatabaseStatus,
  type LitestreamEvent,
  parsePosition,
  type Position,
  type ReplicaStatus,
} from "@litestream/core";
import type { Observed } from "../src/index.ts";

export const dbPath = "/data/app.db";
export const position: Position = parsePosition("0123456789abcdef/00000002:00001038");

type WithoutDb<E> = E extends unknown ? Omit<E, "db"> : never;

export function replicaStatus(fields: Partial<ReplicaStatus> = {}): ReplicaStatus {
  return {
    name: "file",
    type: "file",
    location: "/backups/app",
    position,
    asOfMs: 1_700_000_000_000,
    lagMs: 0,
    lagBytes: 0,
    failure: undefined,
    lastSnapshot: undefined,
    lastValidation: undefined,
    ...fields,
  };
}

export function databaseStatus(fields: Partial<DatabaseStatus> = {}): DatabaseStatus {
  return {
    path: dbPath,
    state: "replicating",
    reason: undefined,
    position,
    pageSize: 4096,
    dbSizeBytes: 8192,
    walSizeBytes: 4152,
    shadowWalSizeBytes: 4152,
    syncCount: 7,
    replicas: [replicaStatus()],
    ...fields,
  };
}

/** A database that stands as the test says, and tells of what the test says. */
export class FakeDatabase implements Observed {
  readonly path: string;
  /** What the next question gets: a status, or what kept it from being had. */
  answer: () => Promise<DatabaseStatus>;
  questions = 0;
  readonly #listeners = new Set<(event: LitestreamEvent) => void>();

  constructor(fields: Partial<DatabaseStatus> = {}) {
    this.path = fields.path ?? dbPath;
    this.answer = async () => databaseStatus(fields);
  }

  status(): Promise<DatabaseStatus> {
    this.questions++;
    return this.answer();
  }

  subscribe(listener: (event: LitestreamEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  emit(event: WithoutDb<LitestreamEvent>): void {
    for (const listener of this.#listeners) listener({ db: this.path, ...event });
  }
}
