import { expect, test } from "bun:test";
import { readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { StoreReplicaReader } from "../../src/layout/reader.ts";
import { newestTime } from "../../src/replica/newest-time.ts";
import { FileStore } from "../../src/store/file.ts";
import { type Layout, Replicated } from "./replicated.ts";

for (const layout of ["whole", "segments"] satisfies Layout[]) {
  test(`a generation that begins while the clock is set back is the latest one in the layout ${layout}`, async () => {
    await using replicated = await Replicated.open({ layout });
    await replicated.replica().sync();
    const root = replicated.folder.join("replica");
    const aheadSeconds = Date.now() / 1000 + 7200;
    for (const name of readdirSync(root, { recursive: true }) as string[]) {
      utimesSync(join(root, name), aheadSeconds, aheadSeconds);
    }
    replicated.db.beginGeneration("no shadow wal");
    await replicated.commit();
    await replicated.replica().sync();
    await replicated.expectLatest();
  });
}

test("newestTime is 0 of an empty replica, and else that of what was written last", async () => {
  await using replicated = await Replicated.open();
  const store = new FileStore(replicated.folder.join("replica"));
  const reader = new StoreReplicaReader(store, { type: "file" });
  expect(await newestTime(reader)).toBe(0);
  const beforeMs = Date.now();
  await replicated.replica().sync();
  expect(await newestTime(reader)).toBeGreaterThanOrEqual(beforeMs);
  expect(await newestTime(reader)).toBeLessThanOrEqual(Date.now() + 1);
});
