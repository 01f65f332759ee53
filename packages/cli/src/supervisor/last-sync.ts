import {
  type DatabaseStatus,
  errorMessage,
  formatPosition,
  isLitestreamError,
  type LitestreamError,
  type Position,
} from "@litestream/core";
import { describeError } from "../report.ts";
import type { Engine } from "./engine.ts";

export interface LastSyncLimits {
  /** How long the last sync may take, with all its tries; 0 for one try. */
  readonly timeoutMs: number;
  /** Time between two tries. */
  readonly intervalMs: number;
}

/** How a database's replication ended. */
export type End =
  | { readonly complete: true; readonly position: Position | undefined }
  /** `lacks` names what is not replicated. */
  | { readonly complete: false; readonly lacks: string };

/** How long closing may take once nothing is to be replicated any more. */
const closeTimeoutMs = 2000;

/** Ends replication of one database after a last sync, which is tried again while there is time. Never rejects. */
export async function endWithLastSync(engine: Engine, { timeoutMs, intervalMs }: LastSyncLimits): Promise<End> {
  const deadlineMs = performance.now() + timeoutMs;
  let failure = "it took too long";
  for (;;) {
    const leftMs = deadlineMs - performance.now();
    try {
      await engine.sync(timeoutMs === 0 ? {} : { signal: AbortSignal.timeout(Math.max(1, leftMs)) });
      break;
    } catch (error) {
      if (isMissing(error)) break;
      if (!isLitestreamError(error, "ABORTED")) failure = describeError(error);
    }
    if (performance.now() + intervalMs >= deadlineMs) return giveUp(engine, failure);
    await Bun.sleep(intervalMs);
  }
  try {
    const position = await withTimeout(engine.stop(), Math.max(closeTimeoutMs, deadlineMs - performance.now()));
    return { complete: true, position };
  } catch (error) {
    return giveUp(engine, describeError(error));
  }
}

/** A database that was removed, or never was there, has nothing to be replicated. */
function isMissing(error: unknown): error is LitestreamError {
  return isLitestreamError(error, "DATABASE_MISSING");
}

async function giveUp(engine: Engine, failure: string): Promise<End> {
  const lacks = await withTimeout(engine.status(), closeTimeoutMs).then(
    (status) => describeLack(status, failure),
    (error: unknown) => `${failure} (and its status is not known: ${errorMessage(error)})`,
  );
  // What is under way may never end: it is left behind with the process.
  void engine.stop().catch(() => undefined);
  engine.closeNow();
  return { complete: false, lacks };
}

function describeLack({ position, replicas }: DatabaseStatus, failure: string): string {
  if (position === undefined) return failure;
  const behind = replicas
    .filter(
      (replica) => replica.position === undefined || formatPosition(replica.position) !== formatPosition(position),
    )
    .map((replica) => {
      const has = replica.position === undefined ? "nothing that is known" : formatPosition(replica.position);
      return `replica ${replica.name} has ${has}`;
    });
  return [`the database is at ${formatPosition(position)}`, ...behind, failure].join("; ");
}

async function withTimeout<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("it took too long")), timeoutMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
