/**
 * Follows a replica until it has come to its end, and ends itself (SIGKILL) before it does the `killAt`-th thing, from
 * 1 on, to a file of the copy: `following-process.ts REPLICA COPY KILL_AT`.
 */
import { basename, dirname, join } from "node:path";
import { handleFaultPoints } from "../../src/fault-point.ts";
import { openReplica } from "../../src/open-replica.ts";
import { follow } from "../../src/restore/follow.ts";

const [replicaPath = "", copyPath = "", killAt = ""] = process.argv.slice(2);
const state = join(dirname(copyPath), `.${basename(copyPath)}-follow`, "state");
let count = 0;

handleFaultPoints((point) => {
  if (point.kind !== "file" || point.operation === "read") return;
  const isOfCopy = point.path.startsWith(copyPath) || point.path.startsWith(state);
  if (isOfCopy && ++count === Number(killAt)) process.kill(process.pid, "SIGKILL");
});

const abort = new AbortController();
await follow({
  replica: openReplica({ path: replicaPath }),
  outputPath: copyPath,
  intervalMs: 10,
  signal: abort.signal,
  onEvent: ({ type }) => {
    if (type === "applied" || type === "replaced" || type === "restored") abort.abort();
  },
});
