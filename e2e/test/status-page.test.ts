import { afterAll, expect } from "bun:test";
import { renameSync, writeFileSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Registry, type StatusDocument, serve } from "@litestream/metrics";
import { committedPrefix, spawnWriter, tempFolder } from "@litestream/testkit";
import { commandLine, run } from "../src/command.ts";
import { chromiumPath, HeadlessBrowser, type View } from "../src/metrics/browser.ts";
import { evaluate, seriousProblems, textOf, waitForText, waitUntilTrue } from "../src/metrics/in-page.ts";
import { startServed } from "../src/metrics/served.ts";
import { manyDatabases, syntheticDatabase } from "../src/metrics/synthetic.ts";
import { skipUnless } from "../src/tools/skip.ts";
import { waitUntil } from "../src/wait-until.ts";

const testWithChromium = skipUnless(chromiumPath, "Debian's package chromium is not installed");
const desktop: View = { width: 1100, height: 900, scheme: "light" };
const phone: View = { width: 390, height: 844, scheme: "dark" };
/** One for all tests, which have nothing in common but that. */
let browserOfAll: Promise<HeadlessBrowser> | undefined;

function started(chromium: string): Promise<HeadlessBrowser> {
  browserOfAll ??= HeadlessBrowser.start(chromium);
  return browserOfAll;
}

/** Of the first replica of the first database that is served at `url`. */
async function replicatedAsOfMs(url: string): Promise<number> {
  const { databases } = (await (await fetch(`${url}/status.json`)).json()) as StatusDocument;
  return databases[0]?.status?.replicas[0]?.asOfMs ?? 0;
}

afterAll(async () => {
  await (await browserOfAll)?.[Symbol.asyncDispose]();
});

testWithChromium(
  "the page is live, weighs little, and turns red when a replica stops, and when all does",
  async (chromium) => {
    await using folder = await tempFolder();
    const [dbPath, replicaPath] = [folder.join("app.db"), folder.join("replica")];
    await using _writer = await spawnWriter({ path: dbPath, seed: 1, rate: 50, rowsMax: 500 });
    const { replicator, url } = await startServed({
      workPath: folder.join("work"),
      databases: [{ path: dbPath, replicas: [{ path: replicaPath }] }],
    });
    await using _replicator = replicator;
    await replicator.waitForReplicated();
    const browser = await started(chromium);
    const { page, problems, loadedBytes } = await browser.open(url, desktop);
    await waitForText(page, "#overall", /^The database is backed up$/);
    expect(await loadedBytes()).toBeLessThan(150_000);

    // One database is open by itself, and its position moves on.
    const position = ".replica .facts";
    const before = await textOf(page, position);
    const isOther = `document.querySelector("${position}").textContent !== ${JSON.stringify(before)}`;
    await waitUntilTrue(page, isOther, 5000);
    await waitForText(page, ".events", /new generation [0-9a-f]{16}: no generation exists/);
    await waitForText(page, ".chart figcaption", /At most/);
    expect(await page.$$(".plot canvas")).toHaveLength(1);

    renameSync(replicaPath, folder.join("aside"));
    writeFileSync(replicaPath, "");
    await page.waitForSelector('.database[data-level="bad"]', { timeout: 5000 });
    await waitForText(page, "#overall", /^1 of 1 needs attention$/, 5000);
    await waitForText(page, ".failure", /replica/);
    await rm(replicaPath);
    await rename(folder.join("aside"), replicaPath);
    await page.waitForSelector('.database[data-level="good"]', { timeout: 20_000 });
    expect(problems).toEqual([]);

    await replicator.kill("SIGKILL");
    await waitForText(page, "#overall", /^Litestream does not answer$/, 5000);
    await waitForText(page, "#connection", /old/, 5000);
  },
  90_000,
);

