import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { decompressLz4 } from "../../src/lz4/frame-reader.ts";
import { FileStore } from "../../src/store/file.ts";
import { collect, failureOf } from "../bytes.ts";
import { sqlElsewhere } from "../child.ts";
import { Neighbour } from "../interleaving/neighbour.ts";
import { type Layout, Replicated } from "../replica/replicated.ts";

const layouts: readonly Layout[] = ["whole", "segments"];

/** Files of the replica's generation whose names match. */
function files(replicated: Replicated, pattern: RegExp): string[] {
  const root = replicated.folder.join("replica", "generations");
  return (readdirSync(root, { recursive: true }) as string[])
    .filter((name) => pattern.test(name))
    .map((name) => `${root}/${name}`)
    .toSorted();
}

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  const middle = bytes.byteLength >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
}

/** A page that only the database file has, of a table that nobody writes to: a byte of it that belongs to a row. */
async function stillPage(replicated: Replicated): Promise<{ readonly pgno: number; readonly lastByte: number }> {
  const { path } = replicated;
  await sqlElsewhere(path, "CREATE TABLE still (data)", "INSERT INTO still VALUES (zeroblob(500))");
  replicated.db.sync();
  await replicated.commit(2);
  const [page] = await sqlElsewhere(
    path,
    "SELECT pageno, pageno * (SELECT page_size FROM pragma_page_size) - 1 AS lastByte FROM dbstat WHERE name = 'still'",
  );
  return { pgno: Number(page?.["pageno"]), lastByte: Number(page?.["lastByte"]) };
}

