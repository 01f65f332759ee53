/**
 * Errors between processes: class, code, data and causes arrive as they were thrown. Of a class that is not known here,
 * the name, message and data do.
 */
import { type ErrorCode, errorCodes, LitestreamError } from "../errors.ts";

export interface WireError {
  /** Of the class. */
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Data of the error's own: strings and numbers. */
  readonly data: Readonly<Record<string, string | number>>;
  readonly cause: WireError | undefined;
}

/** Causes of causes beyond this are left out. */
const causesMax = 8;

const builtIn: Readonly<Record<string, new (message: string) => Error>> = {
  RangeError,
  TypeError,
  SyntaxError,
  ReferenceError,
};

/** Any thrown value; one that is no error becomes one. */
export function toWireError(error: unknown, causesLeft: number = causesMax): WireError {
  if (!(error instanceof Error)) {
    return { name: "Error", message: String(error), stack: undefined, data: {}, cause: undefined };
  }
  const data: Record<string, string | number> = {};
  for (const [key, value] of Object.entries(error)) {
    if (typeof value === "string" || typeof value === "number") data[key] = value;
  }
  const { name, message, stack, cause } = error;
  // An error of the system has its code as a property that is not its own everywhere.
  if (data["code"] === undefined && "code" in error && typeof error.code === "string") data["code"] = error.code;
  const wireCause = cause === undefined || causesLeft === 0 ? undefined : toWireError(cause, causesLeft - 1);
  return { name, message, stack, data, cause: wireCause };
}

export function fromWireError(wire: WireError): Error {
  const cause = wire.cause === undefined ? undefined : fromWireError(wire.cause);
  const error = newError(wire, cause);
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
}

function newError({ name, message, data }: WireError, cause: Error | undefined): Error {
  const { code } = data;
  if (name === "LitestreamError" && isErrorCode(code)) {
    const { path, position, offset, hint } = data;
    return new LitestreamError(code, message, {
      ...(typeof path === "string" ? { path } : {}),
      ...(typeof position === "string" ? { position } : {}),
      ...(typeof offset === "number" ? { offset } : {}),
      ...(typeof hint === "string" ? { hint } : {}),
      ...(cause === undefined ? {} : { cause }),
    });
  }
  const error = new (builtIn[name] ?? Error)(message);
  Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  if (cause !== undefined) error.cause = cause;
  // What an error was told to carry may not change what an error is.
  for (const [key, value] of Object.entries(data))
    if (!(key in Object.prototype)) Object.assign(error, { [key]: value });
  return error;
}

function isErrorCode(code: unknown): code is ErrorCode {
  return errorCodes.some((known) => known === code);
}

export function isWireError(value: unknown): value is WireError {
  if (typeof value !== "object" || value === null) return false;
  const { name, message, stack, data, cause } = value as Partial<Record<keyof WireError, unknown>>;
  return (
    typeof name === "string" &&
    typeof message === "string" &&
    (stack === undefined || typeof stack === "string") &&
    typeof data === "object" &&
    data !== null &&
    Object.values(data).every((item) => typeof item === "string" || typeof item === "number") &&
    (cause === undefined || isWireError(cause))
  );
}
