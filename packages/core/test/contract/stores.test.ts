import { tempFolder } from "@litestream/testkit";
import { describeStore } from "@litestream/testkit/store-contract";
import { FileStore } from "../../src/store/file.ts";
import { MemoryStore } from "../../src/store/memory.ts";

// S3 passes the same tests against real servers: e2e/test/s3-contract.test.ts.
describeStore("MemoryStore", async () => ({ store: new MemoryStore(), dispose: async () => {} }));

describeStore(
  "FileStore",
  async () => {
    const folder = await tempFolder();
    return { store: new FileStore(folder.join("root")), dispose: () => folder[Symbol.asyncDispose]() };
  },
  // It lists no pages, and makes each object durable by itself.
  { manyKeys: 20 },
);
