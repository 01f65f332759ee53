import { describe, expect, test } from "bun:test";
import { parseReply, parseRequest } from "../../src/host/protocol.ts";
import { toWireError } from "../../src/host/wire-error.ts";

const position = { generation: "0123456789abcdef", index: 0, offset: 32 };
const options = { path: "/app.db", replicas: [{ path: "/replica" }] };
const call = { type: "call", id: 1, db: 1 };
const event = { type: "event", db: 1, event: { db: "/app.db", type: "stopped" }, position: undefined };

describe("the protocol between the application and its child", () => {
  test.each<unknown>([
    { ...call, call: { method: "start", options } },
    { ...call, call: { method: "stop" } },
    { ...call, call: { method: "waitFor", position } },
    { ...call, call: { method: "snapshot", replica: undefined } },
    { ...call, call: { method: "enforceRetention", replica: "s3", isDryRun: true } },
    { type: "abort", id: 1 },
    { type: "close", db: 1 },
    { type: "received", events: 1000 },
  ])("takes the request %j", (message) => {
    expect(parseRequest(message) as unknown).toEqual(message);
  });

  test.each<unknown>([
    undefined,
    "start",
    {},
    { type: "shutdown" },
    { ...call, id: -1, call: { method: "sync" } },
    { ...call, db: "1", call: { method: "sync" } },
    { ...call, call: { method: "constructor" } },
    { ...call, call: { method: "start", options: { path: 1, replicas: [] } } },
    { ...call, call: { method: "waitFor", position: { ...position, generation: "x" } } },
    { ...call, call: { method: "waitFor", position: { ...position, index: 2 ** 31 } } },
    { ...call, call: { method: "enforceRetention", replica: undefined } },
  ])("refuses the request %j", (message) => {
    expect(() => parseRequest(message)).toThrow("not a request");
  });

  test.each<unknown>([
    { type: "ready" },
    { type: "returned", id: 1, value: position },
    { type: "threw", id: 1, error: toWireError(new Error("x")) },
    event,
    { ...event, event: { db: "/app.db", type: "error", error: toWireError(new Error("x")) }, position },
    { type: "crashed", error: toWireError(new Error("x")) },
  ])("takes the reply %j", (message) => {
    expect(parseReply(message) as unknown).toEqual(message);
  });

  test.each<unknown>([
    null,
    { type: "returned" },
    { type: "threw", id: 1, error: "x" },
    { ...event, event: { type: "stopped" } },
    { ...event, position: { ...position, offset: 0.5 } },
    { ...event, event: { db: "/app.db", type: "error", error: new Error("x") } },
  ])("refuses the reply %j", (message) => {
    expect(() => parseReply(message)).toThrow("not a reply");
  });
});
