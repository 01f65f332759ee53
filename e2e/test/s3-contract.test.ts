import { openStore } from "@litestream/core";
import { skipUnless } from "@litestream/testkit/skip";
import { describeStore } from "@litestream/testkit/store-contract";
import { afterAll } from "bun:test";
import {
  type ObjectServer,
  objectServerBinary,
  objectServerKinds,
  startObjectServer,
} from "../src/tools/object-server.ts";

for (const kind of objectServerKinds) {
  const binary = await objectServerBinary(kind);
  if (binary === undefined) {
    skipUnless(binary, `${kind} could not be built by Go, or Go is not installed`)(`S3Store over ${kind}`, () => {});
    continue;
  }
  let starting: Promise<ObjectServer> | undefined;
  let storeCount = 0;
  afterAll(async () => (await starting)?.[Symbol.asyncDispose]());
  // One server for all, with a path of its own for each test.
  describeStore(`S3Store over ${kind}`, async () => {
    starting ??= startObjectServer(kind, binary);
    const server = await starting;
    return { store: openStore(server.replica(`store-${++storeCount}/db`)), dispose: async () => {} };
  });
}
