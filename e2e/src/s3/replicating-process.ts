/** Replicates one database until SIGTERM, and says on standard output what happens; see `replicating-protocol.ts`. */
import { errorMessage, isLitestreamError, Litestream, type LitestreamEvent } from "@litestream/core";
import type { ReplicatingReport, ReplicatingTask } from "./replicating-protocol.ts";

const task = JSON.parse(process.argv[2] ?? "") as ReplicatingTask;

function say(report: ReplicatingReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

function reportOf(event: LitestreamEvent): ReplicatingReport | undefined {
  switch (event.type) {
    case "replica-sync": {
      const { asOfMs, bytes, position } = event;
      return { type: "replicated", asOfMs, bytes, generation: position.generation };
    }
    case "generation":
      return { type: "generation", reason: event.reason };
    case "snapshot": {
      const { bytes, sizeBytes, durationMs } = event;
      return { type: "snapshot", bytes, sizeBytes, durationMs };
    }
    case "replica-operation": {
      const { operation, bytes, error } = event;
      return { type: "request", operation, bytes, failed: error !== undefined };
    }
    case "warning":
      return { type: "warning", message: event.message };
    case "error": {
      const hint = isLitestreamError(event.error) ? event.error.hint : undefined;
      return { type: "error", message: errorMessage(event.error), hint };
    }
    default:
      return undefined;
  }
}

const litestream = new Litestream({
  ...task.litestream,
  replicas: [task.replica],
  engine: "inline",
  onEvent: (event) => {
    const report = reportOf(event);
    if (report !== undefined) say(report);
  },
});
process.once("SIGTERM", () => {
  litestream.stop().then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`${errorMessage(error)}\n`);
      process.exit(1);
    },
  );
});
await litestream.start();