testWithChromium(
  "a moment that is picked gives the command that restores exactly that moment",
  async (chromium) => {
    await using folder = await tempFolder();
    const [dbPath, replicaPath] = [folder.join("app.db"), folder.join("it's a replica")];
    const load = { path: dbPath, seed: 3, rowsMax: 500, whenDone: "hold" } as const;
    const { replicator, url } = await startServed({
      workPath: folder.join("work"),
      databases: [{ path: dbPath, "min-checkpoint-page-count": 20, replicas: [{ path: replicaPath }] }],
    });
    await using _replicator = replicator;
    // Quiet times between bursts, so that it is known what the database held at each moment of them.
    const quiet: { readonly fromMs: number; readonly toMs: number; readonly transactions: number }[] = [];
    let transactions = 0;
    for (const burst of [30, 50, 20]) {
      await using writer = await spawnWriter({ ...load, transactions: burst });
      await writer.waitUntilDone();
      transactions += burst;
      // Of the last commit no event may tell that it is replicated: it can be captured before it is acknowledged.
      const acknowledgedMs = Math.max(...writer.acknowledged().map(({ atMs }) => atMs));
      await waitUntil("the burst to be replicated", async () => (await replicatedAsOfMs(url)) > acknowledgedMs);
      await Bun.sleep(200);
      const quietFromMs = Date.now();
      await Bun.sleep(1500);
      quiet.push({ fromMs: quietFromMs, toMs: Date.now(), transactions });
    }
    const browser = await started(chromium);
    const { page, problems } = await browser.open(url, desktop);
    const slider = await page.waitForSelector('input[type="range"]:not([hidden])', { visible: true });
    if (slider === null) throw new Error("there is no slider");
    const sliderMs = (what: "min" | "max" | "value"): Promise<number> =>
      evaluate(page, `Number(document.querySelector("input[type=range]").${what})`);
    const [minMs, maxMs] = [await sliderMs("min"), await sliderMs("max")];
    const box = await slider.boundingBox();
    if (box === null) throw new Error("the slider is not to be seen");
    const command = async (isNew: RegExp): Promise<string> => {
      await waitForText(page, ".answer code", isNew);
      return textOf(page, ".answer code");
    };
    const restored = async (words: string, outputPath: string): Promise<number> => {
      const shell = ["sh", "-c", words.replace(/^litestream /, `${commandLine.map((word) => `'${word}'`).join(" ")} `)];
      expect(await run(shell)).toMatchObject({ exitCode: 0 });
      return committedPrefix(outputPath);
    };
    const outputOf = (words: string): string => / -o (\S+) /.exec(words)?.[1] ?? "";
    const timeOf = (words: string): number => Date.parse(/ -timestamp (\S+) /.exec(words)?.[1] ?? "");

    const [first, second] = quiet;
    if (first === undefined || second === undefined) throw new Error("there were quiet times");
    // By the mouse, in the middle of the first quiet time; the thumb's width counts.
    const aimedMs = (first.fromMs + first.toMs) / 2;
    const thumb = 16;
    const x = box.x + thumb / 2 + ((aimedMs - minMs) / (maxMs - minMs)) * (box.width - thumb);
    await page.mouse.click(x, box.y + box.height / 2);
    const byMouse = await command(/-timestamp/);
    expect(timeOf(byMouse)).toBeGreaterThan(first.fromMs);
    expect(timeOf(byMouse)).toBeLessThan(first.toMs);
    expect(byMouse).toContain(`'${replicaPath.replace("'", "'\\''")}'`);
    expect(await restored(byMouse, outputOf(byMouse))).toBe(first.transactions);

    // By the keyboard, on into the second one.
    await slider.focus();
    while ((await sliderMs("value")) < (second.fromMs + second.toMs) / 2) await page.keyboard.press("ArrowRight");
    const pickedMs = await sliderMs("value");
    const byKeyboard = await command(new RegExp(new Date(pickedMs).toISOString().replace(".", "\\.")));
    expect(pickedMs).toBeLessThan(second.toMs);
    expect(await restored(byKeyboard, outputOf(byKeyboard))).toBe(second.transactions);

    // By typing a time that the replica knows nothing of.
    await evaluate(
      page,
      `{
        const input = document.querySelector("input[type=datetime-local]");
        input.value = "2001-01-01T00:00:00.000";
        input.dispatchEvent(new Event("change"));
      }`,
    );
    await waitForText(page, ".answer .failure", /holds no state of .*States can be restored from/);
    expect(problems.filter((text) => !text.includes("409"))).toEqual([]);
  },
  90_000,
);

