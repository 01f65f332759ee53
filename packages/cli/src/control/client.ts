import { createConnection } from "node:net";
import { statSync } from "node:fs";
import { type ErrorCode, errorMessage, LitestreamError } from "@litestream/core";
import { UsageError } from "../usage-error.ts";
import { type ErrorResponse, type ProgressLine, progressType } from "./protocol.ts";

export interface ControlClient {
  /** The socket's path. */
  readonly socket: string;
  readonly timeoutMs: number;
  /** Ends waiting for the answer; what was asked for goes on. */
  readonly signal?: AbortSignal;
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
  client: ControlClient,
  method: "GET" | "POST",
  path: string,
  body?: object,
): Promise<T> {
  const response = await send(client, method, path, body, "application/json");
  const answer: unknown = await response.json();
  if (!response.ok) throw asThrown(answer as ErrorResponse);
  return answer as T;
}

/** As `controlRequest`, for work that takes its time: `onProgress` is told how far it has come. */
export async function controlWork<T>(
  client: ControlClient,
  path: string,
  body: object,
  onProgress: (progress: ProgressLine) => void,
): Promise<T> {
  const response = await send(client, "POST", path, body, progressType);
  if (!response.ok || response.body === null) throw asThrown((await response.json()) as ErrorResponse);
  let held = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (held + text).split("\n");
    held = lines.pop() ?? "";
    for (const line of lines) {
      const said = JSON.parse(line) as { progress?: ProgressLine; answer?: T; failure?: ErrorResponse };
      if (said.progress !== undefined) onProgress(said.progress);
      if (said.failure !== undefined) throw asThrown(said.failure);
      if (said.answer !== undefined) return said.answer;
    }
  }
  throw new UsageError(`the replicator at ${client.socket} ended before it answered`, "See its log.");
}

async function send(
  { socket, timeoutMs, signal }: ControlClient,
  method: "GET" | "POST",
  path: string,
  body: object | undefined,
  accept: string,
): Promise<Response> {
  try {
    return await fetch(`http://litestream${path}`, {
      unix: socket,
      method,
      headers: { Accept: accept },
      // The replicator itself keeps the time-out, and says what came of it; this is for one that answers nothing.
      signal: AbortSignal.any([AbortSignal.timeout(timeoutMs + 2000), ...(signal === undefined ? [] : [signal])]),
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
}

function asThrown({ error, code, hint }: ErrorResponse): Error {
  if (code === undefined) return new UsageError(error, hint);
  return new LitestreamError(code as ErrorCode, error, hint === undefined ? {} : { hint });
}
