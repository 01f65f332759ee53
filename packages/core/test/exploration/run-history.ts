import { Database } from "bun:sqlite";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Db } from "../../src/db/db.ts";
import type { DbSnapshot } from "../../src/db/snapshot.ts";
import { handleFaultPoints } from "../../src/fault-point.ts";
import type { Generation } from "../../src/generation.ts";
import { comparePositions, formatPosition, formatWalIndex, type Position, type WalIndex } from "../../src/position.ts";
import type { History, Interruptions, Turn } from "./history.ts";
import { Neighbour } from "./neighbour.ts";

/** What a history came to, for a table. */
export interface HistoryResult {
  readonly comparisons: number;
  readonly generations: ReadonlyMap<string, number>;
  readonly indexes: number;
}

/** A snapshot that is whole: exact together with the WAL from `index` on to at least `end`. */
interface Base {
  readonly bytes: Uint8Array;
  readonly index: WalIndex;
  readonly end: Position;
}

interface OpenSnapshot {
  readonly snapshot: DbSnapshot;
  readonly content: AsyncIterator<Uint8Array>;
  readonly parts: Uint8Array[];
}

/** A transaction ends for certain: at worst its connection is closed. */
const stepsThatCannotFail: ReadonlySet<string> = new Set(["end read", "take back read", "let writers in"]);

class InjectedFailure extends Error {}

/** In memory, where the machine has such a folder: histories are many, and flush often. */
const folderOfHistories = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/**
 * Runs a history, and compares after each sync of ours what our copy gives with the database itself, byte for byte.
 * @throws Error that says what differs, after which turn
 */
