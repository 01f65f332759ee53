import { expect, test } from "bun:test";
import { tempFolder } from "@litestream/testkit";
import { churn } from "../src/churn/churn.ts";

const seed = Number(process.env["LITESTREAM_SEED"] ?? Math.floor(Math.random() * 1_000_000));

test(`databases that come and go in a watched folder under load lose nothing (LITESTREAM_SEED=${seed})`, async () => {
  await using folder = await tempFolder();
  const { rounds, steady, exitCode, stderr } = await churn(folder, { seed, rounds: 6, steady: 2, rate: 50 });
  expect(rounds).toHaveLength(6);
  for (const round of rounds) expect({ ...round, restored: round.acknowledged }).toEqual(round);
  for (const database of steady) expect(database.restored).toBe(database.acknowledged);
  expect(stderr).not.toContain("error: ");
  expect(exitCode).toBe(0);
}, 120_000);
