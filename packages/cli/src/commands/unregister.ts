import { stateCommand } from "../control/state-command.ts";

export const unregisterCommand = stateCommand({
  name: "unregister",
  about: [
    "Stops the replication of a database, after a last sync, and forgets it until the replicator reads its",
    "configuration again. Its replicas stay as they are.",
  ].join("\n"),
  example: { purpose: "A database that is going to be deleted.", command: "litestream unregister /data/old.db" },
});
