import { afterAll, describe, expect, test } from "bun:test";
import { type HttpFault, misbehaviour, startFaultProxy } from "../../src/fault/http-proxy.ts";
import { SeededRandom } from "../../src/seeded-random.ts";

/** Says what it got; `/large` answers with a megabyte, `/chunked` in chunks. */
const seen: string[] = [];
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const body = await request.text();
    const { pathname } = new URL(request.url);
    seen.push(`${request.method} ${pathname} ${body.length}`);
    if (pathname === "/large") return new Response("x".repeat(1_000_000));
    if (pathname === "/chunked") return new Response(chunks());
    return new Response(`${request.method} ${body}`);
  },
});
/** Of a length that is not known before. */
function chunks(): ReadableStream<string> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue("one");
      controller.enqueue("two");
      controller.close();
    },
  });
}

afterAll(() => server.stop(true));
const port = server.port ?? 0;

async function proxyWith(...faults: (HttpFault | undefined)[]): ReturnType<typeof startFaultProxy> {
  return startFaultProxy({ port, fault: ({ number }) => faults[number - 1] });
}

/** What `fetch` fails with; undefined where it does not. */
async function failureOf(work: Promise<Response>): Promise<unknown> {
  return work.then(async (response) => void (await response.text())).catch((error: unknown) => error);
}

describe("FaultProxy", () => {
  test("passes requests and answers, several on one connection", async () => {
    await using proxy = await proxyWith();
    for (let at = 0; at < 3; at++) {
      const response = await fetch(`${proxy.endpoint}/x`, { method: "PUT", body: `body ${at}` });
      expect(await response.text()).toBe(`PUT body ${at}`);
    }
    expect(await (await fetch(`${proxy.endpoint}/large`)).text()).toHaveLength(1_000_000);
    expect(await (await fetch(`${proxy.endpoint}/chunked`)).text()).toBe("onetwo");
    expect((await fetch(`${proxy.endpoint}/x`, { method: "HEAD" })).status).toBe(200);
    const body = "y".repeat(3_000_000);
    expect(await (await fetch(`${proxy.endpoint}/x`, { method: "POST", body })).text()).toHaveLength(3_000_005);
    expect([proxy.requestCount, proxy.faultCount]).toEqual([7, 0]);
  });

  test("answers in the server's place", async () => {
    await using proxy = await proxyWith({ effect: "answer", status: 503, headers: { "Retry-After": "1" }, body: "no" });
    const before = seen.length;
    const response = await fetch(`${proxy.endpoint}/x`);
    expect([response.status, response.headers.get("retry-after"), await response.text()]).toEqual([503, "1", "no"]);
    expect(seen).toHaveLength(before);
    expect((await fetch(`${proxy.endpoint}/x`)).status).toBe(200);
    expect(proxy.faultCount).toBe(1);
  });

  test("breaks the connection within a request, which the server never gets whole", async () => {
    await using proxy = await proxyWith({ effect: "reset request", afterBytes: 1000 });
    const before = seen.length;
    const put = fetch(`${proxy.endpoint}/cut`, { method: "PUT", body: "z".repeat(100_000) });
    expect(await failureOf(put)).toBeInstanceOf(Error);
    expect(seen.slice(before)).toEqual([]);
  });

  test("breaks the connection within an answer, after the server has done its work", async () => {
    await using proxy = await proxyWith(
      { effect: "reset answer", afterBytes: 0 },
      { effect: "reset answer", afterBytes: 50_000 },
    );
    const before = seen.length;
    expect(
      await failureOf(fetch(`${proxy.endpoint}/lost`, { method: "PUT", body: "12345", keepalive: false })),
    ).toBeInstanceOf(Error);
    expect(seen.slice(before)).toContain("PUT /lost 5");
    expect(await failureOf(fetch(`${proxy.endpoint}/large`, { keepalive: false }))).toBeInstanceOf(Error);
  });

  test("delays, and drops until the client gives up", async () => {
    await using proxy = await proxyWith({ effect: "delay", ms: 30 }, { effect: "drop" });
    const startedAtMs = performance.now();
    expect((await fetch(`${proxy.endpoint}/x`)).status).toBe(200);
    expect(performance.now() - startedAtMs).toBeGreaterThan(29);
    expect(await failureOf(fetch(`${proxy.endpoint}/x`, { signal: AbortSignal.timeout(50) }))).toBeInstanceOf(Error);
  });

  test("holds an answer back of what the server has done, and says when", async () => {
    const met = Promise.withResolvers<void>();
    await using proxy = await proxyWith({ effect: "hold answer", onMet: met.resolve });
    const before = seen.length;
    const put = fetch(`${proxy.endpoint}/held`, { method: "PUT", body: "123", signal: AbortSignal.timeout(300) });
    await met.promise;
    expect(seen.slice(before)).toEqual(["PUT /held 3"]);
    expect(await failureOf(put)).toBeInstanceOf(Error);
  });

  test("is away and comes back", async () => {
    await using proxy = await proxyWith();
    expect((await fetch(`${proxy.endpoint}/x`)).status).toBe(200);
    proxy.down();
    expect(await failureOf(fetch(`${proxy.endpoint}/x`))).toBeInstanceOf(Error);
    proxy.up();
    expect((await fetch(`${proxy.endpoint}/x`)).status).toBe(200);
  });
});

test("misbehaviour is the same for the same seed, and of the fraction asked for", () => {
  const faultsOf = (seed: number): (HttpFault | undefined)[] => {
    const fault = misbehaviour(new SeededRandom(seed), { fraction: 0.2, delayMsMax: 10 });
    return Array.from({ length: 2000 }, (_, at) => fault({ number: at, method: "PUT", target: "/", sizeBytes: 1000 }));
  };
  expect(faultsOf(1)).toEqual(faultsOf(1));
  expect(faultsOf(1)).not.toEqual(faultsOf(2));
  const met = faultsOf(1).filter((fault) => fault !== undefined);
  expect(met.length).toBeWithin(300, 500);
  expect(new Set(met.map(({ effect }) => effect)).size).toBe(5);
});
