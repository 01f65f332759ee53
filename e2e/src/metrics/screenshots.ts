/**
 * Takes the pictures of the status page in docs/pictures: one database whose replica failed for a while, and 300, at a
 * desk and on a phone, by day and by night. Two minutes.
 *
 *     sh scripts/run bun e2e/src/metrics/screenshots.ts
 */
import { renameSync, writeFileSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Registry, serve } from "@litestream/metrics";
import { spawnWriter, tempFolder } from "@litestream/testkit";
import { chromiumPath, HeadlessBrowser, type View } from "./browser.ts";
import { waitForText } from "./in-page.ts";
import { startServed } from "./served.ts";
import { manyDatabases } from "./synthetic.ts";

const patienceMs = 90_000;
const pictures = join(import.meta.dirname, "../../../docs/pictures");
const views: readonly (readonly [string, View])[] = (["light", "dark"] as const).flatMap((scheme) => [
  [`desktop-${scheme}`, { width: 1000, height: 900, scheme }] as const,
  [`phone-${scheme}`, { width: 390, height: 844, scheme }] as const,
]);

if (chromiumPath === undefined) throw new Error("Chromium is not installed: apt-get install chromium");
await mkdir(pictures, { recursive: true });
await using browser = await HeadlessBrowser.start(chromiumPath);

await using many = await serve({ addr: "127.0.0.1:0", databases: () => manyDatabases(300), registry: new Registry() });
for (const [name, view] of views) {
  const { page } = await browser.open(many.url, view);
  await waitForText(page, "#overall", /need attention/, patienceMs);
  await page.screenshot({ path: join(pictures, `status-300-${name}.png`) });
  await page.close();
}

await using folder = await tempFolder();
const [dbPath, replicaPath] = [folder.join("app.db"), folder.join("backup")];
await using _writer = await spawnWriter({ path: dbPath, seed: 1, rate: 20, rowsMax: 2000 });
const { replicator, url } = await startServed({
  workPath: folder.join("work"),
  databases: [
    {
      path: dbPath,
      "checkpoint-interval": "10s",
      replicas: [{ path: replicaPath, "snapshot-interval": "20s", "validation-interval": "30s" }],
    },
  ],
});
await using _replicator = replicator;
await replicator.waitForReplicated();
await Bun.sleep(30_000);
renameSync(replicaPath, folder.join("aside"));
writeFileSync(replicaPath, "");
await Bun.sleep(20_000);
await rm(replicaPath);
await rename(folder.join("aside"), replicaPath);
await Bun.sleep(35_000);
for (const [name, view] of views) {
  const { page } = await browser.open(url, view);
  const slider = await page
    .waitForSelector(".picker:not([hidden])", { visible: true, timeout: patienceMs })
    .then(() => page.$("input[type=range]"));
  await slider?.scrollIntoView();
  const box = await slider?.boundingBox();
  if (box === null || box === undefined) throw new Error("the slider is not to be seen");
  await page.mouse.click(box.x + box.width * 0.6, box.y + box.height / 2);
  await waitForText(page, ".answer code", /restore/, patienceMs);
  await waitForText(page, ".chart figcaption", /At most/, patienceMs);
  const height = view.width < 500 ? 1500 : view.height;
  const clip = { x: 0, y: 0, width: view.width, height };
  await page.screenshot({ path: join(pictures, `status-1-${name}.png`), clip, captureBeyondViewport: true });
  await page.close();
}
