import { expect, test } from "bun:test";
import { newGeneration } from "../../src/generation.ts";
import type { WalInfo } from "../../src/layout/objects.ts";
import { walIndex } from "../../src/position.ts";
import type { ReplicaReader } from "../../src/replica-reader.ts";
import { restore } from "../../src/restore/restore.ts";

import { failureOf } from "../bytes.ts";

const generation = newGeneration();
const createdAt = new Date(0);

function walInfo(index: number): WalInfo {
  const path = `${index}.wal`;
  return { generation, index: walIndex(index), offset: 0, path, sizeBytes: 1, createdAt, compressed: false };
}

/** A replica whose listings of WAL are those given, the last one for good; nothing in it can be read. */
function listingReplica(listings: WalInfo[][]): ReplicaReader & { listed: number } {
  const unreadable = (): AsyncIterable<Uint8Array> => {
    throw new Error("reading was begun");
  };
  return {
    name: "file",
    type: "file",
    location: "/replica",
    listed: 0,
    generations: () => Promise.resolve([generation]),
    generationStats: () => Promise.reject(new Error("not asked for")),
    snapshots: () =>
      Promise.resolve([
        { generation, index: walIndex(0), path: "0.snapshot", sizeBytes: 1, createdAt, compressed: true },
      ]),
    wals() {
      const listing = listings[Math.min(this.listed, listings.length - 1)] ?? [];
      this.listed += 1;
      return Promise.resolve(listing);
    },
    snapshotReader: unreadable,
    walReader: unreadable,
  };
}

test("restore lists again when a WAL that is being compressed was in neither form in the listing", async () => {
  const whole = [walInfo(0), walInfo(1), walInfo(2)];
  const replica = listingReplica([[walInfo(0), walInfo(2)], whole]);
  expect(await failureOf(() => restore({ replica, outputPath: `/nowhere-${generation}/out.db` }))).not.toMatchObject({
    code: "BACKUP_INCOMPLETE",
  });
  expect(replica.listed).toBe(2);
});

test("restore gives up when the WAL stays missing", async () => {
  const replica = listingReplica([[walInfo(0), walInfo(2)]]);
  expect(await failureOf(() => restore({ replica, outputPath: `/nowhere-${generation}/out.db` }))).toMatchObject({
    code: "BACKUP_INCOMPLETE",
  });
});
