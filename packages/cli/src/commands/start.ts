import { stateCommand } from "../control/state-command.ts";

export const startCommand = stateCommand({
  name: "start",
  about: "Starts the replication of a database again that was stopped.",
  example: { purpose: "Afterwards.", command: "litestream start /data/app.db" },
});
