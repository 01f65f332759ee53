/** The witness of witness.ts: one connection, in a process that closes no descriptor of the database's files. */
import { constants, Database } from "bun:sqlite";
import { createHash } from "node:crypto";
import { openSync, readSync, writeFileSync } from "node:fs";
import { parseWalIndexHeader, type WalIndexView } from "@litestream/core";
import type { Testimony, WitnessReply, WitnessRequest } from "./witness-protocol.ts";

const lockRetryMs = 0.2;
/** A writer that the kernel has not yet buried may hold it that long, and a checkpoint of TRUNCATE's kind. */
const lockDeadlineMs = 30_000;

const path = process.argv[2] ?? "";
const db = new Database(path, { readwrite: true, create: false });
db.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, 1);
db.run("PRAGMA busy_timeout = 5000");
db.run("PRAGMA wal_autocheckpoint = 0");
db.query("SELECT count(*) FROM sqlite_schema").get();
// Never closed: that would drop the locks of the connection above.
const shm = openSync(`${path}-shm`, "r");

function hold(): Testimony {
  db.run("PRAGMA busy_timeout = 0");
  const untilMs = performance.now() + lockDeadlineMs;
  for (;;) {
    try {
      db.run("BEGIN IMMEDIATE");
      break;
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      Bun.sleepSync(lockRetryMs);
    }
  }
  db.run("PRAGMA busy_timeout = 5000");
  const { mxFrame, pageSize, salts } = walIndex();
  const hex = (salt: number): string => salt.toString(16).padStart(8, "0");
  return {
    pagesDigest: createHash("sha256").update(db.serialize()).digest("hex"),
    pageSize,
    mxFrame,
    salts: `${hex(salts.salt1)}${hex(salts.salt2)}`,
  };
}

function walIndex(): WalIndexView {
  const bytes = new Uint8Array(136);
  readSync(shm, bytes, 0, bytes.byteLength, 0);
  const view = parseWalIndexHeader(bytes);
  if (view === undefined) throw new Error("the wal-index is torn though we hold the write lock");
  return view;
}

function answer(request: WitnessRequest): WitnessReply {
  switch (request.do) {
    case "hold":
      return { of: request.do, testimony: hold() };
    case "dump":
      writeFileSync(request.outputPath, db.serialize());
      return { of: request.do };
    case "release":
      db.run("ROLLBACK");
      return { of: request.do };
    case "committed": {
      const row = db.query<{ n: number | null }, []>("SELECT max(n) AS n FROM marker").get();
      return { of: request.do, transactions: row?.n ?? 0 };
    }
  }
}

process.on("message", (request: WitnessRequest) => {
  let reply: WitnessReply;
  try {
    reply = answer(request);
  } catch (error) {
    reply = { of: "error", message: `${request.do}: ${error instanceof Error ? error.message : String(error)}` };
  }
  process.send?.(reply);
});
process.on("disconnect", () => {
  db.close();
  process.exit();
});
process.send?.({ of: "ready" } satisfies WitnessReply);
