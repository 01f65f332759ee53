/** What `Neighbour` runs: one line of JSON after another on standard input, each answered by one on standard output. */
import { constants, Database, SQLiteError } from "bun:sqlite";
import { closeSync, openSync, readSync, writeFileSync, writeSync } from "node:fs";
import type { NeighbourReply, NeighbourRequest } from "./neighbour.ts";

let database: Database | undefined;

function answer(request: NeighbourRequest): NeighbourReply {
  try {
    return { rows: take(request) };
  } catch (error) {
    const code = error instanceof SQLiteError ? (error.code ?? "") : "";
    return { code, message: error instanceof Error ? error.message : String(error) };
  }
}

function take(request: NeighbourRequest): Record<string, unknown>[] {
  switch (request.do) {
    case "open":
      database = new Database(request.path);
      // As an application has it: the last connection to close deletes the WAL.
      database.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, 0);
      for (const pragma of ["busy_timeout = 0", "wal_autocheckpoint = 0", "synchronous = FULL"]) {
        database.run(`PRAGMA ${pragma}`);
      }
      return [];
    case "close":
      opened().close(true);
      database = undefined;
      return [];
    case "run":
      opened().run(request.sql);
      return [];
    case "all": {
      using statement = opened().prepare<Record<string, unknown>, []>(request.sql);
      return statement.all();
    }
    case "serialize":
      writeFileSync(request.to, opened().serialize());
      return [];
    case "overwrite": {
      const fd = openSync(request.path, "r+");
      writeSync(fd, Buffer.from(request.hex, "hex"), 0, request.hex.length / 2, request.offset);
      closeSync(fd);
      return [];
    }
  }
}

function opened(): Database {
  if (database === undefined) throw new Error("the neighbour has no connection");
  return database;
}

const buffer = Buffer.alloc(1 << 16);
let pending = "";
for (;;) {
  const size = readSync(0, buffer, 0, buffer.byteLength, null);
  if (size === 0) break;
  pending += buffer.toString("utf8", 0, size);
  for (let end = pending.indexOf("\n"); end >= 0; end = pending.indexOf("\n")) {
    writeSync(1, `${JSON.stringify(answer(JSON.parse(pending.slice(0, end)) as NeighbourRequest))}\n`);
    pending = pending.slice(end + 1);
  }
}
