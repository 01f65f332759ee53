/** What `spawnConnection` runs: a separate process that holds a connection and does as it is told on it. */
import { type Database, SQLiteError, type SQLQueryBindings } from "bun:sqlite";
import type {
  ConnectionReply,
  ConnectionRequest,
  ConnectionTask,
  SqlChanges,
  SqlParameters,
  SqlRow,
} from "./connection-protocol.ts";
import { openDatabase } from "./open-database.ts";

function run(database: Database, sql: string, params: SqlParameters): SqlChanges {
  const bindings = bindingsOf(params);
  // Only without parameters may there be several statements.
  using statement = bindings.length === 0 ? undefined : database.prepare<unknown, SQLQueryBindings[]>(sql);
  const { changes, lastInsertRowid } = statement === undefined ? database.run(sql) : statement.run(...bindings);
  return { changes: Number(changes), lastInsertRowid: exact(lastInsertRowid) };
}

function all(database: Database, sql: string, params: SqlParameters): SqlRow[] {
  using statement = database.prepare<SqlRow, SQLQueryBindings[]>(sql);
  const rows = statement.all(...bindingsOf(params));
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, exact(value)])));
}

function bindingsOf(params: SqlParameters): SQLQueryBindings[] {
  return params instanceof Array ? [...params] : [params];
}

/** All integers are read as bigint; here those become numbers for which that loses nothing. */
function exact<Value>(value: Value): Value | number {
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function answer(database: Database, request: ConnectionRequest & { type: "run" | "all" }): ConnectionReply {
  const { type, id, sql, params } = request;
  try {
    return { type: "result", id, result: type === "run" ? run(database, sql, params) : all(database, sql, params) };
  } catch (error) {
    const code = error instanceof SQLiteError ? (error.code ?? "") : "";
    return { type: "error", id, code, message: error instanceof Error ? error.message : String(error) };
  }
}

function send(reply: ConnectionReply): void {
  if (process.connected) process.send?.(reply);
}

const [, , taskJson] = process.argv;
if (taskJson === undefined) throw new Error("the connection process is started by spawnConnection, with its task");
const task = JSON.parse(taskJson) as ConnectionTask;
const database = openDatabase(task.path, task, { safeIntegers: true, strict: true });

function close(): void {
  database.close(true);
  process.exit(0);
}

process.on("message", (request: ConnectionRequest) => {
  if (request.type === "close") close();
  else send(answer(database, request));
});
process.on("disconnect", close);
send({ type: "ready" });
