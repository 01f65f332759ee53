import type { IncomingMessage, ServerResponse } from "node:http";
import { Body } from "./body.ts";

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Body;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A page may load from here alone, and nobody may frame it, or read it from another site. */
const securityHeaders: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

export function text(status: number, body: string): Answer {
  return { status, type: "text/plain; charset=utf-8", body: new Body(`${body}\n`) };
}

export function json(status: number, value: object): Answer {
  return { status, type: "application/json", body: new Body(`${JSON.stringify(value)}\n`) };
}

/** @param withinMs for the client to take it */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  withinMs: number,
): Promise<void> {
  const headers: Record<string, string> = {
    ...securityHeaders,
    "Cache-Control": "no-store",
    "Content-Type": answer.type,
    ...answer.headers,
  };
  const takesGzip = /(?:^|[\s,])gzip\b(?!\s*;\s*q=0(?:\.0*)?(?:,|$))/.test(request.headers["accept-encoding"] ?? "");
  const gzipped = takesGzip ? await answer.body.gzipped() : undefined;
  const body = gzipped ?? answer.body.plain;
  if (gzipped !== undefined) {
    headers["Content-Encoding"] = "gzip";
    headers["Vary"] = "Accept, Accept-Encoding";
  }
  const timer = setTimeout(() => response.destroy(), withinMs);
  response.once("close", () => clearTimeout(timer));
  response.writeHead(answer.status, { ...headers, "Content-Length": String(body.byteLength) });
  response.end(request.method === "HEAD" ? undefined : body);
}

/** The header of a stream of server-sent events. */
export function beginStream(response: ServerResponse): void {
  response.writeHead(200, {
    ...securityHeaders,
    "Cache-Control": "no-store",
    "Content-Type": "text/event-stream",
  });
}
