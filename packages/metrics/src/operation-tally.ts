import { isLitestreamError, type LitestreamEvent } from "@litestream/core";
import type { SetSample } from "./sample-database.ts";

const operations = ["PUT", "GET", "LIST", "DELETE"] as const;

interface Operations {
  readonly labels: { readonly replica_type: string; readonly operation: string };
  count: number;
  bytes: number;
  readonly errorsByCode: Map<string, number>;
}

/** An error's code becomes a label; whatever is no short word would make series without end. */
const codePattern = /^[\w-]{1,64}$/;

/** What is asked of stores, by their kind and what is asked: Litestream does not tell databases apart here. */
export class OperationTally {
  readonly #operations = new Map<string, Operations>();

  observe({ replicaType, operation, bytes, error }: LitestreamEvent & { readonly type: "replica-operation" }): void {
    const tally = this.#of(replicaType, operation);
    tally.count++;
    tally.bytes += bytes;
    // That something is not there is an answer: so it is asked whether it is.
    if (error === undefined || isLitestreamError(error, "OBJECT_MISSING")) return;
    const code = codeOf(error);
    tally.errorsByCode.set(code, (tally.errorsByCode.get(code) ?? 0) + 1);
  }

  /** A counter that begins with its first increment hides it from whoever asks for the increase. */
  beginAtZero(replicaType: string): void {
    for (const operation of operations) this.#of(replicaType, operation);
  }

  sample(set: SetSample): void {
    for (const { labels, count, bytes, errorsByCode } of this.#operations.values()) {
      set("replicaOperationTotal", labels, count);
      set("replicaOperationBytes", labels, bytes);
      for (const [code, errors] of errorsByCode) set("replicaOperationErrorsTotal", { ...labels, code }, errors);
    }
  }

  #of(replicaType: string, operation: string): Operations {
    const key = `${operation} ${replicaType}`;
    let tally = this.#operations.get(key);
    if (tally === undefined) {
      tally = { labels: { replica_type: replicaType, operation }, count: 0, bytes: 0, errorsByCode: new Map() };
      this.#operations.set(key, tally);
    }
    return tally;
  }
}

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string" && codePattern.test(error.code)) {
    return error.code;
  }
  return "unknown";
}
