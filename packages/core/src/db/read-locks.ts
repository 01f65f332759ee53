import { assert } from "../assert.ts";
import type { Connection } from "../sqlite/connection.ts";
import type { WalIndexView } from "../sqlite/wal-index.ts";
import { mayBeOnLockZero } from "./capture.ts";
import type { ReadLockKind } from "./protocol.ts";

/** Our read transactions: one for as long as we replicate, and a second one while it is handed over. */
export class ReadLocks {
  readonly #connect: () => Connection;
  readonly #look: () => WalIndexView;
  /** The oldest first. */
  readonly #held: Connection[] = [];
  readonly #free: Connection[];

  /** @param first a connection to begin with; it is closed with this */
  constructor(first: Connection, connect: () => Connection, look: () => WalIndexView) {
    this.#free = [first];
    this.#connect = connect;
    this.#look = look;
  }

  /** A connection without a transaction. */
  get free(): Connection {
    const free = this.#free[0] ?? this.#connect();
    if (this.#free.length === 0) this.#free.push(free);
    return free;
  }

  /** Begins a read transaction. @returns what it sits on */
  begin(): ReadLockKind {
    const before = this.#look();
    const connection = this.free;
    connection.beginRead();
    this.#free.shift();
    this.#held.push(connection);
    try {
      return mayBeOnLockZero(before, this.#look()) ? "zero" : "mark";
    } catch {
      // The lock is held all the same, and nothing is known of it.
      return "zero";
    }
  }

  endOldest(): void {
    this.#end(this.#held.shift());
  }

  endNewest(): void {
    this.#end(this.#held.pop());
  }

  close(): void {
    for (const connection of [...this.#held, ...this.#free]) connection.close();
    this.#held.length = 0;
    this.#free.length = 0;
  }

  #end(connection: Connection | undefined): void {
    assert(connection !== undefined, "a read transaction that ends was begun");
    if (endTransaction(connection)) this.#free.push(connection);
  }
}

/** Ends a transaction for certain. @returns false when the connection had to be closed for that */
export function endTransaction(connection: Connection): boolean {
  try {
    connection.rollback();
    return true;
  } catch {
    connection.close();
    return false;
  }
}
