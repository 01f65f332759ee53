/**
 * Replicas by releases of Litestream. `v050-ps512` is one of Litestream 0.5.0, which stores a page as an LZ4 frame;
 * `v0516-ps512` is what the latest state before transaction b needs out of the golden replica v05-ps512 of 0.5.16,
 * which stores it as a block.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type LtxInfo, ltxInfo } from "../../src/layout/ltx.ts";

const folder = join(import.meta.dirname, "fixtures");

export const fixtureNames = ["v050-ps512", "v0516-ps512"] as const;
export type FixtureName = (typeof fixtureNames)[number];

/** SHA-256 of the database that Litestream restores, by transaction. */
export const restoredSha256: Readonly<Record<FixtureName, Readonly<Record<string, string>>>> = {
  "v050-ps512": {
    "0000000000000008": "4ec832e06c59434325ad3bdd1a918e01eb2559510189e5e67b66137fa405cbf4",
    "000000000000000b": "61407a28bce8f6177f58d3c7f7d24a4d20bb0d23cbe2a4fec62643a0607dad69",
  },
  "v0516-ps512": {
    "0000000000000009": "b7c156057b66885a83725ea0f1061324229464263f990308dc0cca99b3575517",
    "000000000000000a": "ad08f3c5deab63e8b1c71018545929fd4b2aa71df3249c7b5b23195c48d27b93",
  },
};

/** What the fixture lists. Its times are lost: git keeps none. */
export function listFixture(name: FixtureName): LtxInfo[] {
  return listReplica(join(folder, name));
}

export function readFixture(name: FixtureName, path: string): Buffer {
  return readFileSync(join(folder, name, path));
}

/** The LTX files in a folder, at epoch. */
export function listReplica(root: string): LtxInfo[] {
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .toSorted()
    .flatMap((key) => ltxInfo({ key, sizeBytes: 1 << 20, modifiedAt: new Date(0) }) ?? []);
}
