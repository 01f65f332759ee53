import { skipUnless, skipWhen } from "@litestream/testkit/skip";
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { canMakeUnwritable, makeUnwritable, tempFolder } from "@litestream/testkit";
import { isLitestreamError, type LitestreamError } from "../../src/errors.ts";
import type { FileOwner } from "../../src/file-owner.ts";
import { FileStore } from "../../src/store/file.ts";
import { collect, failureOf, inChunks } from "../bytes.ts";

const text = (content: string): Uint8Array => new TextEncoder().encode(content);

async function litestreamErrorOf(work: () => Promise<unknown>): Promise<LitestreamError> {
  const error = await failureOf(work);
  if (!isLitestreamError(error)) throw error;
  return error;
}

describe("FileStore", () => {
  test("gives back what was put, replaces it, and leaves no temporary", async () => {
    await using folder = await tempFolder();
    const store = new FileStore(folder.join("a", "root"));
    expect(await store.put("x/y/z.bin", inChunks(text("first and longer"), 3))).toEqual({ sizeBytes: 16 });
    expect((await collect(store.read("x/y/z.bin"))).toString()).toBe("first and longer");
    await store.put("x/y/z.bin", inChunks(text("second")));
    expect((await collect(store.read("x/y/z.bin"))).toString()).toBe("second");
    expect((await collect(store.read("x/y/z.bin", { offset: 3 }))).toString()).toBe("ond");
    expect(await collect(store.read("x/y/z.bin", { offset: 99 }))).toHaveLength(0);
    expect(readdirSync(folder.join("a", "root", "x", "y"))).toEqual(["z.bin"]);
  });

  test("lists by prefix, in the order of the keys, without temporaries", async () => {
    await using folder = await tempFolder();
    const store = new FileStore(folder.path);
    for (const key of ["b/2", "b/10", "b.txt", "a/z/9", "b/1/x", "c"]) await store.put(key, inChunks(text(key)));
    writeFileSync(folder.join("b", "3.tmp"), "");
    const keys = async (prefix: string): Promise<string[]> => (await store.list(prefix)).map(({ key }) => key);
    expect(await keys("")).toEqual(["a/z/9", "b.txt", "b/1/x", "b/10", "b/2", "c"]);
    expect(await keys("b/")).toEqual(["b/1/x", "b/10", "b/2"]);
    expect(await keys("b/1")).toEqual(["b/1/x", "b/10"]);
    expect(await keys("b")).toEqual(["b.txt", "b/1/x", "b/10", "b/2"]);
    expect(await keys("nowhere/")).toEqual([]);
    const [entry] = await store.list("c");
    expect(entry?.sizeBytes).toBe(1);
    expect(entry?.modifiedAt).toEqual(statSync(folder.join("c")).mtime);
  });

  test("lists nothing where its root is absent", async () => {
    await using folder = await tempFolder();
    expect(await new FileStore(folder.join("none")).list("")).toEqual([]);
  });

  test("follows links to files, and neither links to folders nor broken ones", async () => {
    await using folder = await tempFolder();
    writeFileSync(folder.join("target"), "12345");
    mkdirSync(folder.join("root"));
    symlinkSync(folder.join("target"), folder.join("root", "linked"));
    symlinkSync(folder.join("root"), folder.join("root", "loop"));
    symlinkSync(folder.join("gone"), folder.join("root", "broken"));
    const entries = await new FileStore(folder.join("root")).list("");
    expect(entries.map(({ key, sizeBytes }) => [key, sizeBytes])).toEqual([["linked", 5]]);
  });

  test("leaves the object as it was when its new content fails or is aborted", async () => {
    await using folder = await tempFolder();
    const store = new FileStore(folder.path);
    await store.put("k", inChunks(text("old")));
    const failure = new Error("source gone");
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(text("new"));
      throw failure;
    }
    expect(await failureOf(() => store.put("k", failing()))).toBe(failure);
    const controller = new AbortController();
    async function* aborting(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(text("new"));
      controller.abort();
    }
    expect((await litestreamErrorOf(() => store.put("k", aborting(), controller.signal))).code).toBe("ABORTED");
    expect((await collect(store.read("k"))).toString()).toBe("old");
    expect(readdirSync(folder.path)).toEqual(["k"]);
  });

  test("gives files and folders the mode of the database's, whatever the umask", async () => {
    await using folder = await tempFolder();
    const mine = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    const owner: FileOwner = {
      fileMode: 0o664,
      directoryMode: 0o775,
      ...mine,
      directoryUid: mine.uid,
      directoryGid: mine.gid,
    };
    const store = new FileStore(folder.join("root"), { owner });
    await store.put("x/y", inChunks(text("1")));
    using opened = store.openFile("x/z", { create: true });
    expect(opened.sizeBytes).toBe(0);
    for (const name of ["root", "root/x"]) expect(statSync(folder.join(name)).mode & 0o777).toBe(0o775);
    for (const name of ["root/x/y", "root/x/z"]) expect(statSync(folder.join(name)).mode & 0o777).toBe(0o664);

    await new FileStore(folder.join("bare")).put("x/y", inChunks(text("1")));
    expect(statSync(folder.join("bare", "x")).mode & 0o777).toBe(0o700);
    expect(statSync(folder.join("bare", "x", "y")).mode & 0o777).toBe(0o600);
  });

  test("refuses keys that lead out of its root", async () => {
    const store = new FileStore("/nowhere");
    for (const key of ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/.", "a\0b"]) {
      expect(await failureOf(() => collect(store.read(key)))).toBeInstanceOf(TypeError);
      expect(() => store.openFile(key, { create: false })).toThrow(TypeError);
    }
    await Promise.resolve();
  });

  test("says OBJECT_MISSING, with the path, for what is not there", async () => {
    await using folder = await tempFolder();
    const store = new FileStore(folder.path);
    for (const work of [
      () => collect(store.read("no/such")),
      async () => store.openFile("no/such", { create: false }),
      async () => store.rename("no/such", "no/other"),
    ]) {
      const error = await litestreamErrorOf(work);
      expect(error.code).toBe("OBJECT_MISSING");
      expect(error.path).toBe(folder.join("no", "such"));
      expect(error.message).toContain(folder.join("no", "such"));
    }
    await store.delete(["no/such"]);
    expect(store.exists("no/such")).toBe(false);
  });

  test("says REPLICA_UNAVAILABLE, with a hint, where a file stands in place of a folder", async () => {
    await using folder = await tempFolder();
    writeFileSync(folder.join("root"), "");
    const store = new FileStore(folder.join("root"));
    for (const work of [() => store.list(""), () => store.put("x/y", inChunks(text("1")))]) {
      const error = await litestreamErrorOf(work);
      expect(error.code).toBe("REPLICA_UNAVAILABLE");
      expect(error.hint).toContain("A file is where a folder belongs");
    }
  });

  skipUnless(canMakeUnwritable() || undefined, "root may write anywhere, and chattr is not there")(
    "says REPLICA_UNAVAILABLE for a folder without permission",
    async () => {
      await using folder = await tempFolder();
      mkdirSync(folder.join("root"));
      using _unwritable = makeUnwritable(folder.join("root"));
      const error = await litestreamErrorOf(() => new FileStore(folder.join("root")).put("x", inChunks(text("1"))));
      expect(error.code).toBe("REPLICA_UNAVAILABLE");
      expect(error.hint).toContain("access");
    },
  );

  skipWhen(!existsSync("/dev/full"), "there is no /dev/full")(
    "says REPLICA_UNAVAILABLE, with a hint, when no space is left",
    async () => {
      await using folder = await tempFolder();
      symlinkSync("/dev/full", folder.join("x"));
      using file = new FileStore(folder.path).openFile("x", { create: true });
      const error = await litestreamErrorOf(async () => file.writeAt(text("1"), 0));
      expect(error.code).toBe("REPLICA_UNAVAILABLE");
      expect(error.path).toBe(folder.join("x"));
      expect(error.hint).toContain("Free space");
    },
  );

  test("deletes what it is told, and only that", async () => {
    await using folder = await tempFolder();
    const store = new FileStore(folder.path);
    for (const key of ["a/1", "a/2", "a/3"]) await store.put(key, inChunks(text(key)));
    await store.delete(["a/1", "a/3", "a/9"]);
    expect((await store.list("")).map(({ key }) => key)).toEqual(["a/2"]);
  });

  test("removes temporaries below a prefix", async () => {
    await using folder = await tempFolder();
    const store = new FileStore(folder.path);
    mkdirSync(folder.join("g", "wal"), { recursive: true });
    for (const name of ["g/wal/1.wal.lz4.tmp", "g/2.tmp", "g/wal/1.wal", "other.tmp"])
      writeFileSync(folder.join(name), "");
    mkdirSync(folder.join("g", "3.tmp", "wal"), { recursive: true });
    writeFileSync(folder.join("g", "3.tmp", "wal", "1.wal"), "");
    expect((await store.list("")).map(({ key }) => key)).toEqual(["g/wal/1.wal"]);
    expect(await store.removeTemporaries("g")).toEqual(["g/2.tmp", "g/3.tmp", "g/wal/1.wal.lz4.tmp"]);
    expect(readdirSync(folder.join("g"))).toEqual(["wal"]);
    expect(readdirSync(join(folder.path, "g", "wal"))).toEqual(["1.wal"]);
    expect(existsSync(folder.join("other.tmp"))).toBe(true);
    expect(await store.removeTemporaries("none")).toEqual([]);
  });

  test("renames over an existing object", async () => {
    await using folder = await tempFolder();
    const store = new FileStore(folder.path);
    await store.put("a/x", inChunks(text("new")));
    await store.put("b/x", inChunks(text("old")));
    store.rename("a/x", "b/x");
    expect((await store.list("")).map(({ key }) => key)).toEqual(["b/x"]);
    expect(readFileSync(folder.join("b", "x"), "utf8")).toBe("new");
  });
});

describe("FileStore.openFile", () => {
  test("writes and reads at positions, truncates, and keeps what another opening wrote", async () => {
    await using folder = await tempFolder();
    const store = new FileStore(folder.path);
    {
      using file = store.openFile("w/1.wal", { create: true });
      file.writeAt(text("hello world"), 0);
      file.writeAt(text("W"), 6);
      file.sync();
    }
    using file = store.openFile("w/1.wal", { create: true });
    const buffer = new Uint8Array(20);
    expect(file.readAt(buffer, 6)).toBe(5);
    expect(new TextDecoder().decode(buffer.subarray(0, 5))).toBe("World");
    file.truncate(5);
    expect(file.sizeBytes).toBe(5);
    file.writeAt(text("!"), 5);
    expect(readFileSync(file.path, "utf8")).toBe("hello!");
  });
});
