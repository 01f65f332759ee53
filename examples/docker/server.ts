/** Counts visits. It knows nothing of Litestream but that its database is in WAL mode. */
import { Database } from "bun:sqlite";

const db = new Database(process.env["DATABASE"] ?? "/data/app.db");
db.run("PRAGMA journal_mode = WAL");
db.run("PRAGMA busy_timeout = 5000");
db.run("CREATE TABLE IF NOT EXISTS visits (id INTEGER PRIMARY KEY, at TEXT NOT NULL)");

const server = Bun.serve({
  port: Number(process.env["PORT"] ?? 3000),
  routes: {
    "/": () => {
      const { id } = db.query("INSERT INTO visits (at) VALUES (?) RETURNING id").get(new Date().toISOString()) as {
        id: number;
      };
      return new Response(`visit ${id}\n`);
    },
  },
});
console.log(`listening at ${server.url.href}`);

process.once("SIGTERM", () => {
  server.stop().then(() => db.close(), console.error);
});
