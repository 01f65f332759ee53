import { describe, expect, test } from "bun:test";
import type { DatabaseStatus } from "@litestream/core";
import { Counter, Registry } from "prom-client";
import {
  collectProcessMetrics,
  type HttpLimits,
  observe,
  serve,
  type ServeOptions,
  type StatusServer,
} from "../../src/index.ts";
import { databaseStatus, FakeDatabase, position, replicaStatus } from "../fake-database.ts";
import { parseSamples } from "../samples.ts";
import { RawClient } from "./raw-client.ts";

function served(options: Partial<ServeOptions> & { readonly database?: FakeDatabase } = {}): Promise<StatusServer> {
  const { database = new FakeDatabase(), ...others } = options;
  const { registry } = observe(database);
  collectProcessMetrics(registry);
  return serve({ addr: "127.0.0.1:0", databases: () => [database], registry, ...others });
}

async function get(server: StatusServer, path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${server.url}${path}`, { headers });
}

describe("/metrics", () => {
  test("serves the databases and the process", async () => {
    await using server = await served();
    const response = await get(server, "/metrics");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    const samples = parseSamples(await response.text());
    expect(samples.get('litestream_db_size{db="/data/app.db"}')).toBe(8192);
    expect(samples.get("process_resident_memory_bytes")).toBeGreaterThan(1e6);
    expect(samples.get("process_cpu_seconds_total")).toBeGreaterThan(0);
    expect(samples.get("process_start_time_seconds")).toBeGreaterThan(1e9);
    if (process.platform === "linux") {
      expect(samples.get("process_open_fds")).toBeGreaterThan(3);
      expect(samples.get("process_max_fds")).toBeGreaterThan(3);
    }
  });

  test("serves OpenMetrics to who asks for it, under the same names", async () => {
    await using server = await served();
    const accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    const response = await get(server, "/metrics", { Accept: accept });
    expect(response.headers.get("content-type")).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    const text = await response.text();
    expect(text.endsWith("\n# EOF\n")).toBe(true);
    expect(text).toContain("# TYPE litestream_sync_count unknown\n");
    expect(text).toContain("# TYPE litestream_replica_validation counter\n");
    expect(text).toContain("# TYPE litestream_write_lock_seconds histogram\n");
    const plain = parseSamples(await (await get(server, "/metrics")).text());
    expect([...parseSamples(text).keys()].toSorted()).toEqual([...plain.keys()].toSorted());
  });

  test("serves the application's registry, if it gives one, as it is", async () => {
    const registry = new Registry();
    const counter = new Counter({ name: "orders", help: 'Orders of "x"\\', labelNames: ["of"], registers: [registry] });
    counter.inc({ of: 'a "b" \\ \n c' }, 2);
    await using server = await served({ registry });
    const response = await get(server, "/metrics", { Accept: "application/openmetrics-text" });
    expect(await response.text()).toBe(
      '# TYPE orders unknown\n# HELP orders Orders of \\"x\\"\\\\\norders{of="a \\"b\\" \\\\ \\n c"} 2\n# EOF\n',
    );
  });

  test("asks the databases once for many scrapes at a time", async () => {
    const database = new FakeDatabase();
    await using server = await served({ database });
    await Promise.all(Array.from({ length: 100 }, async () => (await get(server, "/metrics")).text()));
    expect(database.questions).toBeLessThan(10);
  });
});

describe("/healthz", () => {
  const cases: readonly (readonly [string, number, string, Partial<DatabaseStatus>])[] = [
    ["every replica is up to date", 200, "ok\n", {}],
    [
      "a replica is as far behind as the limit",
      503,
      "not ok\n/data/app.db: replica file is 60 s behind\n",
      { replicas: [replicaStatus({ lagMs: 60_000 })] },
    ],
    ["a replica is a little behind", 200, "ok\n", { replicas: [replicaStatus({ lagMs: 59_000 })] }],
    [
      "one replica of two was never reached",
      503,
      "not ok\n/data/app.db: replica s3 holds nothing that is known to be restorable yet\n",
      { replicas: [replicaStatus(), replicaStatus({ name: "s3", lagMs: undefined })] },
    ],
    [
      "the database is waited for",
      503,
      "not ok\n/data/app.db: waiting: no database at /data/app.db\n",
      { state: "waiting", reason: "no database at /data/app.db" },
    ],
    [
      "a replica differs from the database",
      503,
      "not ok\n/data/app.db: replica file differs from the database\n",
      {
        replicas: [
          replicaStatus({
            lastValidation: {
              replica: "file",
              status: "mismatch",
              position,
              endedAtMs: 0,
              durationMs: 1,
              differences: [],
              keptAt: undefined,
              message: undefined,
            },
          }),
        ],
      },
    ],
  ];
  for (const [when, status, body, fields] of cases) {
    test(`answers ${status} when ${when}`, async () => {
      await using server = await served({ database: new FakeDatabase(fields) });
      const response = await get(server, "/healthz");
      expect(response.status).toBe(status);
      expect(await response.text()).toBe(body);
    });
  }

  test("answers 503 when a database does not answer", async () => {
    const database = new FakeDatabase();
    database.answer = () => Promise.reject(new Error("the engine is gone"));
    await using server = await served({ database });
    const response = await get(server, "/healthz");
    expect(response.status).toBe(503);
    expect(await response.text()).toContain("/data/app.db: does not answer");
  });
});

describe("/status.json", () => {
  test("tells how each database stands, positions as text", async () => {
    await using server = await served();
    const response = await get(server, "/status.json");
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.json()).toMatchObject({
      isHealthy: true,
      databases: [
        {
          path: "/data/app.db",
          problems: [],
          status: { position: "0123456789abcdef/00000002:00001038", replicas: [{ location: "/backups/app" }] },
        },
      ],
    });
  });

  test("streams all of it, then each second what has changed", async () => {
    const database = new FakeDatabase();
    const other = new FakeDatabase({ path: "/data/other.db" });
    await using server = await served({ databases: () => [database, other] });
    using client = new RawClient(server.url);
    client.send("GET /status.json HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    const until = async (isSo: () => boolean): Promise<void> => {
      while (!isSo()) await Bun.sleep(5);
    };
    await until(() => client.received.includes("event: status\n"));
    expect(client.received.match(/"path":"\/data\/other.db","status"/g)).toHaveLength(1);
    database.answer = async () => databaseStatus({ replicas: [replicaStatus({ lagMs: 12_345 })] });
    await until(() => client.received.includes('"lagMs":12345'));
    expect(client.received).toContain("event: changes\n");
    // What has not changed is told again once in a while only.
    expect((client.received.match(/"path":"\/data\/other.db","status"/g) ?? []).length).toBeLessThanOrEqual(2);
  });
});

describe("who asks", () => {
  test("must know the token, if there is one", async () => {
    await using server = await served({ token: "s3cret" });
    for (const path of ["/metrics", "/status.json"]) {
      const refused = await get(server, path);
      expect(refused.status).toBe(401);
      expect(refused.headers.get("www-authenticate")).toBe('Bearer realm="litestream"');
      expect(await refused.text()).not.toContain("app.db");
      expect((await get(server, path, { Authorization: "Bearer s3cre" })).status).toBe(401);
      expect((await get(server, path, { Authorization: "Bearer s3cret2" })).status).toBe(401);
      expect((await get(server, path, { Authorization: "Bearer s3cret" })).status).toBe(200);
    }
  });

  test("learns nothing but the code from /healthz without the token", async () => {
    const database = new FakeDatabase({ state: "waiting", reason: "no database" });
    await using server = await served({ database, token: "s3cret" });
    const response = await get(server, "/healthz");
    expect(response.status).toBe(503);
    expect(await response.text()).toBe("not ok\n");
    const known = await get(server, "/healthz", { Authorization: "Bearer s3cret" });
    expect(await known.text()).toContain("no database");
  });

  test("cannot come by a name that another site made mean this machine", async () => {
    await using server = await served();
    expect((await get(server, "/status.json", { Host: "evil.example" })).status).toBe(421);
    expect((await get(server, "/status.json", { Host: "localhost:9090" })).status).toBe(200);
  });

  test("cannot read it from a page of another site, nor frame it", async () => {
    await using server = await served();
    const { headers } = await get(server, "/status.json", { Origin: "https://evil.example" });
    expect(headers.get("access-control-allow-origin")).toBeNull();
    expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
  });

  test("can only look", async () => {
    await using server = await served();
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      expect((await fetch(`${server.url}/metrics`, { method })).status).toBe(405);
    }
    const head = await fetch(`${server.url}/metrics`, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect((await get(server, "/../../etc/passwd")).status).toBe(404);
  });

  test("cannot send a body", async () => {
    await using server = await served();
    using client = new RawClient(server.url);
    client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n");
    await client.closed;
    expect(client.received).toStartWith("HTTP/1.1 413 ");
  });
});

describe("a slow or hostile client", () => {
  const limits: Partial<HttpLimits> = { requestMs: 300, answerMs: 300, idleMs: 300 };

  test("that sends its header byte by byte is sent away", async () => {
    await using server = await served({ limits });
    using client = new RawClient(server.url);
    const header = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let sent = 0;
    const timer = setInterval(() => client.send(header[sent++] ?? "a"), 20);
    await client.closed;
    clearInterval(timer);
    expect(client.received).toMatch(/^$|^HTTP\/1\.1 408 /);
  });

  test("that sends nothing is sent away", async () => {
    await using server = await served({ limits });
    using client = new RawClient(server.url);
    await client.closed;
    expect(client.received).toBe("");
  });

  test("that sends a header without end is sent away", async () => {
    await using server = await served({ limits });
    using client = new RawClient(server.url);
    client.send(`GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(100_000)}`);
    await client.closed;
    expect(client.received).not.toContain(" 200 ");
  });

  test("that does not take its answer is sent away", async () => {
    const registry = new Registry();
    const counter = new Counter({ name: "big", help: "Big", labelNames: ["of"], registers: [registry] });
    // More than the buffers of both ends of a connection hold.
    for (let n = 0; n < 64; n++) counter.inc({ of: `${n}${"x".repeat(1 << 18)}` });
    await using server = await served({ limits: { ...limits, connectionsMax: 1 }, registry });
    using client = new RawClient(server.url);
    await client.connected();
    client.stopReading();
    client.send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const isRefused = (): Promise<boolean> =>
      get(server, "/healthz").then(
        ({ status }) => status !== 200,
        () => true,
      );
    await Bun.sleep(100);
    expect(await isRefused()).toBe(true);
    while (await isRefused()) await Bun.sleep(20);
  });

  test("that does not take the stream is sent away", async () => {
    const database = new FakeDatabase({ reason: "x".repeat(16 << 20) });
    await using server = await served({ limits: { ...limits, connectionsMax: 1 }, database });
    using client = new RawClient(server.url);
    await client.connected();
    client.stopReading();
    client.send("GET /status.json HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    while (database.questions === 0) await Bun.sleep(5);
    while (!(await get(server, "/healthz").catch(() => undefined))?.ok) await Bun.sleep(20);
  });

  test("that holds connections leaves no more than the limit, and none for long", async () => {
    await using server = await served({ limits: { ...limits, connectionsMax: 4 } });
    const clients = Array.from({ length: 4 }, () => new RawClient(server.url));
    await Promise.all(clients.map((client) => client.connected()));
    using late = new RawClient(server.url);
    await late.closed;
    await Promise.all(clients.map(({ closed }) => closed));
    expect((await get(server, "/healthz")).status).toBe(200);
    for (const client of clients) client[Symbol.dispose]();
  });

  test("that talks no HTTP is sent away", async () => {
    await using server = await served();
    using client = new RawClient(server.url);
    client.send("\u0016\u0003\u0001 hello\r\n\r\n\r\n");
    await client.closed;
    expect(client.received).not.toContain(" 200 ");
    expect((await get(server, "/healthz")).status).toBe(200);
  });
});

describe("serve", () => {
  test("serves this machine alone, unless it is told otherwise", async () => {
    await using here = await served({ addr: ":0" });
    expect(here.url).toStartWith("http://127.0.0.1:");
    expect(here.isLoopback).toBe(true);
  });

  test("names the address that it cannot have", async () => {
    await using first = await served();
    const addr = new URL(first.url).host;
    const error: unknown = await served({ addr }).catch((problem: unknown) => problem);
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    expect(String(error)).toContain(`cannot serve at ${addr}`);
  });

  test("refuses what is no address", async () => {
    for (const addr of ["", "9090", "http://127.0.0.1:9090", "localhost", "a b:1", "127.0.0.1:99999"]) {
      const error: unknown = await served({ addr }).catch((problem: unknown) => problem);
      expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    }
  });

  test("ends with all its connections", async () => {
    const server = await served();
    using client = new RawClient(server.url);
    client.send("GET /status.json HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    while (!client.received.includes("event: status")) await Bun.sleep(5);
    await server[Symbol.asyncDispose]();
    await client.closed;
  });
});
