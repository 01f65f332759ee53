/**
 * Requests to one bucket: signed, each with a time limit, sent again while what failed may pass. Answers are read in
 * full before they are given back, so callers ask for pieces of bounded size.
 *
 * Facts about Bun's `fetch` that this rests on: a body of bytes is sent with its length; `keepalive: false` takes a new
 * connection, and a retry does, since the server may have closed the old one; an answer that is cut rejects, or is
 * shorter than its Content-Length, so that is compared.
 */
import { createHash } from "node:crypto";
import { throwIfAborted } from "../../abort.ts";
import { LitestreamError } from "../../errors.ts";
import type { CredentialsKeeper } from "./credentials.ts";
import { encodeKey, type S3Endpoint } from "./endpoint.ts";
import { explain, isCertificateProblem } from "./explain.ts";
import { type Failure, parseRetryAfterMs, waitBeforeRetryMs } from "./retry.ts";
import { childOf, childrenOf, parseXml, textOf, type XmlElement } from "./xml.ts";

/** The slowest connection that is not given up; with each further attempt it may be half as fast. */
const slowestBytesPerMs = 64;

export interface S3Request {
  readonly method: "GET" | "PUT" | "POST" | "DELETE" | "HEAD";
  /** For errors: as in "put", before the name of the object. */
  readonly operation: string;
  /** Below the replica's root; undefined for the bucket itself. */
  readonly key?: string | undefined;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** At most so many bytes are expected to come back. */
  readonly answerSizeBytesMax?: number;
  /** Statuses that are an answer, besides 2xx. */
  readonly answers?: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

export interface S3Response {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** One request as it was sent, for counts and prices. */
export interface RequestRecord {
  readonly operation: "PUT" | "GET" | "LIST" | "DELETE";
  /** Sent, or got. */
  readonly bytes: number;
  readonly durationMs: number;
  readonly error?: unknown;
}

export interface S3ClientParts {
  readonly endpoint: S3Endpoint;
  readonly credentials: CredentialsKeeper;
  /** What is uploaded is part of what is signed. */
  readonly signPayload: boolean;
  readonly skipVerify: boolean;
  readonly onRequest: (record: RequestRecord) => void;
  /** How long an answer is waited for, without what the bytes take. */
  readonly answerTimeoutMs: number;
}

export class S3Client {
  readonly #parts: S3ClientParts;
  readonly #keyCache = new Map<string, ArrayBuffer>();
  #region: string | undefined;
  #findingRegion: Promise<string> | undefined;

  constructor(parts: S3ClientParts) {
    this.#parts = parts;
    this.#region = parts.endpoint.region;
  }

  /** @throws LitestreamError OBJECT_MISSING, OBJECT_CHANGED, REPLICA_UNAVAILABLE, ABORTED */
  async send(request: S3Request): Promise<S3Response> {
    let redirects = 0;
    for (let attempt = 1; ; attempt++) {
      throwIfAborted(request.signal, `to ${request.operation} ${this.pathOf(request.key)}`);
      const region = await this.#regionNow(request.signal);
      const outcome = await this.#attempt(request, region, attempt);
      if ("response" in outcome) return outcome.response;
      throwIfAborted(request.signal, `to ${request.operation} ${this.pathOf(request.key)}`);
      const { failure, error } = outcome;
      if (redirects === 0 && this.#learnsFrom(failure, region)) {
        redirects++;
        continue;
      }
      const isLasting = isCertificateProblem(failure.cause);
      const waitMs = isLasting ? undefined : waitBeforeRetryMs(failure, attempt, Math.random());
      if (waitMs === undefined) throw error;
      await pause(waitMs, request.signal);
    }
  }

  /** The URL of a key, or of the replica, for people. */
  pathOf(key: string | undefined): string {
    return key === undefined ? this.#parts.endpoint.location : `${this.#parts.endpoint.location}/${key}`;
  }

  /** A failure that says what to do otherwise: another region, or new keys. */
  #learnsFrom(failure: AttemptFailure, region: string): boolean {
    if (failure.otherRegion !== undefined && failure.otherRegion !== region) {
      this.#region = failure.otherRegion;
      return true;
    }
    if (failure.code === "ExpiredToken" || failure.code === "TokenRefreshRequired") {
      this.#parts.credentials.forget();
      return true;
    }
    return false;
  }

