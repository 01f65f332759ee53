import { expect, test } from "bun:test";
import { SeededRandom } from "@litestream/testkit";
import { randomHistory } from "./history.ts";
import { type Outcome, runHistory } from "./run-history.ts";

const seed = Number(process.env["LITESTREAM_KEEPING_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const histories = Number(process.env["LITESTREAM_KEEPING_HISTORIES"] ?? 8);
const eventCount = 40;

test(`${histories} random histories with retention and deaths keep every state that they promise`, async () => {
  console.log(`LITESTREAM_KEEPING_SEED=${seed}`);
  const random = new SeededRandom(seed);
  const total: Record<keyof Outcome, number> = { promised: 0, gone: 0, deaths: 0, gaps: 0, deletedSnapshots: 0 };
  for (let count = 0; count < histories; count++) {
    const outcome = await runHistory(randomHistory(new SeededRandom(random.uint32()), eventCount));
    for (const key of Object.keys(total) as (keyof Outcome)[]) total[key] += outcome[key];
  }
  console.log(JSON.stringify(total));
  expect(total.promised).toBeGreaterThan(histories * 10);
  expect(total.deletedSnapshots).toBeGreaterThan(0);
  expect(total.deaths).toBeGreaterThan(0);
}, 3_600_000);
