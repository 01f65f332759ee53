/**
 * The store against answers that no real server gives on demand: the servers themselves are in e2e. Each request of a
 * test is answered by the next function of its script.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import type { RequestRecord } from "../../../src/store/s3/client.ts";
import type { S3ReplicaOptions } from "../../../src/replica-options.ts";
import { S3Store } from "../../../src/store/s3/store.ts";
import { collect, failureOf, inChunks } from "../../bytes.ts";
import { cert, key } from "./self-signed.ts";

interface Seen {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

type Answer = (request: Seen) => Response;

interface Scene {
  readonly store: S3Store;
  readonly seen: Seen[];
  readonly records: RequestRecord[];
}

const servers: Bun.Server<undefined>[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
});

function newScene(answers: readonly Answer[], options: Partial<S3ReplicaOptions> = {}): Scene {
  const seen: Seen[] = [];
  const records: RequestRecord[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const { method, headers } = request;
      const body = new Uint8Array(await request.arrayBuffer());
      const one = { method, url: new URL(request.url), headers, body };
      const answer = answers[seen.push(one) - 1];
      return answer === undefined ? xmlError(400, "UnexpectedRequest") : answer(one);
    },
  });
  servers.push(server);
  const store = new S3Store(
    {
      type: "s3",
      bucket: "bucket",
      path: "app",
      endpoint: `http://127.0.0.1:${server.port}`,
      accessKeyId: "key",
      secretAccessKey: "secret",
      requestTimeoutMs: 200,
      ...options,
    },
    { env: {}, onRequest: (record) => records.push(record) },
  );
  return { store, seen, records };
}

function xmlError(status: number, code: string, inner = "", headers: Record<string, string> = {}): Response {
  return new Response(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>so it is</Message>${inner}</Error>`, {
    status,
    headers,
  });
}

const ok: Answer = () => new Response("", { headers: { etag: '"1"' } });
const text = (content: string): Uint8Array => new TextEncoder().encode(content);

describe("S3Store.put", () => {
  test("signs the hash of what it sends, with the headers asked for", async () => {
    const { store, seen } = newScene([ok], { storageClass: "STANDARD_IA", sseKmsKeyId: "kms", sessionToken: "token" });
    await store.put("k", inChunks(text("content")));
    const [request] = seen;
    expect(request?.headers.get("x-amz-content-sha256")).toBe(createHash("sha256").update("content").digest("hex"));
    expect(request?.headers.get("authorization")).toContain("/us-east-1/s3/aws4_request");
    expect(request?.headers.toJSON()).toMatchObject({
      "x-amz-storage-class": "STANDARD_IA",
      "x-amz-server-side-encryption": "aws:kms",
      "x-amz-server-side-encryption-aws-kms-key-id": "kms",
      "x-amz-security-token": "token",
      "content-length": "7",
      "accept-encoding": "identity",
    });
  });

  test("sends an MD5 where the payload is not to be signed", async () => {
    const { store, seen } = newScene([ok], { signPayload: false });
    await store.put("k", inChunks(text("content")));
    expect(seen[0]?.headers.get("x-amz-content-sha256")).toBe("UNSIGNED-PAYLOAD");
    expect(seen[0]?.headers.get("content-md5")).toBe(createHash("md5").update("content").digest("base64"));
  });

  test("sends a customer's key with each request that needs it, and refuses one that is none", async () => {
    const sseCustomerKey = Buffer.alloc(32, 7).toString("base64");
    const ranged: Answer = () =>
      new Response("x", { status: 206, headers: { "content-range": "bytes 0-0/1", etag: '"1"' } });
    const { store, seen } = newScene([ok, ranged], { sseCustomerKey });
    await store.put("k", inChunks(text("x")));
    await collect(store.read("k"));
    for (const { headers } of seen) {
      expect(headers.get("x-amz-server-side-encryption-customer-key")).toBe(sseCustomerKey);
    }
    expect(() => newScene([], { sseCustomerKey: "short" })).toThrow("not a key of 32 bytes");
  });

  test.each([
    ["answers 503", () => xmlError(503, "SlowDown")],
    ["answers 500 without a word", () => new Response("", { status: 500 })],
    ["answers 429", () => new Response("", { status: 429 })],
    ["answers 408", () => new Response("", { status: 408 })],
    ["got something else than was sent", () => xmlError(400, "BadDigest")],
  ])("sends again what a server %s", async (_, answer) => {
    const { store, seen, records } = newScene([answer, ok]);
    await store.put("k", inChunks(text("content")));
    expect(seen.map(({ body }) => Buffer.from(body).toString())).toEqual(["content", "content"]);
    expect(records.map(({ operation, error }) => [operation, error === undefined])).toEqual([
      ["PUT", false],
      ["PUT", true],
    ]);
  });

  test("waits as long as it is asked to", async () => {
    const { store } = newScene([() => xmlError(503, "SlowDown", "", { "retry-after": "1" }), ok]);
    const startedAtMs = performance.now();
    await store.put("k", inChunks(text("content")));
    expect(performance.now() - startedAtMs).toBeGreaterThan(990);
  });

  test("ends a wait when it is aborted", async () => {
    const { store } = newScene([() => xmlError(503, "SlowDown", "", { "retry-after": "60" })]);
    const put = store.put("k", inChunks(text("content")), AbortSignal.timeout(50));
    expect(await failureOf(() => put)).toMatchObject({ code: "ABORTED" });
  });

  test("gives up a server that never answers, and sends again", async () => {
    const never: Answer = () => new Response(new ReadableStream({ start() {} }));
    const { store } = newScene([never, ok]);
    await store.put("k", inChunks(text("content")));
  });
});

describe("S3Store, whose upload in parts", () => {
  const sizeBytes = 8 * 1024 * 1024;
  const content = (): AsyncIterable<Uint8Array> => inChunks(new Uint8Array(sizeBytes).fill(5), 1_000_000);
  const begun: Answer = () =>
    new Response("<InitiateMultipartUploadResult><UploadId>id&amp;1</UploadId></InitiateMultipartUploadResult>");
  const completed: Answer = () => new Response("<CompleteMultipartUploadResult/>");
  const sized: Answer = () => new Response(null, { headers: { "content-length": String(sizeBytes) } });
  const aborted: Answer = () => new Response(null, { status: 204 });
  const gone: Answer = () => xmlError(404, "NoSuchUpload");

  test("names the parts in order, and looks whether all of them are there", async () => {
    const { store, seen } = newScene([begun, ok, ok, completed, sized], { concurrency: 1 });
    expect(await store.put("k", content())).toEqual({ sizeBytes });
    expect(seen.map(({ method, url }) => `${method} ${url.search}`)).toEqual([
      "POST ?uploads=",
      "PUT ?partNumber=1&uploadId=id%261",
      "PUT ?partNumber=2&uploadId=id%261",
      "POST ?uploadId=id%261",
      "HEAD ",
    ]);
    expect(Buffer.from(seen[3]?.body ?? []).toString()).toBe(
      "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;1&quot;</ETag></Part>" +
        "<Part><PartNumber>2</PartNumber><ETag>&quot;1&quot;</ETag></Part></CompleteMultipartUpload>",
    );
  });

  test("fails for good is aborted", async () => {
    const answers = [begun, () => xmlError(403, "AccessDenied"), aborted, gone];
    const { store, seen } = newScene(answers, { concurrency: 1 });
    expect(await failureOf(() => store.put("k", content()))).toMatchObject({ code: "REPLICA_UNAVAILABLE" });
    expect(seen.slice(2).map(({ method }) => method)).toEqual(["DELETE", "GET"]);
  });

  test("is there again after it was aborted, by a part that came late, is aborted again", async () => {
    const answers = [begun, () => xmlError(403, "AccessDenied"), aborted, ok, aborted, gone];
    const { store, seen } = newScene(answers, { concurrency: 1 });
    expect(await failureOf(() => store.put("k", content()))).toMatchObject({ code: "REPLICA_UNAVAILABLE" });
    expect(seen.slice(2).map(({ method, url }) => `${method} ${url.search}`)).toEqual([
      "DELETE ?uploadId=id%261",
      "GET ?uploadId=id%261",
      "DELETE ?uploadId=id%261",
      "GET ?uploadId=id%261",
    ]);
  });

  test("ends with an error inside an answer of status 200 is ended again, and fails if that lasts", async () => {
    const inside =
      (code: string): Answer =>
      () =>
        xmlError(200, code);
    const again = newScene([begun, ok, ok, inside("InternalError"), completed, sized], { concurrency: 1 });
    await again.store.put("k", content());
    const lasting = newScene([begun, ok, ok, inside("InvalidPart"), aborted], { concurrency: 1 });
    expect(await failureOf(() => lasting.store.put("k", content()))).toMatchObject({ code: "REPLICA_UNAVAILABLE" });
  });

  test("was ended without an answer is known by its object", async () => {
    const lost = newScene([begun, ok, ok, () => xmlError(404, "NoSuchUpload"), sized], { concurrency: 1 });
    expect(await lost.store.put("k", content())).toEqual({ sizeBytes });
  });

  test.each([
    ["is of another size", () => new Response(null, { headers: { "content-length": "1" } })],
    ["is not there", () => new Response(null, { status: 404 })],
  ])("gave an object that %s has failed", async (_, answer) => {
    const { store } = newScene([begun, ok, ok, completed, answer, aborted], { concurrency: 1 });
    expect(await failureOf(() => store.put("k", content()))).toBeInstanceOf(Error);
  });
});

describe("S3Store.read", () => {
  const bytes = new Uint8Array(20_000_000).map((_, at) => (at * 7919) >> 5);
  const object: Answer = ({ headers }) => {
    const [from = 0, to = 0] = (headers.get("range") ?? "").replace("bytes=", "").split("-").map(Number);
    const end = Math.min(to + 1, bytes.byteLength);
    return new Response(bytes.subarray(from, end), {
      status: 206,
      headers: { "content-range": `bytes ${from}-${end - 1}/${bytes.byteLength}`, etag: '"e"' },
    });
  };

  test.each([
    ["shorter", 100],
    ["empty", 0],
  ])("fetches ranges of one content, and each again that came %s than it says", async (_, sizeBytes) => {
    const cut: Answer = (request) =>
      new Response(bytes.subarray(0, sizeBytes), {
        status: 206,
        headers: { "content-range": object(request).headers.get("content-range") ?? "", etag: '"e"' },
      });
    const { store, seen } = newScene([object, cut, object, object, object, object]);
    expect(Buffer.compare(await collect(store.read("k")), bytes)).toBe(0);
    expect(seen.slice(1).map(({ headers }) => headers.get("if-match"))).toEqual(seen.slice(1).map(() => '"e"'));
  });

  test("does not mix two contents", async () => {
    const changed: Answer = () => xmlError(412, "PreconditionFailed");
    // The four ranges behind the first are asked for at the same time, and arrive in any order.
    const { store } = newScene([object, changed, changed, changed, changed]);
    expect(await failureOf(() => collect(store.read("k")))).toMatchObject({ code: "OBJECT_CHANGED" });
  });

  test("takes what a server sends that knows no ranges", async () => {
    const { store } = newScene([() => new Response("0123456789")]);
    expect((await collect(store.read("k", { offset: 2, endOffset: 5 }))).toString()).toBe("234");
  });
});

describe("S3Store.list", () => {
  const page =
    (inner: string): Answer =>
    () =>
      new Response(`<ListBucketResult>${inner}</ListBucketResult>`);
  const contents = (key: string): string =>
    `<Contents><Key>app/${key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>`;

  test("asks for the next page until there is none, also after an empty one", async () => {
    const more = (token: string): string =>
      `<IsTruncated>true</IsTruncated><NextContinuationToken>${token}</NextContinuationToken>`;
    const { store, seen } = newScene([
      page(`${contents("b")}${more("t&#43;1")}`),
      page(more("t2")),
      page(`${contents("a&amp;1")}<IsTruncated>false</IsTruncated>`),
    ]);
    expect((await store.list("")).map(({ key }) => key)).toEqual(["a&1", "b"]);
    expect(seen.map(({ url }) => url.searchParams.get("continuation-token"))).toEqual([null, "t+1", "t2"]);
  });

  test.each([
    ["says that there is more, and not where", "<IsTruncated>true</IsTruncated>"],
    ["begins again for ever", "<IsTruncated>true</IsTruncated><NextContinuationToken>same</NextContinuationToken>"],
  ])("fails where a server %s", async (_, inner) => {
    const { store } = newScene([page(inner), page(inner), page(inner)]);
    expect(await failureOf(() => store.list(""))).toMatchObject({ code: "REPLICA_UNAVAILABLE" });
  });

  test.each(["<html>It works</html>", "", "not XML at <all"])(
    "fails, and does not list nothing, for an answer of %p",
    async (body) => {
      const { store } = newScene([() => new Response(body)]);
      expect(await failureOf(() => store.list(""))).toMatchObject({
        code: "REPLICA_UNAVAILABLE",
        hint: "Check that endpoint names a server of the S3 protocol.",
      });
    },
  );
});

describe("S3Store.delete", () => {
  const result =
    (inner: string): Answer =>
    () =>
      new Response(`<DeleteResult>${inner}</DeleteResult>`);
  const failed = (key: string, code: string): string =>
    `<Error><Key>app/${key}</Key><Code>${code}</Code><Message>no</Message></Error>`;

  test("looks at each key's error: passing ones are tried again, lasting ones fail, naming the key", async () => {
    const passing = newScene([result(failed("b", "InternalError")), result("")]);
    await passing.store.delete(["a", "b", "c"]);
    expect(Buffer.from(passing.seen[1]?.body ?? []).toString()).toContain("<Object><Key>app/b</Key></Object></Delete>");
    const lasting = newScene([result(failed("a", "NoSuchKey") + failed("b", "AccessDenied"))]);
    expect(await failureOf(() => lasting.store.delete(["a", "b"]))).toMatchObject({
      code: "REPLICA_UNAVAILABLE",
      message: expect.stringContaining("app/b, and 0 more: AccessDenied") as string,
      hint: expect.stringContaining("s3:DeleteObject") as string,
    });
  });

  test("sends a thousand keys at a time, with an MD5, and the names escaped", async () => {
    const { store, seen } = newScene([result(""), result("")]);
    await store.delete(Array.from({ length: 1001 }, (_, at) => `k&${at}`));
    expect(seen).toHaveLength(2);
    const body = Buffer.from(seen[0]?.body ?? []);
    expect(body.toString()).toContain("<Key>app/k&amp;0</Key>");
    expect(seen[0]?.headers.get("content-md5")).toBe(createHash("md5").update(body).digest("base64"));
  });
});

describe("S3Store, by itself,", () => {
  const listing: Answer = () => new Response("<ListBucketResult/>");

  test.each([
    ["301, with a header", () => xmlError(301, "PermanentRedirect", "", { "x-amz-bucket-region": "eu-west-3" })],
    ["400, with an element", () => xmlError(400, "AuthorizationHeaderMalformed", "<Region>eu-west-3</Region>")],
  ])("goes on in the region that the server names: %s", async (_, answer) => {
    const { store, seen } = newScene([answer, listing, listing]);
    await store.list("");
    await store.list("");
    const regions = seen.map(({ headers }) => /\/([\w-]+)\/s3\//.exec(headers.get("authorization") ?? "")?.[1]);
    expect(regions).toEqual(["us-east-1", "eu-west-3", "eu-west-3"]);
  });

  test("asks once more with new keys when they have expired", async () => {
    const { store, seen } = newScene([() => xmlError(400, "ExpiredToken"), listing]);
    await store.list("");
    expect(seen).toHaveLength(2);
  });

  test.each<[number, string, string, string]>([
    [403, "AccessDenied", "access to the bucket bucket is denied", "s3:ListBucket"],
    [403, "InvalidAccessKeyId", "does not know the access key", "access-key-id"],
    [403, "SignatureDoesNotMatch", "secret access key is not that", "secret-access-key"],
    [404, "NoSuchBucket", "no bucket bucket at 127.0.0.1", "Create it"],
    [400, "ExpiredToken", "have expired", "Renew"],
    [403, "XUnheardOf", "answered 403 (XUnheardOf: so it is)", ""],
    [507, "XMinioStorageFull", "no space left", "Free space"],
  ])("says what status %p, %s, means, and what to do", async (status, code, why, hint) => {
    const answer = (): Response => xmlError(status, code);
    const error = await failureOf(() => newScene([answer, answer]).store.list(""));
    expect(error).toMatchObject({ code: "REPLICA_UNAVAILABLE", message: expect.stringContaining(why) as string });
    if (hint !== "") expect(error).toHaveProperty("hint", expect.stringContaining(hint) as string);
    expect(String(error)).not.toContain("\n");
  });

  test("says by how much the clock is wrong", async () => {
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    const { store } = newScene([() => xmlError(403, "RequestTimeTooSkewed", "", { date })]);
    const error = await failureOf(() => store.list(""));
    expect(String(error)).toMatch(/clock is wrong by (3599|3600|3601) s: it is behind/);
  });

  test("says that nobody listens, each time it tries", async () => {
    const { store, records } = newScene([]);
    for (const server of servers.splice(0)) await server.stop(true);
    expect(await failureOf(() => store.list("", AbortSignal.timeout(400)))).toMatchObject({ code: "ABORTED" });
    expect(records.length).toBeGreaterThan(1);
    expect(records[1]?.error).toMatchObject({
      code: "REPLICA_UNAVAILABLE",
      message: expect.stringMatching(/127\.0\.0\.1:\d+ accepts no connection \(2 attempts\)$/) as string,
      hint: expect.stringContaining("by itself") as string,
    });
  });

  test("shows no secret in an error", async () => {
    const { store } = newScene([() => xmlError(403, "AccessDenied")]);
    const error = await failureOf(() => store.list(""));
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error)) + Bun.inspect(error)).not.toContain('secret"');
  });

  test("trusts no certificate that nobody signed, says so, and does where it is told to", async () => {
    const server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert, key },
      fetch: () => new Response("<ListBucketResult/>"),
    });
    servers.push(server);
    const endpoint = `https://127.0.0.1:${server.port}`;
    const wary = newScene([], { endpoint });
    expect(await failureOf(() => wary.store.list(""))).toMatchObject({
      code: "REPLICA_UNAVAILABLE",
      message: expect.stringContaining("cannot be trusted") as string,
      hint: expect.stringContaining("skip-verify") as string,
    });
    expect(await newScene([], { endpoint, skipVerify: true }).store.list("")).toEqual([]);
  });
});