  async #attempt(
    request: S3Request,
    region: string,
    attempt: number,
  ): Promise<{ response: S3Response } | { failure: AttemptFailure; error: LitestreamError }> {
    const url = this.#urlOf(request, region);
    const startedAtMs = performance.now();
    const record = (bytes: number, error?: unknown): void => {
      const durationMs = performance.now() - startedAtMs;
      const details = { operation: kindOf(request), bytes, durationMs };
      this.#parts.onRequest(error === undefined ? details : { ...details, error });
    };
    const sentBytes = request.body?.byteLength ?? 0;
    const credentials = await this.#parts.credentials.get();
    const headers = await this.#sign(request, url, region, credentials);
    let failure: AttemptFailure;
    try {
      const response = await this.#fetch(request, url, headers, attempt);
      const isAnswer = (response.status >= 200 && response.status < 300) || request.answers?.includes(response.status);
      const problem = isAnswer === true ? await problemInAnswer(request, response) : await readFailure(response);
      if (problem === undefined) {
        record(request.method === "GET" ? response.body.byteLength : sentBytes);
        return { response };
      }
      failure = problem;
    } catch (error) {
      if (error instanceof LitestreamError) throw error;
      failure = { status: undefined, code: undefined, retryAfterMs: undefined, cause: error };
    }
    const { endpoint } = this.#parts;
    const error = explain({
      operation: request.operation,
      path: this.pathOf(request.key),
      host: url.host,
      bucket: endpoint.bucket,
      region,
      status: failure.status,
      code: failure.code,
      message: failure.message,
      otherRegion: failure.otherRegion,
      clockAheadMs: failure.clockAheadMs,
      attempts: attempt,
      cause: failure.cause,
    });
    record(sentBytes, error);
    return { failure, error };
  }

  #urlOf({ key, query = {} }: S3Request, region: string): URL {
    const { endpoint } = this.#parts;
    const bucketUrl = endpoint.bucketUrl(region);
    const url = new URL(key === undefined ? `${bucketUrl}/` : `${bucketUrl}/${encodeKey(`${endpoint.prefix}${key}`)}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    // As signatures are computed of: a form's plus sign is a space to nobody else.
    url.search = url.search.replaceAll("+", "%20");
    return url;
  }

  async #sign(
    { method, headers = {}, body }: S3Request,
    url: URL,
    region: string,
    credentials: {
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly sessionToken?: string | undefined;
    },
  ): Promise<Headers> {
    const { AwsV4Signer } = await import("aws4fetch");
    const { signPayload } = this.#parts;
    const { accessKeyId, secretAccessKey, sessionToken } = credentials;
    const isVerified = body !== undefined && body.byteLength > 0;
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers: {
        ...headers,
        "x-amz-content-sha256": signPayload || !isVerified ? sha256Hex(body) : "UNSIGNED-PAYLOAD",
        ...(isVerified && !signPayload ? { "content-md5": md5Base64(body) } : {}),
      },
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      service: "s3",
      region,
      cache: this.#keyCache,
    });
    const signed = await signer.sign();
    // Not signed, since proxies change it: objects are to come as they are stored.
    signed.headers.set("accept-encoding", "identity");
    return signed.headers;
  }

  async #fetch(request: S3Request, url: URL, headers: Headers, attempt: number): Promise<S3Response> {
    const { method, body, signal, answerSizeBytesMax = 0 } = request;
    const bytes = Math.max(body?.byteLength ?? 0, answerSizeBytesMax);
    const limitMs = this.#parts.answerTimeoutMs + (bytes / slowestBytesPerMs) * 2 ** (attempt - 1);
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(new Error(`no answer within ${Math.round(limitMs)} ms`)), limitMs);
    const onAbort = (): void => controller.abort(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    try {
      const response = await fetch(url.href, {
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        signal: controller.signal,
        redirect: "manual",
        decompress: false,
        keepalive: attempt === 1,
        ...(this.#parts.skipVerify ? { tls: { rejectUnauthorized: false } } : {}),
      });
      const content = new Uint8Array(await response.arrayBuffer());
      const length = response.headers.get("content-length");
      if (method !== "HEAD" && length !== null && Number(length) !== content.byteLength) {
        throw new Error(`the answer was cut after ${content.byteLength} of ${length} bytes`);
      }
      return { status: response.status, headers: response.headers, body: content };
    } catch (error) {
      // What was given as the reason says more than the name of the abort.
      throw controller.signal.aborted ? controller.signal.reason : error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async #regionNow(signal: AbortSignal | undefined): Promise<string> {
    if (this.#region !== undefined) return this.#region;
    this.#findingRegion ??= this.#findRegion(signal).finally(() => {
      this.#findingRegion = undefined;
    });
    this.#region = await this.#findingRegion;
    return this.#region;
  }

  /**
   * Amazon tells it to everybody, with whatever status:
   * https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
   */
  async #findRegion(signal: AbortSignal | undefined): Promise<string> {
    const { endpoint } = this.#parts;
    const fallback = process.env["AWS_REGION"] || process.env["AWS_DEFAULT_REGION"] || "us-east-1";
    if (!endpoint.isAmazon) return fallback;
    const startedAtMs = performance.now();
    let error: unknown;
    try {
      const timeout = AbortSignal.timeout(this.#parts.answerTimeoutMs);
      const response = await fetch(`https://s3.amazonaws.com/${encodeKey(endpoint.bucket)}`, {
        method: "HEAD",
        redirect: "manual",
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
      return response.headers.get("x-amz-bucket-region") ?? fallback;
    } catch (reason) {
      error = reason;
      return fallback;
    } finally {
      const durationMs = performance.now() - startedAtMs;
      const record = { operation: "GET", bytes: 0, durationMs } as const;
      this.#parts.onRequest(error === undefined ? record : { ...record, error });
    }
  }
}

