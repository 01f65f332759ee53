/**
 * A server that replicates its own database: no second program to deploy. The engine runs in a child process, so that
 * nothing the application does with its database's file can disturb it.
 */
import { existsSync } from "node:fs";
import { Database } from "bun:sqlite";
import { Litestream, openReplica, restore } from "@litestream/core";

const path = process.env["DATABASE"] ?? "app.db";
const replica = { path: process.env["REPLICA"] ?? "backup" };

// On a new machine: begin with the latest backup, if there is one.
if (!existsSync(path)) {
  await restore({ replica: openReplica(replica), outputPath: path }).catch((error: unknown) => {
    if (!(error instanceof Error && "code" in error && error.code === "NO_BACKUP")) throw error;
  });
}

const db = new Database(path);
db.run("PRAGMA journal_mode = WAL");
db.run("PRAGMA busy_timeout = 5000");
db.run("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL)");

const litestream = new Litestream({
  path,
  replicas: [replica],
  onEvent: (event) => {
    if (event.type === "error") console.error(event);
  },
});
await litestream.start();

const server = Bun.serve({
  port: Number(process.env["PORT"] ?? 3000),
  routes: {
    "/orders": {
      POST: async (request) => {
        db.query("INSERT INTO orders (item) VALUES (?)").run(await request.text());
        // For what must not be lost: answered once it is durable in every replica, some milliseconds later.
        await litestream.sync();
        return new Response("safe\n", { status: 201 });
      },
      GET: () => Response.json(db.query("SELECT * FROM orders").all()),
    },
  },
});
console.log(`listening at ${server.url.href}`);

async function end(): Promise<void> {
  await server.stop();
  db.close();
  await litestream.stop(); // with a last sync
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    end().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}
