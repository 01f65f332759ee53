import { expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  canMakeUnwritable,
  canMountSmallFileSystem,
  makeUnwritable,
  smallFileSystem,
  tempFolder,
} from "@litestream/testkit";
import { skipUnless } from "@litestream/testkit/skip";
import { failureOf } from "../bytes.ts";
import { commitElsewhere, databaseIn, makeDatabase } from "../child.ts";
import { replicate, replicateOnce } from "./place.ts";

// Each has processes of its own, and a busy machine takes its time.
setDefaultTimeout(60_000);

const testUnwritable = skipUnless(canMakeUnwritable() || undefined, "this user can write everywhere");
const testDisk = skipUnless(canMountSmallFileSystem() || undefined, "this process may not mount a file system");

test("a meta directory that is removed is made anew, in a new generation, and locked again", async () => {
  await using folder = await tempFolder();
  const path = folder.join("app.db");
  const metaPath = folder.join(".app.db-litestream");
  await makeDatabase(path);
  await using place = await replicate(folder);
  await place.litestream.sync();
  rmSync(metaPath, { recursive: true });
  await commitElsewhere(path);
  await place.expectSame();
  expect(place.reasons()).toEqual(["no generation exists", "no generation exists"]);
  expect(place.events.flatMap((event) => (event.type === "warning" ? [event.message] : []))).toEqual([
    `the meta directory ${metaPath} was removed`,
  ]);
  expect(await failureOf(() => replicate(folder))).toHaveProperty("code", "DATABASE_IN_USE");
});

test.each<[string, (metaPath: string) => void, string[]]>([
  ["is gone", (meta) => rmSync(meta, { recursive: true }), ["no generation exists"]],
  ["has nonsense for its generation", (meta) => writeFileSync(join(meta, "generation"), "x"), ["no generation exists"]],
  ["lost its shadow WAL", (meta) => rmSync(newestWal(meta)), ["no shadow wal"]],
  ["has nonsense for its shadow WAL", (meta) => writeFileSync(newestWal(meta), "x".repeat(99)), ["shadow wal damaged"]],
  ["was about to begin another WAL", (meta) => writeFileSync(nextWal(newestWal(meta)), ""), []],
  // What is missing at its end is copied again.
  ["has a part of its shadow WAL", (meta) => truncateSync(newestWal(meta), 100), []],
])("a meta directory that %s: the next start gives the reason of the generation it begins", async (...test) => {
  const [, damage, reasons] = test;
  await using folder = await tempFolder();
  await databaseIn(folder);
  await replicateOnce(folder);
  damage(folder.join(".app.db-litestream"));
  await using place = await replicate(folder);
  await place.expectSame();
  expect(place.reasons()).toEqual(reasons);
});

testUnwritable("a meta directory that cannot be written is an error, and capture goes on when it can be", async () => {
  await using folder = await tempFolder();
  const path = await databaseIn(folder);
  await using place = await replicate(folder, { minCheckpointPageCount: 1 });
  await place.litestream.sync();
  {
    // Where the next index would be made.
    using _unwritable = makeUnwritable(join(newestWal(folder.join(".app.db-litestream")), ".."));
    await commitElsewhere(path);
    await failureOf(() => place.litestream.sync());
    await commitElsewhere(path);
    expect(await failureOf(() => place.litestream.sync())).toHaveProperty("code", "SHADOW_UNAVAILABLE");
  }
  await place.expectSame();
  expect(place.reasons()).toEqual(["no generation exists"]);
});

testUnwritable("a start whose meta directory cannot be made changes nothing, and says why", async () => {
  await using folder = await tempFolder();
  mkdirSync(folder.join("data"));
  const path = folder.join("data", "app.db");
  await makeDatabase(path);
  const before = [readFileSync(path), statSync(`${path}-wal`).size];
  {
    using _unwritable = makeUnwritable(folder.join("data"));
    expect(await failureOf(() => replicate(folder, { path }))).toHaveProperty("code", "SHADOW_UNAVAILABLE");
  }
  expect([readFileSync(path), statSync(`${path}-wal`).size]).toEqual(before);
});

testDisk("a meta directory on another file system does as well", async () => {
  await using folder = await tempFolder();
  await using disk = await smallFileSystem({ sizeBytes: 8 << 20 });
  const path = await databaseIn(folder);
  {
    await using place = await replicate(folder, { metaPath: disk.join("deep", "meta") });
    await place.expectSame();
  }
  expect(existsSync(disk.join("deep", "meta", "generation"))).toBe(true);
  expect(existsSync(folder.join(".app.db-litestream"))).toBe(false);
  await commitElsewhere(path);
  await using again = await replicate(folder, { metaPath: disk.join("deep", "meta") });
  await again.expectSame();
  expect(again.reasons()).toEqual([]);
});

/** As a crash leaves it between the making of the file and its header. */
function nextWal(path: string): string {
  const index = Number.parseInt(basename(path, ".wal"), 16) + 1;
  return join(dirname(path), `${index.toString(16).padStart(8, "0")}.wal`);
}

function newestWal(metaPath: string): string {
  const generations = join(metaPath, "generations");
  const wals = readdirSync(generations, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".wal"));
  return join(generations, wals.toSorted().at(-1) ?? "none");
}