/** What kind of request a provider counts, and charges, this as. */
function kindOf({ method, query, key }: S3Request): RequestRecord["operation"] {
  if (method === "DELETE" || query?.["delete"] !== undefined) return "DELETE";
  if (method === "GET" && key === undefined) return "LIST";
  return method === "GET" || method === "HEAD" ? "GET" : "PUT";
}

interface AttemptFailure extends Failure {
  readonly message?: string | undefined;
  readonly otherRegion?: string | undefined;
  readonly clockAheadMs?: number | undefined;
  readonly cause?: unknown;
}

/** A request that ends an upload can fail with status 200: the answer has begun before the outcome is known. */
async function problemInAnswer({ operation }: S3Request, response: S3Response): Promise<AttemptFailure | undefined> {
  if (operation !== completeUploadOperation || response.status !== 200) return undefined;
  const error = errorOf(await parseXml(new TextDecoder().decode(response.body)));
  return error === undefined ? undefined : failureOf(response, error);
}

export const completeUploadOperation = "complete the upload of";

async function readFailure(response: S3Response): Promise<AttemptFailure> {
  const error = errorOf(await parseXml(new TextDecoder().decode(response.body.subarray(0, 65_536))));
  return failureOf(response, error ?? {});
}

/** The error of an answer: at its top, though our parser makes a list of any `Error`. */
function errorOf(document: XmlElement): XmlElement | undefined {
  const { Error: error } = document;
  if (error === undefined) return undefined;
  return childrenOf(document, "Error")[0] ?? childOf(document, "Error");
}

function failureOf({ status, headers }: S3Response, error: XmlElement): AttemptFailure {
  const code = textOf(error, "Code");
  const dateMs = Date.parse(headers.get("date") ?? "");
  const isRedirect = status === 301 || status === 307 || code === "AuthorizationHeaderMalformed";
  return {
    status,
    code,
    message: textOf(error, "Message"),
    retryAfterMs: parseRetryAfterMs(headers.get("retry-after"), Date.now()),
    otherRegion: headers.get("x-amz-bucket-region") ?? (isRedirect ? textOf(error, "Region") : undefined) ?? undefined,
    clockAheadMs: Number.isNaN(dateMs) ? undefined : dateMs - Date.now(),
  };
}

const emptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

function sha256Hex(body: Uint8Array | undefined): string {
  return body === undefined || body.byteLength === 0 ? emptySha256 : createHash("sha256").update(body).digest("hex");
}

export function md5Base64(body: Uint8Array): string {
  return createHash("md5").update(body).digest("base64");
}

/** Ends early when it is aborted. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const onAbort = (): void => resolve();
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) resolve();
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}
