/**
 * Reads one object in ranges, several at the same time, given out in turn. So memory is bounded whatever the reader's
 * pace, a connection that breaks costs one range, and all ranges are of one content: that which the first one had.
 */
import { releaseBuffer } from "../../release-buffer.ts";
import type { ReadOptions } from "../store.ts";
import type { S3Client, S3Response } from "./client.ts";

const rangeSizeBytes = 8 * 1024 * 1024;
/** Ranges that are fetched ahead of the reader. */
const aheadMax = 2;

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
  const fetchRange = async (from: number, identity: string | undefined): Promise<S3Response> => {
    const to = Math.min(from + rangeSizeBytes, endOffset);
    return await client.send({
      method: "GET",
      operation: "read",
      key,
      headers: {
        ...headers,
        range: `bytes=${from}-${to - 1}`,
        ...(identity === undefined ? {} : { "if-match": identity }),
      },
      answerSizeBytesMax: to - from,
      // Nothing is there, from that byte on.
      answers: [416],
      signal,
    });
  };
  const ahead: Promise<S3Response>[] = [];
  try {
    const first = await fetchRange(start, options.identity);
    if (first.status === 416) return;
    if (first.status !== 206) {
      // A server that knows no ranges sends everything.
      yield first.body.subarray(start, Math.min(first.body.byteLength, endOffset));
      return;
    }
    const end = Math.min(totalSizeBytes(first) ?? start + first.body.byteLength, endOffset);
    const identity = first.headers.get("etag") ?? options.identity;
    let next = start + rangeSizeBytes;
    for (let response: S3Response | undefined = first; response !== undefined; response = await ahead.shift()) {
      for (; next < end && ahead.length < aheadMax; next += rangeSizeBytes) {
        const range = fetchRange(next, identity);
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

/** Of `bytes 0-99/1234`. */
function totalSizeBytes(response: S3Response): number | undefined {
  const total = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1];
  return total === undefined ? undefined : Number(total);
}
