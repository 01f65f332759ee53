/**
 * Which state of its replica a copy holds: a small JSON file in `.<copy>-follow/` beside it. It is written before a
 * change becomes visible, and says both what was there and what will be: after a crash either may be, and where the
 * copy's WAL ends tells which.
 */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { isLitestreamError, LitestreamError } from "../errors.ts";
import { makeFolders } from "../folders.ts";
import { LocalFile, removeFile, renameFile } from "../local-file.ts";
import { formatTxid, parseTxid, type Txid } from "../ltx/txid.ts";
import { formatPosition, parsePosition, type Position } from "../position.ts";
import type { CopyEnd } from "../sqlite/followed-copy.ts";
import type { Checksum } from "../wal/checksum.ts";
import type { Salts } from "../wal/header.ts";
import { outputError } from "./output-file.ts";

/** A state of a replica. */
export type FollowedState = FollowedWal | FollowedLtx;

export interface FollowedWal {
  readonly layout: "wal";
  /** The end of a commit; offset 0 for what was before that WAL. */
  readonly position: Position;
  /** Of the WAL there, by which what follows is known to continue it; undefined until it was read. */
  readonly chain: { readonly salts: Salts; readonly checksum: Readonly<Checksum> } | undefined;
}

export interface FollowedLtx {
  readonly layout: "ltx";
  readonly txid: Txid;
}

/** A state, and where the copy's own WAL ends when it is the copy's; undefined where that is not known. */
export interface CopyState {
  readonly state: FollowedState;
  readonly end: CopyEnd | undefined;
}

/** What was there before the last change, and what is there after it. */
export interface FollowRecord {
  readonly before: CopyState;
  readonly after: CopyState;
}

/** Files beside a copy that follows a replica. */
export class FollowFiles {
  readonly folder: string;
  readonly lock: string;
  readonly state: string;
  /** Where a database is restored to, before it becomes, or goes into, the copy. */
  readonly restored: string;

  constructor(copyPath: string) {
    this.folder = join(dirname(copyPath), `.${basename(copyPath)}-follow`);
    this.lock = join(this.folder, "lock");
    this.state = join(this.folder, "state");
    this.restored = join(this.folder, "restored.db");
  }

  /** @throws LitestreamError OUTPUT_UNAVAILABLE */
  make(): void {
    this.#guard(() => makeFolders(this.folder));
  }

  /** Undefined where there is none. @throws LitestreamError OUTPUT_UNAVAILABLE, FORMAT_INVALID */
  read(): FollowRecord | undefined {
    if (!existsSync(this.state)) return undefined;
    using file = LocalFile.openToRead(this.state, (error) => outputError(error, this.state));
    const bytes = new Uint8Array(file.sizeBytes);
    const text = new TextDecoder().decode(bytes.subarray(0, file.readAt(bytes, 0)));
    return parseFollowRecord(text, this.state);
  }

  /** Durable when it returns. @throws LitestreamError OUTPUT_UNAVAILABLE */
  write(record: FollowRecord): void {
    this.#guard(() => {
      const temporary = `${this.state}.tmp`;
      {
        using file = LocalFile.create(temporary, undefined, (error) => outputError(error, temporary));
        const bytes = new TextEncoder().encode(`${formatFollowRecord(record)}\n`);
        file.truncate(0);
        file.writeAt(bytes, 0);
        file.sync();
      }
      renameFile(temporary, this.state);
    });
  }

  /** Removes what a restore left here. @throws LitestreamError OUTPUT_UNAVAILABLE */
  removeRestored(): void {
    this.#guard(() => {
      for (const suffix of ["", "-wal", "-shm"]) removeFile(`${this.restored}${suffix}`);
    });
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      throw outputError(error, this.folder);
    }
  }
}

const version = 1;

export function formatFollowRecord({ before, after }: FollowRecord): string {
  return JSON.stringify({ version, before: jsonOf(before), after: jsonOf(after) });
}

/** @param path named in the error @throws LitestreamError FORMAT_INVALID */
export function parseFollowRecord(text: string, path: string): FollowRecord {
  const invalid = (cause: unknown): LitestreamError =>
    new LitestreamError("FORMAT_INVALID", `${path} does not say what the copy holds`, {
      path,
      hint: "Remove the copy, and let it be restored again.",
      cause,
    });
  try {
    const value = fieldsOf(JSON.parse(text));
    if (value["version"] !== version) throw new TypeError(`version ${String(value["version"])}`);
    return { before: copyStateOf(value["before"]), after: copyStateOf(value["after"]) };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError || isLitestreamError(error, "FORMAT_INVALID")) {
      throw invalid(error);
    }
    throw error;
  }
}

function jsonOf({ state, end }: CopyState): object {
  const where =
    state.layout === "ltx"
      ? { txid: formatTxid(state.txid) }
      : { position: formatPosition(state.position), chain: state.chain };
  return { ...where, end };
}

function copyStateOf(value: unknown): CopyState {
  const { txid, position, chain, end } = fieldsOf(value);
  return {
    state:
      txid === undefined
        ? {
            layout: "wal",
            position: parsePosition(textOf(position)),
            chain: chain === undefined ? undefined : chainOf(chain),
          }
        : { layout: "ltx", txid: parseTxid(textOf(txid)) },
    end: end === undefined ? undefined : { ...chainOf(end), mxFrame: numberOf(fieldsOf(end)["mxFrame"]) },
  };
}

function chainOf(value: unknown): { salts: Salts; checksum: Checksum } {
  const fields = fieldsOf(value);
  const [salts, checksum] = [fieldsOf(fields["salts"]), fieldsOf(fields["checksum"])];
  return {
    salts: { salt1: numberOf(salts["salt1"]), salt2: numberOf(salts["salt2"]) },
    checksum: { s1: numberOf(checksum["s1"]), s2: numberOf(checksum["s2"]) },
  };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null) return { ...value };
  throw new TypeError("not an object");
}

function numberOf(value: unknown): number {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw new TypeError("not a number");
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  throw new TypeError("not a text");
}
