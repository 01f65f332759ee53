import { describe, expect, test } from "bun:test";
import { Heartbeat } from "../src/index.ts";
import { databaseStatus, FakeDatabase, replicaStatus } from "./fake-database.ts";

interface Listener extends AsyncDisposable {
  readonly url: string;
  beats: number;
  status: number;
}

function listener(): Listener {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      found.beats++;
      expect(request.method).toBe("GET");
      return new Response("thanks", { status: found.status });
    },
  });
  const found: Listener = {
    url: `${server.url.href}ping/s3cret`,
    beats: 0,
    status: 200,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
  return found;
}

const until = async (isSo: () => boolean): Promise<void> => {
  while (!isSo()) await Bun.sleep(5);
};

describe("Heartbeat", () => {
  test("beats in each interval while the backup is good", async () => {
    await using heard = listener();
    await using _heartbeat = new Heartbeat({ url: heard.url, intervalMs: 20, databases: () => [new FakeDatabase()] });
    await until(() => heard.beats >= 3);
  });

  test("is silent while the backup is not good, and beats again once it is", async () => {
    await using heard = listener();
    const database = new FakeDatabase();
    const failure = { code: undefined, message: "no", hint: undefined, sinceMs: 0, count: 1 };
    const good = database.answer;
    const bad: readonly (typeof good)[] = [
      async () => databaseStatus({ state: "waiting" }),
      async () => databaseStatus({ replicas: [replicaStatus(), replicaStatus({ lagMs: undefined })] }),
      async () => databaseStatus({ replicas: [replicaStatus({ lagMs: 60_000 })] }),
      async () => databaseStatus({ replicas: [replicaStatus({ failure })] }),
      () => Promise.reject(new Error("the engine is gone")),
    ];
    await using _heartbeat = new Heartbeat({ url: heard.url, intervalMs: 20, databases: () => [database] });
    for (const answer of bad) {
      database.answer = answer;
      const asked = database.questions;
      await until(() => database.questions >= asked + 2);
      const before = heard.beats;
      await until(() => database.questions >= asked + 5);
      expect(heard.beats).toBe(before);
      database.answer = good;
      await until(() => heard.beats > before);
    }
  });

  test("is silent without a database", async () => {
    await using heard = listener();
    let asked = 0;
    await using _heartbeat = new Heartbeat({
      url: heard.url,
      intervalMs: 10,
      databases: () => {
        asked++;
        return [];
      },
    });
    await until(() => asked >= 3);
    expect(heard.beats).toBe(0);
  });

  test("says that it failed, without its URL, and tries again", async () => {
    await using heard = listener();
    heard.status = 500;
    const failures: string[] = [];
    await using _heartbeat = new Heartbeat({
      url: heard.url,
      intervalMs: 20,
      databases: () => [new FakeDatabase()],
      onFailure: (message) => failures.push(message),
    });
    await until(() => failures.length >= 2);
    expect(failures[0]).toBe("the heartbeat failed: it was answered with 500");
    await heard[Symbol.asyncDispose]();
    const before = failures.length;
    await until(() => failures.length > before);
    expect(failures.at(-1)).not.toContain("s3cret");
  });

  test("ends though its request is never answered", async () => {
    const asked = Promise.withResolvers<void>();
    using server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: () => asked.resolve() },
    });
    const url = `http://127.0.0.1:${server.port}/`;
    const heartbeat = new Heartbeat({ url, intervalMs: 10, databases: () => [new FakeDatabase()] });
    await asked.promise;
    await heartbeat[Symbol.asyncDispose]();
  });
});
