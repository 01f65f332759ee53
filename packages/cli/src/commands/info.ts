import { defineCommand } from "citty";
import { controlRequest } from "../control/client.ts";
import { controlClient, controlFlags } from "../control/connect.ts";
import type { InfoResponse } from "../control/protocol.ts";
import { formatGoDuration } from "../duration.ts";
import { type Command, type CommandHelp, invoke } from "../invoke.ts";
import { printJson } from "../listing.ts";
import { printOut } from "../output.ts";
import { UsageError } from "../usage-error.ts";

const command = defineCommand({
  args: controlFlags,
  async run({ args }): Promise<number> {
    if (args._.length > 0) throw new UsageError("litestream info: too many arguments", "It takes none.");
    const info = await controlRequest<InfoResponse>(await controlClient("info", args), "GET", "/info");
    if (args.json === true) {
      printJson(info);
      return 0;
    }
    const lines = [
      ["PID:", String(info.pid)],
      ["Uptime:", formatGoDuration(info.uptime_seconds * 1000)],
      ["Started at:", info.started_at.replace(/\.\d+Z$/, "Z")],
      ["Databases:", String(info.database_count)],
    ];
    printOut(
      [`Litestream ${info.version}`, ...lines.map(([name = "", value = ""]) => `  ${name.padEnd(12)}${value}`)].join(
        "\n",
      ),
    );
    return 0;
  },
});

const help: CommandHelp = {
  about: "Says which replicator listens at the control socket, and since when it runs.",
  usages: ["[arguments]"],
  examples: [{ purpose: "Of the replicator at a socket.", command: "litestream info -socket /run/litestream.sock" }],
};

export const infoCommand: Command = {
  flags: controlFlags,
  help,
  run: (args) => invoke("info", command, controlFlags, help, args),
};
