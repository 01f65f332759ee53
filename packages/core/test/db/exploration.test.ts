import { expect, test } from "bun:test";
import { SeededRandom } from "@litestream/testkit";
import { explore } from "../exploration/explore.ts";

const seed = Number(process.env["LITESTREAM_HISTORY_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
const histories = Number(process.env["LITESTREAM_HISTORIES"] ?? 400);

test(`${histories} random histories of a database with neighbours give the database, byte for byte`, async () => {
  console.log(`LITESTREAM_HISTORY_SEED=${seed}`);
  const result = await explore(new SeededRandom(seed), histories);
  console.log(JSON.stringify(result));
  expect(result.comparisons).toBeGreaterThan(histories);
  expect(result.indexes).toBeGreaterThan(0);
}, 600_000);
