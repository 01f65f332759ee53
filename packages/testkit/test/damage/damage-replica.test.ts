import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { damageKinds } from "../../src/damage/damage-file.ts";
import { damageReplica, type ReplicaObject } from "../../src/damage/damage-replica.ts";
import { type TempFolder, tempFolder } from "../../src/database/temp-folder.ts";

const [older, newer] = ["0123456789abcdef", "fedcba9876543210"] as const;
const files = {
  snapshot: [
    `generations/${older}/snapshots/00000000.snapshot.lz4`,
    `generations/${newer}/snapshots/00000000.snapshot.lz4`,
    `generations/${newer}/snapshots/00000003.snapshot.lz4`,
  ],
  wal: [
    `generations/${older}/wal/00000000.wal.lz4`,
    `generations/${older}/wal/00000001.wal`,
    `generations/${newer}/wal/00000000.wal`,
  ],
  segment: [
    `generations/${newer}/wal/00000003_00000000.wal.lz4`,
    `generations/${newer}/wal/00000003_00001038.wal.lz4`,
    `generations/${newer}/wal/00000004_00000000.wal.lz4`,
  ],
  ltx: [
    "ltx/0/0000000000000001-0000000000000001.ltx",
    "ltx/0/0000000000000002-0000000000000002.ltx",
    "ltx/1/0000000000000001-0000000000000002.ltx",
  ],
} as const satisfies Record<ReplicaObject, readonly string[]>;

/** Names that no layout has. */
const strangers = [
  `generations/${newer}/wal/00000004_00000000.wal.lz4.tmp`,
  `generations/${newer}/wal/0000000g.wal`,
  "generations/0123/snapshots/00000000.snapshot.lz4",
  "ltx/0/1-2.ltx",
  "app.db-wal",
];

function write(folder: TempFolder, names: readonly string[]): void {
  for (const name of names) {
    mkdirSync(dirname(folder.join(name)), { recursive: true });
    writeFileSync(folder.join(name), `the object ${name}`);
  }
}

describe.each(["snapshot", "wal", "segment", "ltx"] as const)("damageReplica, %s,", (object) => {
  test.each([...damageKinds])("damages one by %s and no other", async (kind) => {
    for (const [which, index] of [
      ["first", 0],
      [1, 1],
      ["last", 2],
    ] as const) {
      await using folder = await tempFolder();
      write(folder, [...Object.values(files).flat(), ...strangers]);
      const record = damageReplica(folder.path, object, kind, { which, seed: 5 });
      const file = files[object][index];
      expect(record).toMatchObject({ file, kind, seed: 5 });
      expect(existsSync(folder.join(file))).toBe(kind !== "drop");
      if (kind === "drop") expect(record.sha256After).toBeNull();
      const changed = [...Object.values(files).flat(), ...strangers].filter(
        (name) => !existsSync(folder.join(name)) || readFileSync(folder.join(name), "utf8") !== `the object ${name}`,
      );
      expect(changed).toEqual([file]);
    }
  });

  test("lets the seed choose, the same for the same seed", async () => {
    const choose = async (seed: number): Promise<string> => {
      await using folder = await tempFolder();
      write(folder, files[object]);
      return damageReplica(folder.path, object, "drop", { seed }).file;
    };
    const chosen = await Promise.all(Array.from({ length: 20 }, (_, seed) => choose(seed)));
    expect(new Set(chosen)).toEqual(new Set(files[object]));
    expect(await choose(7)).toBe(chosen[7] ?? "");
  });

  test("says what there is where there is no such object", async () => {
    await using folder = await tempFolder();
    const other = object === "snapshot" ? "ltx" : "snapshot";
    write(folder, files[other]);
    expect(() => damageReplica(folder.path, object, "flip")).toThrow(
      `${folder.path} has no object of kind ${object}: it has 3 of kind ${other}; damage one of those`,
    );
  });
});

test("damageReplica keeps to a generation or a level", async () => {
  await using folder = await tempFolder();
  write(folder, Object.values(files).flat());
  expect(damageReplica(folder.path, "wal", "flip", { which: "last", generation: older }).file).toBe(files.wal[1]);
  expect(damageReplica(folder.path, "ltx", "flip", { which: "last", level: 0 }).file).toBe(files.ltx[1]);
  expect(() => damageReplica(folder.path, "ltx", "flip", { level: 7 })).toThrow("no object of kind ltx of level 7");
  expect(() => damageReplica(folder.path, "segment", "flip", { generation: older })).toThrow(
    `no object of kind segment in generation ${older}`,
  );
});

test("damageReplica takes an LTX file of level 9 for a snapshot", async () => {
  await using folder = await tempFolder();
  const snapshot = "ltx/9/0000000000000001-0000000000000002.ltx";
  write(folder, [...files.ltx, snapshot]);
  expect(damageReplica(folder.path, "snapshot", "truncate").file).toBe(snapshot);
});

test("damageReplica refuses a number that no object has, and a folder that is no replica", async () => {
  await using folder = await tempFolder();
  write(folder, strangers);
  expect(() => damageReplica(folder.path, "wal", "flip")).toThrow(
    `${folder.path} has no object of kind wal: it is no replica`,
  );
  expect(() => damageReplica(folder.join("nowhere"), "wal", "flip")).toThrow("ENOENT");
  write(folder, files.wal);
  for (const which of [3, -1, 0.5]) {
    expect(() => damageReplica(folder.path, "wal", "drop", { which })).toThrow(
      `${folder.path} has 3 objects of kind wal, and none is number ${which}: give 0 to 2`,
    );
  }
  expect(readdirSync(folder.join("generations", older, "wal")).length).toBe(2);
});
