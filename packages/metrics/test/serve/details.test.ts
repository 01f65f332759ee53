import { describe, expect, test } from "bun:test";
import { Litestream } from "@litestream/core";
import { spawnWriter, tempFolder } from "@litestream/testkit";
import { observe, serve } from "../../src/index.ts";
import { FakeDatabase } from "../fake-database.ts";

interface Restorable {
  readonly generations: readonly {
    readonly windows: readonly { readonly fromMs: number; readonly toMs: number }[];
    readonly snapshots: readonly unknown[];
  }[];
}

describe("what a page asks for", () => {
  test("is to be had of a real database: its events, what can be restored, and the command for it", async () => {
    await using folder = await tempFolder();
    const path = folder.join("app.db");
    await using writer = await spawnWriter({ path, seed: 1, transactions: 20, whenDone: "hold" });
    await writer.waitUntilDone();
    await using litestream = new Litestream({
      path,
      replicas: [{ path: folder.join("replica") }],
      engine: "inline",
      monitorEnabled: false,
    });
    const { registry } = observe(litestream);
    await using server = await serve({ addr: "127.0.0.1:0", databases: () => [litestream], registry });
    litestream.subscribe(server.observe);
    await litestream.start();
    await litestream.sync();
    const ask = async <T>(what: string): Promise<T> => {
      const response = await fetch(`${server.url}/${what}&path=${encodeURIComponent(path)}`);
      return (await response.json()) as T;
    };
    const { events } = await ask<{ readonly events: readonly { readonly text: string }[] }>("database.json?x");
    expect(events.map(({ text }) => text).join("\n")).toContain("no generation exists");
    const { generations } = await ask<Restorable>("restorable.json?replica=file");
    expect(generations).toHaveLength(1);
    const window = generations[0]?.windows[0];
    if (window === undefined) throw new Error("nothing can be restored");
    const iso = new Date(window.toMs).toISOString();
    expect(await ask<unknown>(`restore.json?replica=file&at=${window.toMs}`)).toMatchObject({
      command:
        `litestream restore -timestamp ${iso} -o ${folder.join("app")}-${iso.replaceAll(/[-:]/g, "")}.db ` +
        folder.join("replica"),
    });
    expect(await ask<unknown>(`restore.json?replica=file&at=${window.fromMs - 60_000}`)).toMatchObject({
      error: expect.stringContaining("holds no state") as unknown,
      hint: expect.stringContaining("States can be restored from") as unknown,
    });
  });

  test("is refused where it makes no sense", async () => {
    const database = new FakeDatabase();
    const { registry } = observe(database);
    await using server = await serve({ addr: "127.0.0.1:0", databases: () => [database], registry });
    const statusOf = async (what: string): Promise<number> => (await fetch(`${server.url}/${what}`)).status;
    expect(await statusOf("database.json")).toBe(404);
    expect(await statusOf("database.json?path=/etc/passwd")).toBe(404);
    expect(await statusOf("restorable.json?path=/data/app.db&replica=file")).toBe(404);
    expect(await statusOf("restore.json?path=/data/app.db&replica=file&at=0")).toBe(404);
    Object.assign(database, { openReplica: () => ({ location: "/backups/app" }) });
    expect(await statusOf("restorable.json?path=/data/app.db&replica=other")).toBe(404);
    expect(await statusOf("restore.json?path=/data/app.db&replica=file")).toBe(400);
    expect(await statusOf("restore.json?path=/data/app.db&replica=file&at=1e99")).toBe(400);
    expect(await statusOf("restore.json?path=/data/app.db&replica=file&at=x")).toBe(400);
  });

  test("is not to be had without the token, and the page itself is", async () => {
    const database = new FakeDatabase();
    const { registry } = observe(database);
    await using server = await serve({ addr: "127.0.0.1:0", databases: () => [database], registry, token: "s3cret" });
    for (const what of ["database.json?path=/data/app.db", "restorable.json", "restore.json"]) {
      expect((await fetch(`${server.url}/${what}`)).status).toBe(401);
    }
    const page = await fetch(`${server.url}/`);
    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect(page.headers.get("content-security-policy")).toContain("script-src 'self'");
    const html = await page.text();
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/);
    const assets = new Set([...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = ""]) => path));
    expect(assets.size).toBeGreaterThan(3);
    // What is imported by one of them is visited too: a set's iteration goes on to what is added meanwhile.
    for (const asset of assets) {
      const response = await fetch(`${server.url}${asset}`);
      expect([asset, response.status]).toEqual([asset, 200]);
      for (const [, path = ""] of (await response.text()).matchAll(/^import .* from "\.\/([^"]+)";$/gm)) {
        assets.add(`/assets/${path}`);
      }
    }
    expect([...assets]).toContain("/assets/set-text.js");
  });
});
