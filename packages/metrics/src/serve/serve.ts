import type { IncomingMessage, ServerResponse } from "node:http";
import type { LitestreamEvent } from "@litestream/core";
import { Registry } from "prom-client";
import type { Watched } from "../observed.ts";
import { openMetricsContentType, openMetricsText } from "../openmetrics.ts";
import { hasToken } from "./access.ts";
import { formatAddress, isLocalHostHeader, isLoopback, parseAddress } from "./address.ts";
import { type Answer, beginStream, json, send, text } from "./answer.ts";
import { Body } from "./body.ts";
import { Cached } from "./cached.ts";
import { close, defaultLimits, type HttpLimits, listen } from "./http-server.ts";
import { Details } from "./details.ts";
import { Live } from "./live.ts";
import { statusDocument } from "./status-document.ts";

export interface ServeOptions {
  /** `host:port`; without a host, the loopback interface; with port 0, one that is free. */
  readonly addr: string;
  /** The databases to tell of; asked anew each time, for they may come and go. */
  readonly databases: () => readonly Watched[];
  /** What `/metrics` serves: the one that the databases are observed in. */
  readonly registry: Registry;
  /** Who asks must send it as `Authorization: Bearer TOKEN`; without it, `/healthz` says no more than its code. */
  readonly token?: string | undefined;
  /** A replica that is further behind makes `/healthz` answer 503; 60000 where absent. */
  readonly lagLimitMs?: number | undefined;
  readonly limits?: Partial<HttpLimits> | undefined;
}

/** Disposing closes it, with all its connections. */
export interface StatusServer extends AsyncDisposable {
  /** Such as `http://127.0.0.1:9090`. */
  readonly url: string;
  /** Only this machine can reach it. */
  readonly isLoopback: boolean;
  /** To be told of what happens, for the page: give it to `subscribe`. */
  readonly observe: (event: LitestreamEvent) => void;
}

const defaultLagLimitMs = 60_000;

/**
 * Serves the status page at `/`, and `/metrics`, `/healthz` and `/status.json`, this also as server-sent events.
 * @throws LitestreamError CONFIG_INVALID when the address is none, or cannot be had
 */
export async function serve(options: ServeOptions): Promise<StatusServer> {
  const address = parseAddress(options.addr);
  const cleanUp = new AsyncDisposableStack();
  const limits = { ...defaultLimits, ...options.limits };
  const handler = cleanUp.use(new Handler(options, isLoopback(address.host), limits));
  try {
    const server = await listen(address, (request, response) => handler.handle(request, response), limits);
    cleanUp.defer(() => close(server));
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : address.port;
    return {
      url: `http://${formatAddress({ host: address.host, port })}`,
      isLoopback: isLoopback(address.host),
      observe: (event) => handler.details.observe(event),
      [Symbol.asyncDispose]: () => cleanUp.disposeAsync(),
    };
  } catch (error) {
    await cleanUp.disposeAsync();
    throw error;
  }
}

class Handler implements Disposable {
  readonly #token: string | undefined;
  readonly #isLoopback: boolean;
  readonly #limits: HttpLimits;
  readonly #cleanUp = new DisposableStack();
  readonly #live: Live;
  readonly details: Details;
  readonly #status: Cached<Awaited<ReturnType<typeof statusDocument>>>;
  readonly #text: Cached<Body>;
  readonly #openMetrics: Cached<Body>;

  constructor(options: ServeOptions, loopback: boolean, limits: HttpLimits) {
    const { databases, token, lagLimitMs = defaultLagLimitMs } = options;
    this.#token = token;
    this.#isLoopback = loopback;
    this.#limits = limits;
    const { registry } = options;
    this.#text = new Cached(async () => new Body(await registry.metrics()));
    this.#openMetrics = new Cached(async () => new Body(await openMetricsText(registry)));
    this.#status = new Cached(() => statusDocument(databases(), lagLimitMs));
    this.details = this.#cleanUp.use(new Details(databases, () => this.#status.get()));
    this.#live = this.#cleanUp.use(new Live(() => this.#status.get(), limits.answerMs));
  }

  [Symbol.dispose](): void {
    this.#cleanUp.dispose();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#answer(request, response);
    if (answer !== undefined) await send(request, response, answer, this.#limits.answerMs);
  }

  /** @returns undefined where the answer is a stream */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> {
    const refusal = this.#refusal(request);
    if (refusal !== undefined) return refusal;
    const { pathname: path, searchParams: query } = new URL(request.url ?? "/", "http://localhost");
    const isKnown = this.#token === undefined || hasToken(request.headers.authorization, this.#token);
    if (path === "/healthz") return this.#health(isKnown);
    // The page itself tells nothing, and asks for the token.
    const asset = path === "/" || path.startsWith("/assets/") ? await assetAt(path) : undefined;
    if (asset !== undefined) return asset;
    if (!isKnown) {
      const unauthorized = text(401, "A token is needed: Authorization: Bearer TOKEN");
      return { ...unauthorized, headers: { "WWW-Authenticate": 'Bearer realm="litestream"' } };
    }
    switch (path) {
      case "/metrics":
        return this.#metrics(request.headers.accept ?? "");
      case "/status.json":
        return this.#statusJson(request, response);
      case "/database.json":
        return this.details.database(query);
      case "/restorable.json":
        return this.details.restorable(query);
      case "/restore.json":
        return this.details.restore(query);
      default:
        return text(404, "Nothing is here. There are /, /metrics, /healthz and /status.json.");
    }
  }

  #refusal({ method, headers }: IncomingMessage): Answer | undefined {
    if (method !== "GET" && method !== "HEAD") {
      return { ...text(405, "Only GET and HEAD are answered"), headers: { Allow: "GET, HEAD", Connection: "close" } };
    }
    const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
    if (hasBody) return { ...text(413, "No request here has a body"), headers: { Connection: "close" } };
    if (this.#isLoopback && this.#token === undefined && !isLocalHostHeader(headers.host)) {
      return text(421, "This server answers to the names of this machine only");
    }
    return undefined;
  }

  async #health(isKnown: boolean): Promise<Answer> {
    const { isHealthy, databases } = await this.#status.get();
    const [status, word] = isHealthy ? [200, "ok"] : [503, "not ok"];
    const problems = databases.flatMap((database) => database.problems);
    return text(status, isKnown ? [word, ...problems].join("\n") : word);
  }

  async #metrics(accept: string): Promise<Answer> {
    if (/\bapplication\/openmetrics-text\b/.test(accept)) {
      return { status: 200, type: openMetricsContentType, body: await this.#openMetrics.get() };
    }
    return { status: 200, type: Registry.PROMETHEUS_CONTENT_TYPE, body: await this.#text.get() };
  }

  async #statusJson(request: IncomingMessage, response: ServerResponse): Promise<Answer | undefined> {
    const isStream = /\btext\/event-stream\b/.test(request.headers.accept ?? "") && request.method === "GET";
    if (!isStream) return json(200, await this.#status.get());
    if (await this.#live.add(response, beginStream)) return undefined;
    return { ...text(503, "Too many pages are open"), headers: { "Retry-After": "10" } };
  }
}

/** Read when the first page is opened, and kept. */
async function assetAt(path: string): Promise<Answer | undefined> {
  const { assets } = await import("./assets.ts");
  return assets.get(path);
}
