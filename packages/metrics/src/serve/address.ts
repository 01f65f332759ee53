import { isIP } from "node:net";
import { LitestreamError } from "@litestream/core";

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const loopbackHost = "127.0.0.1";

/**
 * `host:port`, as Litestream's `addr`; a missing host is the loopback interface, not all of them as in Go, because what
 * is served names files and their state. `0.0.0.0:9090` means all.
 * @throws LitestreamError CONFIG_INVALID
 */
export function parseAddress(text: string): ListenAddress {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3] ?? Number.NaN);
  if (match === null || port > 65_535) {
    throw new LitestreamError("CONFIG_INVALID", `"${text}" is no address to serve at`, {
      hint: 'Write host and port, such as "127.0.0.1:9090"; ":9090" is port 9090 of this machine only.',
    });
  }
  return { host: match[1] ?? (match[2] || loopbackHost), port };
}

/** For a URL, or a Host header. */
export function formatAddress({ host, port }: ListenAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/**
 * False for a Host header that no honest client on this machine sends: a page of another site whose name was made to
 * mean 127.0.0.1 could read what is served on the loopback interface (DNS rebinding).
 */
export function isLocalHostHeader(header: string | undefined): boolean {
  if (header === undefined) return true;
  const host = header.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return isIP(host) !== 0 || host === "localhost" || host.endsWith(".localhost");
}
