import { tempFolder } from "@litestream/testkit";
import { expect, test } from "bun:test";
import { renameSync } from "node:fs";
import { type LitestreamEvent, Litestream, openReplica, restore } from "../../src/index.ts";
import { commitElsewhere, makeDatabase, transactionsElsewhere } from "../child.ts";

test("what was captured of a database that is taken away is replicated all the same", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  await makeDatabase(path);
  const waiters = new Map<LitestreamEvent["type"], () => void>();
  await using litestream = new Litestream({
    path,
    // By itself, it would replicate a minute later.
    replicas: [{ path: folder.join("replica"), syncIntervalMs: 60_000 }],
    engine: "inline",
    onEvent: (event) => waiters.get(event.type)?.(),
  });
  const next = (type: LitestreamEvent["type"]): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiters.set(type, resolve);
    return promise;
  };
  await litestream.start();
  await litestream.sync();
  const captured = next("sync");
  await commitElsewhere(path);
  await captured;
  const waiting = next("waiting");
  for (const suffix of ["", "-wal", "-shm"]) renameSync(`${path}${suffix}`, folder.join(`gone.db${suffix}`));
  await waiting;
  const outputPath = folder.join("restored.db");
  await restore({ replica: openReplica({ path: folder.join("replica") }), outputPath });
  expect(await transactionsElsewhere(outputPath)).toBe(await transactionsElsewhere(folder.join("gone.db")));
});
