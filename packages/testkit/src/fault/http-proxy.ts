import { createServer, connect, type Server, type Socket } from "node:net";
import type { SeededRandom } from "../seeded-random.ts";
import { HttpStream, type MessageHead, requestBodyLength, responseBodyLength } from "./http-stream.ts";

/** A request that came through, counted from 1. */
export interface ProxiedRequest {
  readonly number: number;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Of its body; NaN where it does not say. */
  readonly sizeBytes: number;
}

export type HttpFault =
  /** The proxy answers, and the server never hears of it. */
  (
    | {
        readonly effect: "answer";
        readonly status: number;
        readonly headers?: Readonly<Record<string, string>>;
        readonly body?: string;
      }
    /** It is passed on only after so many milliseconds. */
    | { readonly effect: "delay"; readonly ms: number }
    /** The connection breaks after so many bytes of the request's body went on. */
    | { readonly effect: "reset request"; readonly afterBytes: number }
    /** The server does what it was asked; the connection breaks after so many bytes of its answer, head included. */
    | { readonly effect: "reset answer"; readonly afterBytes: number }
    /** The server does what it was asked; its answer is held back until the client gives up. */
    | { readonly effect: "hold answer" }
    /** Nobody ever answers; the connection stays until the client gives up. */
    | { readonly effect: "drop" }
  ) & {
    /** Called when it has come to that: as the connection breaks, or the answer is held back. */
    readonly onMet?: () => void;
  };

export interface FaultProxyOptions {
  /** Of the server, on this machine. */
  readonly port: number;
  /** Called for each request; without a fault it goes through. */
  readonly fault?: ((request: ProxiedRequest) => HttpFault | undefined) | undefined;
}

/** How long a connection may be kept without an answer. */
const dropMsMax = 120_000;

/**
 * A proxy before a server of HTTP/1.1 on this machine, that misbehaves as it is told. It listens on the loopback
 * interface alone, and connects nowhere else. Hosts are passed as they came: signatures hold.
 */
export class FaultProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #targetPort: number;
  #fault: FaultProxyOptions["fault"];
  #port = 0;
  #requestCount = 0;
  #faultCount = 0;
  #isDown = false;

  constructor({ port, fault }: FaultProxyOptions) {
    this.#targetPort = port;
    this.#fault = fault;
    this.#server = createServer((client) => void this.#serve(client));
  }

  /** Requests that came so far. */
  get requestCount(): number {
    return this.#requestCount;
  }

  /** Those of them that met a fault. */
  get faultCount(): number {
    return this.#faultCount;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Other faults from now on. */
  setFault(fault: FaultProxyOptions["fault"]): void {
    this.#fault = fault;
  }

  /** The server is away: connections are broken, and new ones too, until `up`. */
  down(): void {
    this.#isDown = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  up(): void {
    this.#isDown = false;
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, "127.0.0.1", resolve);
    });
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy has no port");
    this.#port = address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #serve(client: Socket): Promise<void> {
    if (this.#isDown) {
      client.destroy();
      return;
    }
    const server = connect(this.#targetPort, "127.0.0.1");
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      // What breaks on one side breaks the other; that is all there is to say about it.
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    try {
      const [fromClient, fromServer] = [new HttpStream(client), new HttpStream(server)];
      for (let head = await fromClient.head(); head !== undefined; head = await fromClient.head()) {
        if (!(await this.#pass(head, { client, server, fromClient, fromServer }))) break;
      }
    } catch {
      // A connection that broke.
    } finally {
      client.destroy();
      server.destroy();
    }
  }

  /** @returns false when the connection is not to be used again */
  async #pass(head: MessageHead, { client, server, fromClient, fromServer }: Connection): Promise<boolean> {
    const [method = "", target = ""] = head.startLine.split(" ");
    const length = requestBodyLength(head);
    const sizeBytes = typeof length === "number" ? length : Number.NaN;
    const fault = this.#fault?.({ number: ++this.#requestCount, method, target, sizeBytes });
    if (fault !== undefined) this.#faultCount++;
    if (fault?.effect === "drop") {
      fault.onMet?.();
      return await untilClosed(client);
    }
    if (fault?.effect === "reset request" && fault.afterBytes === 0) return reset(client, server, fault);
    if (fault?.effect === "answer") {
      fault.onMet?.();
      await write(client, answerOf(fault));
      // The rest of the request may still be on its way.
      client.end();
      return false;
    }
    if (fault?.effect === "delay") await new Promise((resolve) => setTimeout(resolve, fault.ms));
    const expects = head.headers.get("expect") === "100-continue";
    if (expects) await write(client, Buffer.from("HTTP/1.1 100 Continue\r\n\r\n"));
    await write(server, expects ? withoutExpect(head.bytes) : head.bytes);
    let left = fault?.effect === "reset request" ? fault.afterBytes : Infinity;
    for await (const piece of fromClient.body(length)) {
      await write(server, piece.subarray(0, left));
      left -= piece.length;
      if (left <= 0) return reset(client, server, fault);
    }
    const answer = await fromServer.head();
    if (answer === undefined) return false;
    if (fault?.effect === "hold answer") {
      fault.onMet?.();
      return await untilClosed(client);
    }
    left = fault?.effect === "reset answer" ? fault.afterBytes : Infinity;
    await write(client, answer.bytes.subarray(0, left));
    left -= answer.bytes.length;
    if (left <= 0) return reset(client, server, fault);
    const answerLength = responseBodyLength(answer, method);
    for await (const piece of fromServer.body(answerLength)) {
      await write(client, piece.subarray(0, left));
      left -= piece.length;
      if (left <= 0) return reset(client, server, fault);
    }
    return answerLength !== "until close" && answer.headers.get("connection") !== "close";
  }
}