export async function runHistory(history: History): Promise<HistoryResult> {
  const folder = mkdtempSync(join(folderOfHistories, "litestream-history-"));
  try {
    using run = new HistoryRun(history, join(folder, "app.db"));
    return await run.run();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

class HistoryRun implements Disposable {
  readonly #history: History;
  readonly #path: string;
  readonly #neighbours: Neighbour[];
  readonly #bases = new Map<Generation, Base>();
  readonly #reasons = new Map<string, number>();
  #db: Db;
  #snapshot: OpenSnapshot | undefined;
  #comparisons = 0;
  #indexes = 0;

  constructor(history: History, path: string) {
    this.#history = history;
    this.#path = path;
    makeDatabase(path, history);
    this.#neighbours = Array.from({ length: history.neighbours }, () => new Neighbour(path));
    this.#db = this.#open();
  }

  async run(): Promise<HistoryResult> {
    const { turns } = this.#history;
    for (const [number, turn] of turns.entries()) await this.#inTurn(`turn ${number}`, () => this.#take(turn));
    await this.#inTurn("the end", () => this.#finish());
    return { comparisons: this.#comparisons, generations: this.#reasons, indexes: this.#indexes };
  }

  [Symbol.dispose](): void {
    this.#snapshot?.snapshot[Symbol.dispose]();
    this.#db.close();
    for (const neighbour of this.#neighbours) neighbour[Symbol.dispose]();
  }

  async #inTurn(name: string, take: () => Promise<void>): Promise<void> {
    try {
      await take();
    } catch (error) {
      throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }

  #open(): Db {
    const { minPageCount } = this.#history;
    const checkpoint = { minPageCount, maxPageCount: 0, intervalMs: 0, retryMs: 0, forcedRetryMs: 0 };
    const db = new Db({ path: this.#path, checkpoint, busyTimeoutMs: 0 }, (event) => {
      if (event.type === "generation") this.#reasons.set(event.reason, (this.#reasons.get(event.reason) ?? 0) + 1);
    });
    db.open();
    return db;
  }

  async #take(turn: Turn): Promise<void> {
    if (this.#snapshot !== undefined && !("do" in turn && turn.do === "snapshot")) await this.#continueSnapshot({});
    if ("neighbour" in turn) {
      this.#neighbours[turn.neighbour]?.do(turn.operation);
      return;
    }
    switch (turn.do) {
      case "sync":
        this.#interrupted(turn.interruptions, () => this.#db.sync());
        return;
      case "compare":
        this.#compare();
        return;
      case "snapshot":
        await this.#continueSnapshot(turn.interruptions);
        return;
      case "restart":
        this.#snapshot?.snapshot[Symbol.dispose]();
        this.#snapshot = undefined;
        this.#db.close();
        this.#db = this.#open();
        return;
      case "begin generation":
        this.#interrupted(turn.interruptions, () => this.#db.beginGeneration("read lock lost"));
        return;
    }
  }

  /** Gives neighbours their turns before our steps, and lets steps fail. */
  #interrupted(interruptions: Interruptions, work: () => void): void {
    let step = 0;
    using _ = handleFaultPoints((point) => {
      if (point.kind !== "step") return;
      for (const turn of interruptions[step++] ?? []) {
        if (turn !== "fail") this.#neighbours[turn.neighbour]?.do(turn.operation);
        else if (!stepsThatCannotFail.has(point.step)) throw new InjectedFailure(point.step);
      }
    });
    try {
      work();
    } catch (error) {
      if (!(error instanceof InjectedFailure)) throw error;
    }
  }

  async #continueSnapshot(interruptions: Interruptions): Promise<void> {
    if (this.#snapshot === undefined) {
      this.#interrupted(interruptions, () => {
        const snapshot = this.#db.beginSnapshot(this.#history.pageSize * 16);
        this.#snapshot = { snapshot, content: snapshot.content()[Symbol.asyncIterator](), parts: [] };
      });
      return;
    }
    const { snapshot, content, parts } = this.#snapshot;
    const next = await content.next();
    if (next.done !== true) {
      parts.push(next.value.slice());
      return;
    }
    this.#interrupted(interruptions, () => {
      const end = snapshot.end();
      if (end.generation === snapshot.generation) {
        this.#bases.set(snapshot.generation, { bytes: Buffer.concat(parts), index: snapshot.index, end });
      }
    });
    snapshot[Symbol.dispose]();
    this.#snapshot = undefined;
  }

  /** Whatever is open ends; a snapshot is made where there is none yet, and all is compared once more. */
  async #finish(): Promise<void> {
    for (const neighbour of this.#neighbours) neighbour.do({ do: "roll back" });
    while (this.#snapshot !== undefined) await this.#continueSnapshot({});
    this.#compare();
    do await this.#continueSnapshot({});
    while (this.#snapshot !== undefined);
    this.#neighbours[0]?.do({ do: "write", rows: 2 });
    this.#compare();
    this.#indexes += this.#db.captured()?.position.index ?? 0;
  }

  /** What a neighbour changes and did not commit is seen by that neighbour alone, so another one is asked. */
  #compare(): void {
    this.#db.sync();
    const position = this.#db.captured()?.position;
    if (position === undefined) throw new Error("nothing was captured by a sync");
    const neighbour = this.#neighbours.find((other) => !other.inTransaction);
    const base = this.#bases.get(position.generation);
    if (neighbour === undefined || base === undefined || comparePositions(position, base.end) < 0) return;
    const { pageSize } = this.#history;
    const expected = neighbour.serialize();
    const actual = restored(base, position, this.#db.metaPath, pageSize);
    this.#comparisons += 1;
    const at = differenceOf(actual, expected);
    if (at === undefined) return;
    const page = 1 + Math.floor(at / pageSize);
    const sizes = `${actual.byteLength} and ${expected.byteLength} bytes`;
    throw new Error(`at ${formatPosition(position)} page ${page} of the copy is not the database's (${sizes})`);
  }
}

/** A snapshot with the shadow WAL up to `position` applied: an implementation of its own, as simple as can be. */
function restored(base: Base, position: Position, metaPath: string, pageSize: number): Uint8Array {
  const pages = new Map<number, Uint8Array>();
  for (let offset = 0; offset < base.bytes.byteLength; offset += pageSize) {
    pages.set(1 + offset / pageSize, base.bytes.subarray(offset, offset + pageSize));
  }
  let pageCount = pages.size;
  for (let index = base.index as number; index <= position.index; index++) {
    const path = `${metaPath}/generations/${position.generation}/wal/${formatWalIndex(index as WalIndex)}.wal`;
    // An index begins with its first frame: the newest one may not be there yet.
    if (index === position.index && position.offset === 0) break;
    const bytes = readFileSync(path);
    const end = index === position.index ? position.offset : bytes.byteLength;
    for (let offset = 32; offset < end; offset += 24 + pageSize) {
      pages.set(bytes.readUInt32BE(offset), bytes.subarray(offset + 24, offset + 24 + pageSize));
      pageCount = bytes.readUInt32BE(offset + 4) || pageCount;
    }
  }
  return Buffer.concat(Array.from({ length: pageCount }, (_, i) => pages.get(i + 1) ?? new Uint8Array(pageSize)));
}

function differenceOf(a: Uint8Array, b: Uint8Array): number | undefined {
  if (Buffer.compare(a, b) === 0) return undefined;
  const end = Math.min(a.byteLength, b.byteLength);
  for (let at = 0; at < end; at++) if (a[at] !== b[at]) return at;
  return end;
}

function makeDatabase(path: string, { pageSize, autoVacuum }: History): void {
  using db = new Database(path, { readwrite: true, create: true });
  db.run(`PRAGMA page_size = ${pageSize}`);
  db.run(`PRAGMA auto_vacuum = ${autoVacuum}`);
  db.run("PRAGMA journal_mode = wal");
  db.run("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)");
  for (let row = 0; row < 20; row++) db.run("INSERT INTO t (data) VALUES (zeroblob(300))");
}
