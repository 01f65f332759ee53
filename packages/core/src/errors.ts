/** Stable identifiers, one for each way in which an operation can fail. Safe to switch on. */
export const errorCodes = [
  "ABORTED",
  "BACKUP_AMBIGUOUS",
  "BACKUP_DAMAGED",
  "BACKUP_INCOMPLETE",
  "CONFIG_INVALID",
  "COPY_UNUSABLE",
  "DATABASE_BUSY",
  "DATABASE_IN_USE",
  "DATABASE_INVALID",
  "DATABASE_MISSING",
  "DATABASE_UNAVAILABLE",
  "ENGINE_ENDED",
  "FORMAT_INVALID",
  "GENERATION_BROKEN",
  "NO_BACKUP",
  "NO_SUCH_POINT",
  "NOT_SUPPORTED",
  "OBJECT_CHANGED",
  "OBJECT_MISSING",
  "OUTPUT_EXISTS",
  "OUTPUT_UNAVAILABLE",
  "REPLICA_IN_USE",
  "REPLICA_UNAVAILABLE",
  "SHADOW_DAMAGED",
  "SHADOW_UNAVAILABLE",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Where an error happened, as far as it is known. */
export interface ErrorDetails {
  /** File or object concerned. */
  readonly path?: string;
  /** Position concerned, in the text form of `formatPosition`. */
  readonly position?: string;
  /** Byte offset inside `path`. */
  readonly offset?: number;
  /** What the operator can do about it: one imperative sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * The one error class of this package. `message` says what failed and where, `hint` what to do; `code` is stable
 * across releases, and so survives a change of wording and a process boundary.
 */
export class LitestreamError extends Error {
  readonly code: ErrorCode;
  readonly path: string | undefined;
  readonly position: string | undefined;
  readonly offset: number | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "LitestreamError";
    this.code = code;
    this.path = details.path;
    this.position = details.position;
    this.offset = details.offset;
    this.hint = details.hint;
  }
}

/** True for a `LitestreamError` with one of `codes` (any code when none is given). */
export function isLitestreamError(error: unknown, ...codes: ErrorCode[]): error is LitestreamError {
  return error instanceof LitestreamError && (codes.length === 0 || codes.includes(error.code));
}

/** The system's error code (`ENOENT`, `ENOSPC`, …) of a failed system call, or undefined for any other error. */
export function systemErrorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** One line for a person: the message of any thrown value, without a stack. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether a disk, or somebody's share of it, is full: the error itself, or what caused it. */
export function isDiskFull(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if (["ENOSPC", "EDQUOT", "SQLITE_FULL"].includes(systemErrorCode(at) ?? "")) return true;
  }
  return false;
}
