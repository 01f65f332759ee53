import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { fileURLToPath } from "node:url";
import { tempFolder } from "../../src/database/temp-folder.ts";
import { skipWhen } from "../../src/skip.ts";
import type { LargeStep } from "./large-process.ts";

const sizeBytes = 1.2e9;
const residentMaxBytes = 200e6;
const timeoutMs = 10 * 60_000;
/** The page with this byte is none of a database's. https://www.sqlite.org/fileformat.html, section 1.4. */
const lockByte = 2 ** 30;

const isAskedFor = (process.env["LITESTREAM_TESTKIT_LARGE"] ?? "") === "1" && process.platform === "linux";
const testLarge = skipWhen(!isAskedFor, "it takes minutes and 3 GB; LITESTREAM_TESTKIT_LARGE=1 on Linux asks for it");

async function inProcess(step: "generate" | "integrity" | "rows", path: string): Promise<LargeStep> {
  const script = fileURLToPath(new URL("./large-process.ts", import.meta.url));
  const child = Bun.spawn([process.execPath, script, step, path, String(sizeBytes)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const said = await child.stdout.text();
  expect(await child.exited).toBe(0);
  const done = JSON.parse(said) as LargeStep;
  console.log(`${step}: ${(done.ms / 1000).toFixed(1)} s, at most ${Math.round(done.peakBytes / 1e6)} MB resident`);
  expect(done.peakBytes).toBeLessThan(residentMaxBytes);
  return done;
}

testLarge(
  "a database beyond the lock page is made, checked and digested in bounded memory",
  async () => {
    await using folder = await tempFolder();
    const path = folder.join("large.db");
    const { result: size } = await inProcess("generate", path);
    expect(size).toBeGreaterThanOrEqual(sizeBytes);
    expect((await inProcess("integrity", path)).result).toBe("ok");
    expect((await inProcess("rows", path)).result).toHaveLength(64);

    using database = new Database(path, { readonly: true });
    const lockPage = lockByte / 4096 + 1;
    const count = (condition: string): unknown =>
      database.query(`SELECT count(*) AS pages FROM dbstat WHERE pageno ${condition}`).get();
    expect(count(`= ${lockPage}`)).toEqual({ pages: 0 });
    expect(count(`IN (${lockPage - 1}, ${lockPage + 1})`)).toEqual({ pages: 2 });
  },
  timeoutMs,
);
