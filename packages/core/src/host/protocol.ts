/**
 * What an application's process and the child process that replicates for it say to each other. Each message is checked
 * when it arrives: what is none of these is a bug, and is thrown.
 */
import type { LitestreamEvent } from "../events.ts";
import { isGeneration } from "../generation.ts";
import type { LitestreamOptions } from "../litestream-options.ts";
import { type Position, walIndexMax } from "../position.ts";
import type { DatabaseStatus } from "../status.ts";
import { isWireError, type WireError } from "./wire-error.ts";

/** Number of a database, given by the application's process; stays the same when the child is started again. */
export type DatabaseId = number;
/** Number of a call that is answered by one `returned` or `threw`. */
export type CallId = number;

/** Everything that can be sent: a listener stays where it is. */
export type EngineOptions = Omit<LitestreamOptions, "onEvent">;

/** A method of `DatabaseEngine`, with its arguments. */
export type Call =
  | { readonly method: "start"; readonly options: EngineOptions }
  | { readonly method: "stop" | "sync" | "status" }
  | { readonly method: "waitFor"; readonly position: Position }
  | { readonly method: "snapshot" | "validate"; readonly replica: string | undefined }
  | { readonly method: "enforceRetention"; readonly replica: string | undefined; readonly isDryRun: boolean };

export type Request =
  | { readonly type: "call"; readonly id: CallId; readonly db: DatabaseId; readonly call: Call }
  /** Nobody waits for the call any more. */
  | { readonly type: "abort"; readonly id: CallId }
  /** Close the database at once. */
  | { readonly type: "close"; readonly db: DatabaseId }
  /** So many events have arrived, in all. */
  | { readonly type: "received"; readonly events: number };

/** What `stop` gives: a last sync that failed ends replication, too. */
export interface Stopped {
  readonly status: DatabaseStatus;
  readonly position: Position | undefined;
  readonly error: WireError | undefined;
}

/** An event whose errors can be sent. */
export type WireEvent = Omit<LitestreamEvent, "error"> & { readonly error?: WireError };

export type Reply =
  | { readonly type: "ready" }
  | { readonly type: "returned"; readonly id: CallId; readonly value: unknown }
  | { readonly type: "threw"; readonly id: CallId; readonly error: WireError }
  | {
      readonly type: "event";
      readonly db: DatabaseId;
      readonly event: WireEvent;
      /** Where capture stands after the event. */
      readonly position: Position | undefined;
    }
  /** The child ends by an error that nobody handled. */
  | { readonly type: "crashed"; readonly error: WireError };

/** @throws TypeError for anything but a request */
export function parseRequest(message: unknown): Request {
  if (isRequest(message)) return message;
  throw new TypeError(`not a request: ${Bun.inspect(message, { depth: 1 })}`);
}

/** @throws TypeError for anything but a reply */
export function parseReply(message: unknown): Reply {
  if (isReply(message)) return message;
  throw new TypeError(`not a reply: ${Bun.inspect(message, { depth: 1 })}`);
}

type Fields = Readonly<Record<string, unknown>>;

function isRequest(message: unknown): message is Request {
  if (!isObject(message)) return false;
  switch (message["type"]) {
    case "call":
      return isCount(message["id"]) && isCount(message["db"]) && isCall(message["call"]);
    case "abort":
      return isCount(message["id"]);
    case "close":
      return isCount(message["db"]);
    case "received":
      return isCount(message["events"]);
    default:
      return false;
  }
}

function isCall(call: unknown): call is Call {
  if (!isObject(call)) return false;
  switch (call["method"]) {
    case "start":
      return isOptions(call["options"]);
    case "stop":
    case "sync":
    case "status":
      return true;
    case "waitFor":
      return isPosition(call["position"]);
    case "snapshot":
    case "validate":
      return isOptional(call["replica"], isText);
    case "enforceRetention":
      return isOptional(call["replica"], isText) && typeof call["isDryRun"] === "boolean";
    default:
      return false;
  }
}

function isReply(message: unknown): message is Reply {
  if (!isObject(message)) return false;
  switch (message["type"]) {
    case "ready":
      return true;
    case "returned":
      return isCount(message["id"]);
    case "threw":
      return isCount(message["id"]) && isWireError(message["error"]);
    case "event":
      return isCount(message["db"]) && isEvent(message["event"]) && isOptional(message["position"], isPosition);
    case "crashed":
      return isWireError(message["error"]);
    default:
      return false;
  }
}

export function isPosition(value: unknown): value is Position {
  if (!isObject(value)) return false;
  const { generation, index, offset } = value;
  return isText(generation) && isGeneration(generation) && isCount(index) && index <= walIndexMax && isCount(offset);
}

export function isStopped(value: unknown): value is Stopped {
  if (!isObject(value) || !isObject(value["status"])) return false;
  return isOptional(value["position"], isPosition) && isOptional(value["error"], isWireError);
}

function isEvent(value: unknown): value is WireEvent {
  if (!isObject(value) || !isText(value["type"]) || !isText(value["db"])) return false;
  return isOptional(value["error"], isWireError) && isOptional(value["position"], isPosition);
}

/** What is in the options is for the engine to judge, which refuses what it cannot do. */
function isOptions(value: unknown): value is EngineOptions {
  return isObject(value) && isText(value["path"]) && Array.isArray(value["replicas"]);
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isOptional(value: unknown, isIt: (value: unknown) => boolean): boolean {
  return value === undefined || isIt(value);
}
