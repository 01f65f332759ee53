import { expect, test } from "bun:test";
import { skipUnless } from "@litestream/testkit/skip";
import { type Runtime, runtimes, walk } from "../walk.ts";

const timeoutMs = 300_000;

async function expectWalk(runtime: Runtime): Promise<void> {
  const { commands, rows } = await walk(runtime, "short");
  expect(rows).toBeGreaterThan(0);
  expect(commands.length).toBeGreaterThan(6);
}

test("README leads to a restored database by copy and paste, with only Bun", () => expectWalk(runtimes[0]), timeoutMs);

const node = Bun.which("npm") === null ? undefined : (Bun.which("node") ?? undefined);
skipUnless(node, "Node and npm are not installed")(
  "README leads to a restored database by copy and paste, with only Node and npm",
  () => expectWalk(runtimes[1]),
  timeoutMs,
);
