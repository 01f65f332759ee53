/**
 * Reads one object in ranges, several at the same time, given out in turn. So memory is bounded whatever the reader's
 * pace, a connection that breaks costs one range, and all ranges are of one content: that which the first one had.
 */
import { LitestreamError } from "../../errors.ts";
import { releaseBuffer } from "../../release-buffer.ts";
import type { ReadOptions } from "../store.ts";
import type { S3Client, S3Response } from "./client.ts";

const rangeSizeBytes = 4 * 1024 * 1024;
/** Ranges that are fetched ahead of the reader. */
const aheadMax = 4;
/** How often a range is asked for that does not come as it was asked for. */
const rangeAttemptsMax = 4;

/** @param headers of each request: of an object that is encrypted with a customer's key */
export async function* download(
  client: S3Client,
  key: string,
  options: ReadOptions,
  headers: Readonly<Record<string, string>>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { offset: start = 0, endOffset = Infinity } = options;
  if (endOffset <= start) return;
  const ended = new AbortController();
  const signal = options.signal === undefined ? ended.signal : AbortSignal.any([options.signal, ended.signal]);
  const fetchRange = (from: number, until: number, identity: string | undefined): Promise<S3Response> =>
    readRange(client, key, { from, until, identity, headers, signal });
  const ahead: Promise<S3Response>[] = [];
  try {
    const first = await fetchRange(start, Math.min(start + rangeSizeBytes, endOffset), options.identity);
    if (first.status === 416) return;
    if (first.status !== 206) {
      // A server that knows no ranges sends everything.
      yield first.body.subarray(start, Math.min(first.body.byteLength, endOffset));
      return;
    }
    const end = Math.min(rangeOf(first)?.totalSizeBytes ?? start + first.body.byteLength, endOffset);
    const identity = first.headers.get("etag") ?? options.identity;
    let next = start + rangeSizeBytes;
    for (let response: S3Response | undefined = first; response !== undefined; response = await ahead.shift()) {
      for (; next < end && ahead.length < aheadMax; next += rangeSizeBytes) {
        const range = fetchRange(next, Math.min(next + rangeSizeBytes, end), identity);
        // Waited for in its turn: until then its failure is nobody's.
        range.catch(() => undefined);
        ahead.push(range);
      }
      yield response.body;
      releaseBuffer(response.body);
    }
  } finally {
    ended.abort();
  }
}

interface RangeRequest {
  readonly from: number;
  readonly until: number;
  readonly identity: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** One range. An answer that holds another one, or less, is asked for again: it would go to the wrong place. */
async function readRange(client: S3Client, key: string, request: RangeRequest): Promise<S3Response> {
  const { from, until, identity, headers, signal } = request;
  for (let attempt = 1; ; attempt++) {
    const response = await client.send({
      method: "GET",
      operation: "read",
      key,
      headers: {
        ...headers,
        range: `bytes=${from}-${until - 1}`,
        ...(identity === undefined ? {} : { "if-match": identity }),
      },
      answerSizeBytesMax: until - from,
      // Nothing is there, from that byte on.
      answers: [416],
      signal,
    });
    if (response.status !== 206) return response;
    const range = rangeOf(response);
    const wanted = Math.min(until, range?.totalSizeBytes ?? until) - from;
    if (range?.from === from && response.body.byteLength === wanted) return response;
    if (attempt === rangeAttemptsMax) {
      const path = client.pathOf(key);
      const got = `${response.body.byteLength} bytes from byte ${range?.from}`;
      throw new LitestreamError("REPLICA_UNAVAILABLE", `asked for ${wanted} bytes of ${path}, the server sent ${got}`, {
        path,
        offset: from,
        hint: "Check what lies between this machine and the server.",
      });
    }
  }
}

/** Of `bytes 0-99/1234`. */
function rangeOf(response: S3Response): { readonly from: number; readonly totalSizeBytes: number } | undefined {
  const [, from, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? [];
  return from === undefined || total === undefined ? undefined : { from: Number(from), totalSizeBytes: Number(total) };
}
