import { aborted } from "../abort.ts";
import { LitestreamError } from "../errors.ts";
import { childCommand, childMarker } from "./child-command.ts";
import { type Call, type CallId, type DatabaseId, parseReply, type Reply, type Request } from "./protocol.ts";
import { fromWireError } from "./wire-error.ts";

/** How often the child is told what has arrived, in events; well below what it sends without being told. */
const receiptEvents = 1000;

export type EventReply = Extract<Reply, { type: "event" }>;

export interface EngineProcessObserver {
  onEvent(event: EventReply): void;
  /** The process has ended; every call under way was rejected with `error`. */
  onEnd(error: LitestreamError): void;
}

interface PendingCall {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One child process, as the application's process sees it. */
export class EngineProcess {
  readonly #observer: EngineProcessObserver;
  readonly #child: Bun.Subprocess<"ignore", "ignore", "inherit">;
  readonly #calls = new Map<CallId, PendingCall>();
  #lastCallId = 0;
  #receivedEvents = 0;
  #crash: Error | undefined;
  #isReady = false;
  #hasEnded = false;

  /** @throws LitestreamError ENGINE_ENDED when no process can be started */
  constructor(observer: EngineProcessObserver) {
    this.#observer = observer;
    const { BUN_INSPECT: _, ...environment } = process.env;
    try {
      this.#child = Bun.spawn(childCommand(), {
        env: { ...environment, [childMarker]: "1" },
        stdio: ["ignore", "ignore", "inherit"],
        serialization: "advanced",
        ipc: (message) => this.#take(parseReply(message)),
        onExit: (_child, code, signal) => this.#end(signal === null ? `exit code ${code}` : `signal ${signal}`),
      });
    } catch (error) {
      throw new LitestreamError("ENGINE_ENDED", "the child process that replicates cannot be started", {
        cause: error,
        hint: 'Run the engine in this process (`engine: "inline"`), and read what that means.',
      });
    }
    // Replication alone does not keep the application from its end; a call that is waited for does.
    this.#child.unref();
  }

  /** @throws what the engine throws; LitestreamError ENGINE_ENDED when the process ends before it has answered */
  async call(db: DatabaseId, call: Call, signal?: AbortSignal): Promise<unknown> {
    if (this.#hasEnded) throw this.#endError("before it was asked");
    const id = ++this.#lastCallId;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const onAbort = (): void => {
      this.#send({ type: "abort", id });
      reject(aborted(signal, call.method));
    };
    this.#calls.set(id, { resolve, reject });
    this.#child.ref();
    this.#send({ type: "call", id, db, call });
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#calls.delete(id);
      if (this.#calls.size === 0) this.#child.unref();
    }
  }

  close(db: DatabaseId): void {
    this.#send({ type: "close", db });
  }

  /** Lets the process end, which has nothing to do any more. */
  async end(): Promise<void> {
    if (this.#hasEnded) return;
    this.#child.ref();
    this.#child.disconnect();
    await this.#child.exited;
  }

  #send(request: Request): void {
    if (!this.#hasEnded) this.#child.send(request);
  }

  #take(reply: Reply): void {
    switch (reply.type) {
      case "ready":
        this.#isReady = true;
        return;
      case "returned":
        this.#calls.get(reply.id)?.resolve(reply.value);
        return;
      case "threw":
        this.#calls.get(reply.id)?.reject(fromWireError(reply.error));
        return;
      case "event":
        if (++this.#receivedEvents % receiptEvents === 0) {
          this.#send({ type: "received", events: this.#receivedEvents });
        }
        this.#observer.onEvent(reply);
        return;
      case "crashed":
        this.#crash = fromWireError(reply.error);
        return;
    }
  }

  #end(how: string): void {
    this.#hasEnded = true;
    const error = this.#endError(`with ${how}`);
    for (const { reject } of this.#calls.values()) reject(error);
    this.#observer.onEnd(error);
  }

  #endError(how: string): LitestreamError {
    return new LitestreamError("ENGINE_ENDED", `the child process that replicates ended ${how}`, {
      hint: this.#isReady
        ? "It is started again by itself."
        : "In a bundle or an executable, import @litestream/core before what begins to work when it is imported.",
      ...(this.#crash === undefined ? {} : { cause: this.#crash }),
    });
  }
}
