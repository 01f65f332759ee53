import { stateCommand } from "../control/state-command.ts";

export const stopCommand = stateCommand({
  name: "stop",
  about: [
    "Stops the replication of one database, after a last sync; the replicator goes on with all others. Until it is",
    "started again, the database is in nobody's care: what is committed to it is replicated then.",
  ].join("\n"),
  example: { purpose: "Before a database is replaced by hand.", command: "litestream stop /data/app.db" },
});
