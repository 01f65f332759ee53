import { assert } from "../assert.ts";
import type { Connection } from "../sqlite/connection.ts";
import type { WalIndexView } from "../sqlite/wal-index.ts";
import { mayBeOnLockZero } from "./capture.ts";

/** The read transaction that is open for as long as we replicate, and the spare connection it is handed over to. */
export class ReadLock {
  readonly #connect: () => Connection;
  readonly #view: () => WalIndexView;
  readonly #free: Connection[];
  #holder: Connection | undefined;
  #onLockZero = false;

  /** @param first a connection to begin with; it is closed with this */
  constructor(first: Connection, connect: () => Connection, view: () => WalIndexView) {
    this.#free = [first];
    this.#connect = connect;
    this.#view = view;
  }

  get isHeld(): boolean {
    return this.#holder !== undefined;
  }

  /** True when the transaction may sit on WAL_READ_LOCK(0) instead of a mark. */
  get onLockZero(): boolean {
    return this.#onLockZero;
  }

  /** A connection without a transaction. */
  get free(): Connection {
    const free = this.#free[0] ?? this.#connect();
    if (this.#free.length === 0) this.#free.push(free);
    return free;
  }

  take(): void {
    assert(this.#holder === undefined, "the read lock is taken once");
    const before = this.#view();
    const connection = this.free;
    connection.beginRead();
    this.#hold(connection);
    // What is known if the next look fails: nothing, so it may be.
    this.#onLockZero = true;
    this.#onLockZero = mayBeOnLockZero(before, this.#view());
  }

  /**
   * Begins another read transaction, then ends the first, so that a lock is held at every moment.
   * @param copy copies all the WAL that is visible; when it fails the first transaction stays
   */
  handOver(copy: () => void): void {
    const old = this.#holder;
    assert(old !== undefined, "a read lock that is handed over is held");
    const next = this.free;
    const before = this.#view();
    next.beginRead();
    try {
      const after = this.#view();
      copy();
      old.rollback();
      this.#free.push(old);
      this.#hold(next);
      this.#onLockZero = mayBeOnLockZero(before, after);
    } catch (error) {
      next.rollback();
      throw error;
    }
  }

  /** Ends the transaction; its connection is `free` then. */
  release(): void {
    const holder = this.#holder;
    if (holder === undefined) return;
    holder.rollback();
    this.#holder = undefined;
    this.#free.push(holder);
  }

  close(): void {
    this.#holder?.close();
    for (const connection of this.#free) connection.close();
    this.#holder = undefined;
    this.#free.length = 0;
  }

  #hold(connection: Connection): void {
    this.#holder = connection;
    this.#free.splice(this.#free.indexOf(connection), 1);
  }
}
