/**
 * The limits that keep a slow or hostile client from disturbing replication, which shares the process and its file
 * descriptors. By node:http, because `Bun.serve` (1.4.5) neither ends a client that sends its header byte by byte nor
 * limits how many there are.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { errorMessage, LitestreamError } from "@litestream/core";
import { formatAddress, type ListenAddress } from "./address.ts";

export interface HttpLimits {
  /** Open connections; one more is closed at once. */
  readonly connectionsMax: number;
  /** From the first byte of a request to the end of its header. */
  readonly requestMs: number;
  /** For a client to take an answer. */
  readonly answerMs: number;
  /** Between two requests of a connection. */
  readonly idleMs: number;
}

export const defaultLimits: HttpLimits = { connectionsMax: 128, requestMs: 10_000, answerMs: 10_000, idleMs: 20_000 };
const headerSizeBytesMax = 8192;

export type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** @throws LitestreamError CONFIG_INVALID when the address cannot be had */
export async function listen(address: ListenAddress, handle: Handle, limits: HttpLimits): Promise<Server> {
  const server = createServer(
    {
      headersTimeout: limits.requestMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.idleMs,
      maxHeaderSize: headerSizeBytesMax,
      connectionsCheckingInterval: Math.min(1000, limits.requestMs),
    },
    (request, response) => {
      handle(request, response).catch(() => response.destroy());
    },
  );
  server.maxConnections = limits.connectionsMax;
  // What a client does wrong is its own affair.
  server.on("clientError", (_error, socket) => socket.destroy());
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(address.port, address.host, resolve);
  try {
    await promise;
  } catch (error) {
    throw new LitestreamError("CONFIG_INVALID", `cannot serve at ${formatAddress(address)}: ${errorMessage(error)}`, {
      hint: "Choose another addr; maybe another process has this one.",
      cause: error,
    });
  }
  server.off("error", reject);
  server.on("error", () => undefined);
  return server;
}

export async function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
}
