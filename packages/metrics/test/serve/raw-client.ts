import { connect, type Socket } from "node:net";

/** A client that sends bytes as it likes. Disposing hangs up. */
export class RawClient implements Disposable {
  /** Settles when the server has hung up. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #received = "";

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect(Number(port), hostname);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#socket.on("close", () => resolve());
    this.#socket.on("error", () => undefined);
    this.#socket.on("data", (data) => {
      this.#received += data.toString("latin1");
    });
  }

  get received(): string {
    return this.#received;
  }

  async connected(): Promise<void> {
    if (!this.#socket.connecting) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.once("connect", () => resolve());
    await Promise.race([promise, this.closed]);
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  /** Takes nothing of what comes from now on. */
  stopReading(): void {
    this.#socket.pause();
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