interface Connection {
  readonly client: Socket;
  readonly server: Socket;
  readonly fromClient: HttpStream;
  readonly fromServer: HttpStream;
}

/** A proxy that listens by now. */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const proxy = new FaultProxy(options);
  await proxy.listen();
  return proxy;
}

export interface MisbehaviourOptions {
  /** Of the requests that meet a fault: 0 to 1. */
  readonly fraction: number;
  /** Longest delay. */
  readonly delayMsMax: number;
  /** Off: every request is answered some time. On when absent. */
  readonly dropsConnections?: boolean;
}

/** A fault now and then, of any kind; the same ones for the same seed, request by request. */
export function misbehaviour(
  random: SeededRandom,
  { fraction, delayMsMax, dropsConnections = true }: MisbehaviourOptions,
): (request: ProxiedRequest) => HttpFault | undefined {
  return ({ sizeBytes }) => {
    if (random.fraction() >= fraction) return undefined;
    const kind = random.below(dropsConnections ? 12 : 11);
    if (kind < 3) return { effect: "answer", status: [500, 503, 429][kind] ?? 500, headers: { "Retry-After": "0" } };
    if (kind < 5) return { effect: "delay", ms: random.below(delayMsMax) };
    if (kind < 8) return { effect: "reset request", afterBytes: random.below(Math.max(1, sizeBytes || 1)) };
    if (kind < 11) return { effect: "reset answer", afterBytes: kind === 8 ? 0 : random.below(20_000) };
    return { effect: "drop" };
  };
}

/** @returns false, once the client has given up */
async function untilClosed(client: Socket): Promise<false> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, dropMsMax);
    client.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
  return false;
}

function reset(client: Socket, server: Socket, fault: HttpFault | undefined): false {
  fault?.onMet?.();
  client.resetAndDestroy();
  server.destroy();
  return false;
}

function answerOf({ status, headers = {}, body = "" }: Extract<HttpFault, { effect: "answer" }>): Buffer {
  const lines = Object.entries({ ...headers, "Content-Length": String(Buffer.byteLength(body)), Connection: "close" });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.from(`HTTP/1.1 ${status} Fault\r\n${head}\r\n${body}`);
}

/** The proxy has answered it. */
function withoutExpect(head: Buffer): Buffer {
  return Buffer.from(head.toString("latin1").replace(/\r\nexpect:[^\r]*/i, ""), "latin1");
}

/** Waits while the socket takes no more. */
async function write(socket: Socket, bytes: Uint8Array): Promise<void> {
  if (bytes.byteLength === 0) return;
  await new Promise<void>((resolve, reject) => {
    socket.write(bytes, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