testWithChromium(
  "axe finds nothing serious, at a desk by day and on a phone by night",
  async (chromium) => {
    await using folder = await tempFolder();
    const dbPath = folder.join("app.db");
    await using writer = await spawnWriter({ path: dbPath, seed: 1, transactions: 20, whenDone: "hold" });
    await writer.waitUntilDone();
    const { replicator, url } = await startServed({
      workPath: folder.join("work"),
      databases: [{ path: dbPath, replicas: [{ path: folder.join("replica") }] }],
    });
    await using _replicator = replicator;
    await replicator.waitForReplicated();
    await using many = await serve({
      addr: "127.0.0.1:0",
      databases: () => manyDatabases(30),
      registry: new Registry(),
    });
    const browser = await started(chromium);
    for (const view of [desktop, phone]) {
      const one = await browser.open(url, view);
      await one.page.waitForSelector(".picker:not([hidden]) button", { visible: true });
      await one.page.click(".picker button");
      await waitForText(one.page, ".answer code", /litestream restore/);
      expect(await seriousProblems(one.page)).toEqual([]);
      // Nothing is wider than the screen.
      expect(await evaluate<boolean>(one.page, "document.documentElement.scrollWidth <= innerWidth")).toBe(true);
      const all = await browser.open(many.url, view);
      await waitForText(all.page, "#overall", /^1 of 30 needs attention$/);
      await all.page.click(".database button");
      await all.page.waitForSelector(".replica, .events li");
      expect(await seriousProblems(all.page)).toEqual([]);
    }
  },
  90_000,
);

testWithChromium(
  "of 300 databases the worst come first, and a part of a path finds one, by keyboard alone",
  async (chromium) => {
    await using server = await serve({
      addr: "127.0.0.1:0",
      databases: () => manyDatabases(300),
      registry: new Registry(),
    });
    const browser = await started(chromium);
    const { page, problems } = await browser.open(server.url, desktop);
    await waitForText(page, "#overall", /^2 of 300 need attention$/);
    const paths = (): Promise<string[]> =>
      evaluate(page, 'Array.from(document.querySelectorAll(".path"), (path) => path.textContent)');
    const isFocusOnOpen = (): Promise<boolean> =>
      evaluate(page, 'document.activeElement.getAttribute("aria-expanded") === "true"');
    expect((await paths()).slice(0, 4)).toEqual([
      "/data/tenants/tenant-017.db",
      "/data/tenants/tenant-123.db",
      "/data/tenants/tenant-200.db",
      "/data/tenants/tenant-000.db",
    ]);
    expect(await paths()).toHaveLength(300);
    await page.keyboard.press("Tab");
    await page.keyboard.type("tenant-12");
    await waitForText(page, "#count", /^10 of 300$/);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    await waitForText(page, "#count", /^1 of 300$/);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await waitForText(page, ".failure", /cannot write to \/backups\/tenants\/tenant-123/);
    expect(await isFocusOnOpen()).toBe(true);
    // It stays there while the list is drawn anew.
    await Bun.sleep(2500);
    expect(await isFocusOnOpen()).toBe(true);
    // What can be restored of databases that are none is not known.
    expect(problems.filter((text) => !text.includes("404"))).toEqual([]);
  },
  60_000,
);

testWithChromium(
  "the page asks for the token, and shows nothing without it",
  async (chromium) => {
    await using server = await serve({
      addr: "127.0.0.1:0",
      databases: () => [syntheticDatabase("/data/app.db")],
      registry: new Registry(),
      token: "s3cret",
    });
    const browser = await started(chromium);
    const { page } = await browser.open(server.url, phone);
    await waitForText(page, "#overall", /^A token is needed$/);
    expect(await page.content()).not.toContain("app.db");
    await page.keyboard.type("s3cret");
    await page.keyboard.press("Enter");
    await waitForText(page, "#overall", /^The database is backed up$/);
  },
  60_000,
);
