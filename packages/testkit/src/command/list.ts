import { defineCommand } from "citty";
import { catalogue } from "../fixture/catalogue.ts";
import { type RunSubcommand, subcommand } from "./invoke.ts";
import { printJson, printOut } from "./output.ts";
import { formatTable } from "./table.ts";
import { UsageError } from "./usage-error.ts";

const columns = 80;

const flags = {
  json: { type: "boolean", description: "Prints JSON." },
} as const;

const command = defineCommand({
  meta: { name: "list", description: "Shows the catalogue: what there is to generate, and what each is good for." },
  args: flags,
  run({ args }): number {
    if (args._.length > 0) throw new UsageError("list: takes no arguments");
    if (args.json === true) printJson(catalogue);
    else {
      const rows = catalogue.map(({ name, version, large, goodFor }) => [
        name,
        `v${version}`,
        large ? `${goodFor} (large)` : goodFor,
      ]);
      printOut(formatTable([["NAME", "", "GOOD FOR"], ...rows], columns));
      printOut('\n"generate all DIR" makes all that are not large.');
    }
    return 0;
  },
});

export const list: RunSubcommand = subcommand("list", flags, command);
