/**
 * The load of all workloads: a table of slots, of which each transaction replaces one. So the database keeps its size,
 * each transaction changes as many pages as the one before, and what is in the replica tells which one wrote it.
 */
import { Database } from "bun:sqlite";
import { SeededRandom } from "@litestream/testkit";

/** Before the number of the transaction that wrote a slot, at its very beginning. */
const markerPrefix = "litestream bench transaction ";
const markerDigits = 10;

export interface LoadSize {
  /** Of one slot, and so, with its page of the table, of one transaction. */
  readonly slotBytes: number;
  readonly slots: number;
}

/** 15 pages of WAL, 60 KB, in each transaction. */
export const transactionOf60KB: LoadSize = { slotBytes: 56_000, slots: 1000 };

/** Noise and text lie in turns, so that each page holds some of both: SQLite leaves pages alone that stay the same. */
const stretchBytes = 256;

/** What one of them adds to a WAL. */
export const walBytesOf60KB = 15 * (4096 + 24);

/** Half of what is stored is repetitive text, the rest is noise: LZ4 makes about half of it. */
export function slotContent(slotBytes: number, transaction: number): Uint8Array {
  const content = new Uint8Array(slotBytes);
  new SeededRandom(transaction).fill(content);
  for (let at = 0; at < slotBytes; at += 2 * stretchBytes) {
    content.set(text.subarray(at, at + Math.min(stretchBytes, slotBytes - at)), at);
  }
  stamp(content, transaction);
  return content;
}

/** Says in a slot which transaction writes it. */
export function stamp(content: Uint8Array, transaction: number): void {
  content.set(encoder.encode(`${markerPrefix}${transaction.toString().padStart(markerDigits, "0")}`));
}

/** Makes the database with all of its slots, closed. */
export function prepareLoad(path: string, { slotBytes, slots }: LoadSize): void {
  using database = new Database(path);
  database.run("PRAGMA journal_mode = wal");
  database.run("CREATE TABLE slot (id INTEGER PRIMARY KEY, content BLOB NOT NULL)");
  database.run("BEGIN");
  using insert = database.prepare("INSERT INTO slot VALUES (?, ?)");
  for (let id = 0; id < slots; id++) insert.run(id, slotContent(slotBytes, 0));
  database.run("COMMIT");
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

/** A place in some content where a transaction's stamp begins. */
export interface Stamped {
  readonly offset: number;
  readonly transaction: number;
}

/** Every stamp in a content, which may have any size and comes in pieces of any size. */
export async function stampsIn(chunks: AsyncIterable<Uint8Array>): Promise<Stamped[]> {
  const found: Stamped[] = [];
  const stampBytes = markerPrefix.length + markerDigits;
  let [held, heldOffset] = [Buffer.alloc(0), 0];
  for await (const chunk of chunks) {
    const buffer = Buffer.concat([held, chunk]);
    for (let at = buffer.indexOf(markerPrefix); at >= 0; at = buffer.indexOf(markerPrefix, at + 1)) {
      const end = at + stampBytes;
      const transaction = Number(buffer.toString("latin1", at + markerPrefix.length, end));
      if (end <= buffer.byteLength && Number.isInteger(transaction))
        found.push({ offset: heldOffset + at, transaction });
    }
    // A stamp may go on in the next piece; one that ended here is too long to be found again.
    const kept = Math.min(buffer.byteLength, stampBytes - 1);
    heldOffset += buffer.byteLength - kept;
    held = buffer.subarray(buffer.byteLength - kept);
  }
  return found;
}

const encoder = new TextEncoder();
const text: Uint8Array = encoder.encode("All that is written twice is written once too often. ".repeat(4000));
