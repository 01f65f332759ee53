import { defineCommand } from "citty";
import { damageKinds } from "../damage/damage-file.ts";
import { damageFixture } from "../fixture/damage-fixture.ts";
import { type RunSubcommand, subcommand } from "./invoke.ts";
import { didYouMean } from "./nearest.ts";
import { printJson, printOut } from "./output.ts";
import { formatCount, parseInteger } from "./size.ts";
import { UsageError } from "./usage-error.ts";

const flags = {
  dir: { type: "positional", required: false, description: "The folder of a fixture." },
  kind: { type: "positional", required: false, description: "What to do to the file." },
  file: { type: "string", valueHint: "NAME", description: "db, db-wal or db-shm. Default db-wal." },
  seed: { type: "string", valueHint: "N", description: "Chooses the place. Default 0." },
  offset: { type: "string", valueHint: "BYTES", description: "The place. Default: the seed chooses." },
  length: { type: "string", valueHint: "BYTES", description: "How much. Default: the seed chooses." },
  json: { type: "boolean", description: "Prints JSON." },
} as const;

const command = defineCommand({
  meta: {
    name: "damage",
    description:
      "Damages a file of the fixture in DIR, and notes in the manifest what was done.\n" +
      `KIND is one of ${damageKinds.join(", ")}.`,
  },
  args: flags,
  run({ args }): number {
    const [dir, word, ...others] = args._;
    if (dir === undefined || word === undefined || others.length > 0) {
      throw new UsageError("damage: takes a DIR and a KIND, as in: damage DIR flip");
    }
    const kind = damageKinds.find((known) => known === word);
    if (kind === undefined) {
      const guess = didYouMean(word, damageKinds) || `; it is one of ${damageKinds.join(", ")}`;
      throw new UsageError(`damage: unknown kind "${word}"${guess}`);
    }
    const record = damageFixture(dir, kind, {
      ...(args.file === undefined ? {} : { file: args.file }),
      ...(args.seed === undefined ? {} : { seed: parseInteger("seed", args.seed) }),
      ...(args.offset === undefined ? {} : { offset: parseInteger("offset", args.offset) }),
      ...(args.length === undefined ? {} : { lengthBytes: parseInteger("length", args.length) }),
    });
    const { file, offset, lengthBytes, seed } = record;
    if (args.json === true) printJson({ dir, ...record });
    else printOut(`${dir}/${file}: ${kind} of ${formatCount(lengthBytes, "byte")} at byte ${offset}, seed ${seed}`);
    return 0;
  },
});

export const damage: RunSubcommand = subcommand("damage", flags, command);
