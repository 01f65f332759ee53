/** An application to try things with: ten rows a second into the database that is given, until Ctrl-C. */
import { Database } from "bun:sqlite";

const [path = "app.db"] = process.argv.slice(2);
using db = new Database(path);
// What every application beside Litestream should set: WAL mode, and patience with a lock that is held for a moment.
db.run("PRAGMA journal_mode = WAL");
db.run("PRAGMA busy_timeout = 5000");
db.run("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, at TEXT NOT NULL)");
const insert = db.query("INSERT INTO events (at) VALUES (?) RETURNING id");

console.log(`writing to ${path}; Ctrl-C ends it`);
let isOver = false;
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => (isOver = true));
while (!isOver) {
  insert.get(new Date().toISOString());
  await Bun.sleep(100);
}
