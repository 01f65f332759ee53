/**
 * Keeps two machines from writing one replica by mistake: an object `lock.json` at the replica's root, which is
 * replaced only on the condition that it is still what its holder wrote. It has the form of Litestream 0.5's
 * (`generation`, counted up with each taking; `expires_at`; `owner`), and says since when.
 *
 * Nothing is sent while nothing is written: a holder that has nothing to do lets the lease expire, and renews it before
 * its next write, which succeeds unless somebody else took it meanwhile.
 */
import { hostname } from "node:os";
import { LitestreamError } from "../errors.ts";
import type { ConditionalStore } from "../store/store.ts";

export const writerLeaseKey = "lock.json";

/** How long a holder that was killed keeps others out; as in Litestream. */
export const writerLeaseMs: number = 30_000;
/** A lease that holds for longer than this is not renewed before a write. */
const leftEnoughMs = 15_000;

interface LeaseContent {
  readonly generation: number;
  readonly owner: string;
  readonly expiresAtMs: number;
  /** Since when the owner has held it without anybody else in between. */
  readonly sinceMs: number;
  /** The key of an upload in parts that may be under way: some servers find those by their key alone. */
  readonly upload: string | undefined;
}

interface HeldLease {
  readonly identity: string;
  readonly content: LeaseContent;
}

export interface WriterLeaseParts {
  readonly store: ConditionalStore;
  /** Who holds it: one text for each database on each machine, the same after a restart. */
  readonly owner: string;
  /** For people: the replica. */
  readonly location: string;
  /** Called once, when the store turns out to obey no conditions: replication goes on without a lease. */
  readonly onUnable: () => void;
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number;
}

export class WriterLease {
  readonly #parts: WriterLeaseParts;
  readonly #nowMs: () => number;
  #held: HeldLease | undefined;
  #holding: Promise<"same" | "new"> | undefined;
  #isUnable = false;
  #isProven = false;
  /** With which it was taken last: where it is still there, nobody else came in between. */
  #generation: number | undefined;
  #upload: string | undefined;
  #leftUpload: string | undefined;

  constructor(parts: WriterLeaseParts) {
    this.#parts = parts;
    this.#nowMs = parts.nowMs ?? Date.now;
  }

