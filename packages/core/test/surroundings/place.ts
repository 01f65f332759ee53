import { expect } from "bun:test";
import { rowsDigest, type TempFolder } from "@litestream/testkit";
import { Litestream, type LitestreamEvent, type LitestreamOptions, openReplica, restore } from "../../src/index.ts";

/** A Litestream in this process that does nothing by itself, and what it told. */
export interface Place extends AsyncDisposable {
  readonly litestream: Litestream;
  readonly events: LitestreamEvent[];
  /** Why generations began. */
  readonly reasons: () => string[];
  /** After a sync, a restore gives what is in the database, whose WAL nobody adds to meanwhile. */
  readonly expectSame: () => Promise<void>;
}

export async function replicate(folder: TempFolder, options: Partial<LitestreamOptions> = {}): Promise<Place> {
  const events: LitestreamEvent[] = [];
  const path = options.path ?? folder.join("app.db");
  const replica = options.replicas?.[0] ?? { path: folder.join("replica") };
  const litestream = new Litestream({
    engine: "inline",
    path,
    replicas: [replica],
    monitorEnabled: false,
    onEvent: (event) => events.push(event),
    ...options,
  });
  await litestream.start();
  return {
    litestream,
    events,
    reasons: () => events.flatMap((event) => (event.type === "generation" ? [event.reason] : [])),
    expectSame: async () => {
      await litestream.sync();
      const outputPath = folder.join(`${crypto.randomUUID()}.db`);
      await restore({ replica: openReplica(replica), outputPath });
      // Through another process: to close a descriptor of the database here would drop our locks.
      expect(rowsDigest(outputPath)).toBe(await digestElsewhere(path));
    },
    [Symbol.asyncDispose]: () => litestream[Symbol.asyncDispose](),
  };
}

/** The life of a replicator that has everything in its replica, and is over. */
export async function replicateOnce(folder: TempFolder): Promise<void> {
  await using place = await replicate(folder);
  await place.litestream.sync();
}

async function digestElsewhere(path: string): Promise<string> {
  const program = `
    import { rowsDigest } from "@litestream/testkit";
    console.log(rowsDigest(${JSON.stringify(path)}));`;
  const child = Bun.spawn([process.execPath, "-e", program], {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return (await child.stdout.text()).trim();
}
