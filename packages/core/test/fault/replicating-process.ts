/**
 * The engine in a process of its own, which does what its parent asks, and ends itself (SIGKILL) at one of its fault
 * points. What it reports as replicated is appended to a file before it goes on.
 */
import { appendFileSync } from "node:fs";
import { type FaultPoint, handleFaultPoints } from "../../src/fault-point.ts";
import { Litestream } from "../../src/litestream.ts";
import type { ReplicatingTask, ReplicatingReply, ReplicatingRequest } from "./replicating-protocol.ts";

const task = JSON.parse(process.argv[2] ?? "") as ReplicatingTask;
const seen: string[] = [];
let occurrences = 0;
let written = 0;
let litestream: Litestream | undefined;

handleFaultPoints((point) => {
  const kind = kindOf(point);
  if (task.killAt === undefined) seen.push(kind);
  else if (kind === task.killAt.kind && ++occurrences === task.killAt.occurrence) process.kill(process.pid, "SIGKILL");
});

/** What is done to what, by its place: the names of generations and indexes differ from run to run. */
function kindOf(point: FaultPoint): string {
  if (point.kind === "step") return `step "${point.step}"`;
  const path = point.path.replace(task.folder, "").replaceAll(/[0-9a-f]{16}/g, "G");
  return `${point.operation} ${path.replaceAll(/[0-9a-f]{8}/g, "N")}`;
}

async function answer(request: ReplicatingRequest): Promise<void> {
  switch (request.do) {
    case "start":
      litestream = new Litestream({
        engine: "inline",
        path: `${task.folder}/app.db`,
        replicas: [{ path: `${task.folder}/replica` }],
        monitorEnabled: false,
        minCheckpointPageCount: 30,
        onEvent: (event) => {
          if (event.type === "replica-sync") {
            appendFileSync(task.logPath, `reported ${written}\n`);
          } else if (event.type === "generation") {
            appendFileSync(task.logPath, `generation ${event.reason}\n`);
          }
        },
      });
      await litestream.start();
      return;
    case "sync":
      written = request.written;
      await litestream?.sync();
      return;
    case "stop":
      await litestream?.stop();
      return;
  }
}

process.on("message", (request: ReplicatingRequest) => {
  const reply = (error: string | undefined): void => {
    const message: ReplicatingReply = { error, seen: seen.splice(0) };
    process.send?.(message);
  };
  answer(request).then(
    () => reply(undefined),
    (error: unknown) => reply(String(error)),
  );
});
process.on("disconnect", () => process.exit());