  /**
   * Makes sure that this machine may write now; to be called before each write.
   * @returns `same` where nobody else can have written since the last call
   * @throws LitestreamError REPLICA_IN_USE, naming who writes it and since when
   */
  hold(signal: AbortSignal | undefined): Promise<"same" | "new"> {
    // Of two writes at a time one asks; the other would find what the first one wrote, and take it for another's.
    this.#holding ??= this.#hold(signal).finally(() => {
      this.#holding = undefined;
    });
    return this.#holding;
  }

  async #hold(signal: AbortSignal | undefined): Promise<"same" | "new"> {
    if (this.#isUnable) return "same";
    const held = this.#held;
    if (held === undefined) return await this.#take(signal);
    const holdsOn = held.content.expiresAtMs - this.#nowMs() > leftEnoughMs;
    if (holdsOn && held.content.upload === this.#upload) return "same";
    return await this.#renew(held, signal);
  }

  /** The key of an upload that the holder before us may have left unfinished. */
  get leftUpload(): string | undefined {
    return this.#leftUpload;
  }

  /**
   * Says, from the next `hold` on, that an upload in parts begins, so that whoever takes the lease next can end it. It
   * is said until another one begins: an upload that came to its end is none any more.
   */
  noteUpload(key: string): void {
    this.#upload = key;
  }

  /** Lets others in at once. What keeps it from that is no harm: it expires. */
  async release(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    const content = { ...held.content, expiresAtMs: this.#nowMs() };
    await this.#write(content, held.identity, undefined).catch(() => undefined);
  }

  async #renew(held: HeldLease, signal: AbortSignal | undefined): Promise<"same" | "new"> {
    const content = { ...held.content, expiresAtMs: this.#nowMs() + writerLeaseMs, upload: this.#upload };
    const written = await this.#write(content, held.identity, signal);
    if (typeof written !== "string") {
      this.#held = { identity: written.identity, content };
      return "same";
    }
    if (written === "unable") {
      this.#giveUp();
      return "same";
    }
    // Either somebody took it, or our own renewal arrived and its answer was lost: what is there says which.
    this.#held = undefined;
    return await this.#take(signal);
  }

  async #take(signal: AbortSignal | undefined): Promise<"same" | "new"> {
    const { store, owner } = this.#parts;
    const found = await store.get(writerLeaseKey, signal);
    const before = found === undefined ? undefined : parseLease(found.bytes);
    const nowMs = this.#nowMs();
    if (before !== undefined && before.owner !== owner && before.expiresAtMs > nowMs) throw this.#inUse(before);
    const content: LeaseContent = {
      generation: (before?.generation ?? 0) + 1,
      owner,
      expiresAtMs: nowMs + writerLeaseMs,
      sinceMs: before?.owner === owner ? before.sinceMs : nowMs,
      upload: this.#upload,
    };
    this.#leftUpload = before?.upload;
    let written = await this.#write(content, found?.identity, signal);
    if (written === "changed") written = await this.#ownOrInUse(content, signal);
    if (written === "unable" || !(await this.#obeysConditions(signal))) this.#giveUp();
    else this.#held = { identity: written.identity, content };
    const isSame = before?.owner === owner && before.generation === this.#generation;
    this.#generation = content.generation;
    return isSame ? "same" : "new";
  }

  /** There are servers that know no conditions, and do as if there were none. */
  async #obeysConditions(signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#isProven) return true;
    const impossible = await this.#parts.store.putIf(writerLeaseKey, new Uint8Array(0), undefined, signal);
    this.#isProven = impossible === "changed";
    return this.#isProven;
  }

  /**
   * A write whose answer was lost, sent again, meets itself.
   * @throws LitestreamError REPLICA_IN_USE if it is another's
   */
  async #ownOrInUse(content: LeaseContent, signal: AbortSignal | undefined): Promise<{ readonly identity: string }> {
    const found = await this.#parts.store.get(writerLeaseKey, signal);
    if (found !== undefined && Buffer.compare(found.bytes, formatLease(content)) === 0) return found;
    throw this.#inUse(found === undefined ? undefined : parseLease(found.bytes));
  }

  #write(
    content: LeaseContent,
    before: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly identity: string } | "changed" | "unable"> {
    return this.#parts.store.putIf(writerLeaseKey, formatLease(content), before, signal);
  }

  #giveUp(): void {
    this.#isUnable = true;
    this.#parts.onUnable();
  }

  #inUse(by: LeaseContent | undefined): LitestreamError {
    const { location } = this.#parts;
    const who = by === undefined ? "somebody else" : `${by.owner}, since ${new Date(by.sinceMs).toISOString()}`;
    return new LitestreamError("REPLICA_IN_USE", `${location} is written by ${who}`, {
      path: location,
      hint: "Give this database a path of its own in the bucket, or stop the other: 30 s later this one goes on.",
    });
  }
}

/** This database on this machine. */
export function leaseOwner(path: string): string {
  return `${hostname()}:${path}`;
}

function formatLease({ generation, owner, expiresAtMs, sinceMs, upload }: LeaseContent): Uint8Array {
  const [expiresAt, since] = [new Date(expiresAtMs).toISOString(), new Date(sinceMs).toISOString()];
  return new TextEncoder().encode(JSON.stringify({ generation, expires_at: expiresAt, owner, since, upload }));
}

/** Undefined for what is no lease, which keeps nobody out. */
function parseLease(bytes: Uint8Array): LeaseContent | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { generation, expires_at: expiresAt, owner, since, upload } = parsed as Readonly<Record<string, unknown>>;
  const expiresAtMs = typeof expiresAt === "string" ? Date.parse(expiresAt) : Number.NaN;
  if (typeof generation !== "number" || Number.isNaN(expiresAtMs)) return undefined;
  const sinceMs = typeof since === "string" ? Date.parse(since) : Number.NaN;
  return {
    generation,
    owner: typeof owner === "string" ? owner : "somebody",
    expiresAtMs,
    sinceMs: Number.isNaN(sinceMs) ? expiresAtMs - writerLeaseMs : sinceMs,
    upload: typeof upload === "string" ? upload : undefined,
  };
}
