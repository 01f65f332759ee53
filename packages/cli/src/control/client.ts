import { createConnection } from "node:net";
import { statSync } from "node:fs";
import { type ErrorCode, errorMessage, LitestreamError } from "@litestream/core";
import { UsageError } from "../usage-error.ts";
import type { ErrorResponse } from "./protocol.ts";

export interface ControlClient {
  /** The socket's path. */
  readonly socket: string;
  readonly timeoutMs: number;
}

/** Whether somebody listens at the socket. */
export function isAlive(socket: string): Promise<boolean> {
  if (statSync(socket, { throwIfNoEntry: false })?.isSocket() !== true) return Promise.resolve(false);
  return new Promise((resolve) => {
    const connection = createConnection(socket);
    const done = (alive: boolean): void => {
      connection.destroy();
      resolve(alive);
    };
    connection.once("connect", () => done(true));
    connection.once("error", () => done(false));
  });
}

/**
 * Asks the replicator that listens at the socket.
 * @throws UsageError when nobody listens or it takes too long, and what the replicator answered
 */
export async function controlRequest<T>(
  { socket, timeoutMs }: ControlClient,
  method: "GET" | "POST",
  path: string,
  body?: object,
): Promise<T> {
  let response: Response;
  try {
    response = await fetch(`http://litestream${path}`, {
      unix: socket,
      method,
      // The replicator itself keeps the time-out, and says what came of it; this is for one that answers nothing.
      signal: AbortSignal.timeout(timeoutMs + 2000),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch (error) {
    if (error instanceof Error && error.name === "TimeoutError") {
      throw new UsageError(`the replicator at ${socket} did not answer in ${timeoutMs / 1000} s`);
    }
    throw new UsageError(
      `no replicator listens at ${socket}: ${errorMessage(error)}`,
      "Start litestream replicate with socket: enabled: true in its configuration, or with -socket PATH.",
    );
  }
  const answer: unknown = await response.json();
  if (response.ok) return answer as T;
  const { error, code, hint } = answer as ErrorResponse;
  if (code === undefined) throw new UsageError(error, hint);
  throw new LitestreamError(code as ErrorCode, error, hint === undefined ? {} : { hint });
}