describe("StoreReplica.validate", () => {
  for (const layout of layouts) {
    test(`finds a replica in the layout ${layout} equal to the database, at the position that it names`, async () => {
      await using replicated = await Replicated.open({ layout, checkpoints: true });
      const replica = replicated.replica();
      for (let i = 0; i < 4; i++) {
        await replicated.commit();
        const result = await replica.validate();
        expect(result).toMatchObject({ replica: "replica", status: "ok", differences: [], message: undefined });
        expect(result.position).toEqual(replicated.db.captured()?.position as never);
        expect(replicated.ofType("validation").at(-1)).toEqual({ type: "validation", ...result });
      }
      expect(replicated.ofType("snapshot")).toHaveLength(1);
      expect(readdirSync(replicated.folder.join(".app.db-litestream", "validation", "replica"))).toEqual([]);
    });
  }

  test("compares the position that it copied, whatever others commit and checkpoint meanwhile", async () => {
    await using replicated = await Replicated.open();
    const replica = replicated.replica();
    await using neighbour = new Neighbour(replicated.folder);
    neighbour.open(replicated.path);
    neighbour.run("CREATE TABLE churn (id INTEGER PRIMARY KEY, data BLOB)");
    const numbers = "WITH n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 800) SELECT i FROM n";
    neighbour.run(`INSERT INTO churn SELECT i, randomblob(3000) FROM (${numbers})`);
    for (let round = 0; round < 6; round++) {
      replicated.db.sync();
      let isOver = false;
      const meanwhile = async (): Promise<void> => {
        for (let i = 0; !isOver; i++) {
          neighbour.run(`UPDATE churn SET data = randomblob(3000) WHERE id % 97 = ${i % 97}`);
          neighbour.attempt(`PRAGMA wal_checkpoint(${["PASSIVE", "RESTART", "TRUNCATE"][i % 3]})`);
          replicated.db.sync();
          await new Promise((done) => setImmediate(done));
        }
      };
      const working = meanwhile();
      const result = await replica.validate();
      isOver = true;
      await working;
      expect(result).toMatchObject({ status: "ok", message: undefined });
    }
  }, 60_000);

  test("names the pages that differ and their tables, keeps both databases, and takes a new snapshot", async () => {
    await using replicated = await Replicated.open({ checkpoints: true });
    const replica = replicated.replica();
    const { pgno, lastByte } = await stillPage(replicated);
    await replica.sync();
    await using neighbour = new Neighbour(replicated.folder);
    neighbour.overwrite(replicated.path, lastByte, Uint8Array.of(0xa7));
    const result = await replica.validate();
    expect(result.status).toBe("mismatch");
    expect(result.differences).toEqual([{ pgno, owner: "still" }]);
    expect(result.message).toMatch(/^1 pages differ: CRC-64 [0-9a-f]{16} of the database, [0-9a-f]{16} restored$/);

    const { keptAt } = result;
    if (keptAt === undefined) throw new Error("nothing was kept");
    expect(readdirSync(keptAt).toSorted()).toEqual(["live.db.lz4", "restored.db.lz4"]);
    const [live, restored] = await Promise.all(
      ["live", "restored"].map(async (which) => {
        const stored = new FileStore(keptAt).read(`${which}.db.lz4`);
        return await collect(decompressLz4(stored, { path: which }));
      }),
    );
    const differing = [...(live ?? []).entries()].filter(([offset, byte]) => byte !== restored?.[offset]);
    expect(differing.map(([offset]) => offset)).toEqual([lastByte]);
    expect(replicated.ofType("snapshot")).toHaveLength(2);
    expect((await replica.validate()).status).toBe("ok");
  });

  test("keeps the databases of the last two differences, and none of the earlier ones", async () => {
    await using replicated = await Replicated.open({ checkpoints: true });
    const replica = replicated.replica();
    const { lastByte } = await stillPage(replicated);
    await using neighbour = new Neighbour(replicated.folder);
    const kept: (string | undefined)[] = [];
    for (const byte of [1, 2, 3]) {
      await replica.sync();
      neighbour.overwrite(replicated.path, lastByte, Uint8Array.of(byte));
      const { status, keptAt } = await replica.validate();
      expect(status).toBe("mismatch");
      kept.push(keptAt);
    }
    expect(kept.map((folder) => existsSync(folder ?? ""))).toEqual([false, true, true]);
  });

  for (const layout of layouts) {
    for (const [what, damage] of [
      ["its snapshot is damaged", (of: Replicated) => flipByte(files(of, /\.snapshot\.lz4$/)[0] ?? "")],
      ["its newest WAL is damaged", (of: Replicated) => flipByte(files(of, /\/wal\/[^.]+\.wal/).at(-1) ?? "")],
      ["its newest WAL is gone", (of: Replicated) => rmSync(files(of, /\/wal\/[^.]+\.wal/).at(-1) ?? "")],
      ["its snapshot is gone", (of: Replicated) => rmSync(files(of, /\.snapshot\.lz4$/)[0] ?? "")],
      ["its snapshot is empty", (of: Replicated) => truncateSync(files(of, /\.snapshot\.lz4$/)[0] ?? "", 0)],
    ] as const) {
      test(`finds that ${what}, in the layout ${layout}, and mends it`, async () => {
        await using replicated = await Replicated.open({ layout });
        const replica = replicated.replica();
        await replica.sync();
        await replicated.commit(2);
        await replica.sync();
        damage(replicated);
        const result = await replica.validate();
        expect(result.status).toBe("error");
        expect(result.message).toMatch(/damaged|missing|cannot be restored|no commit ends|holds no state/);
        expect((await replica.validate()).status).toBe("ok");
        await replicated.expectLatest();
      });
    }
  }

  test("is an error when the replica does not get there in time, and repairs nothing", async () => {
    await using replicated = await Replicated.open();
    const replica = replicated.replica("replica", { validationTimeoutMs: 50, validationPollIntervalMs: 5 });
    await replica.sync();
    await replicated.commit();
    const root = replicated.folder.join("replica");
    renameSync(root, `${root}.away`);
    writeFileSync(root, "in its way");
    const result = await replica.validate();
    expect(result.status).toBe("error");
    expect(result.message).toContain(root);
    expect(replicated.ofType("snapshot")).toHaveLength(1);
    rmSync(root);
    renameSync(`${root}.away`, root);
    expect((await replica.validate()).status).toBe("ok");
  });

  test("ends when it is aborted, and leaves nothing behind", async () => {
    await using replicated = await Replicated.open();
    const replica = replicated.replica();
    await replica.sync();
    const error = await failureOf(() => replica.validate(AbortSignal.abort()));
    expect(error).toHaveProperty("code", "ABORTED");
    expect(replicated.ofType("validation")).toEqual([]);
    expect(existsSync(replicated.folder.join(".app.db-litestream", "validation", "replica", "current"))).toBe(false);
  });
});
