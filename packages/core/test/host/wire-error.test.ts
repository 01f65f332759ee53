import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { LitestreamError } from "../../src/errors.ts";
import { fromWireError, isWireError, toWireError } from "../../src/host/wire-error.ts";

/** There and back, by the way that messages take between processes. */
function sent(error: unknown): Error {
  const wire: unknown = structuredClone(toWireError(error));
  if (!isWireError(wire)) throw new Error("an error that was sent is one when it arrives");
  return fromWireError(wire);
}

describe("an error that is sent", () => {
  test("keeps class, code and data, and so do its causes", () => {
    let system: unknown;
    try {
      readFileSync("/nonexistent/file");
    } catch (error) {
      system = error;
    }
    const details = { path: "/app.db", position: "0123456789abcdef/00000000:00000020", offset: 32, hint: "Look." };
    const error = new LitestreamError("DATABASE_MISSING", "no database", { ...details, cause: system });
    const arrived = sent(error);
    expect(arrived).toBeInstanceOf(LitestreamError);
    expect(arrived).toMatchObject({ name: "LitestreamError", code: "DATABASE_MISSING", message: "no database" });
    expect(arrived).toMatchObject(details);
    expect(arrived.stack).toBe(error.stack ?? "");
    expect(arrived.cause).toBeInstanceOf(Error);
    expect(arrived.cause).toMatchObject({ code: "ENOENT", syscall: "open", path: "/nonexistent/file" });
  });

  test("has no data that it did not have", () => {
    const arrived = sent(new LitestreamError("ABORTED", "it was interrupted"));
    expect(arrived).toMatchObject({ path: undefined, position: undefined, offset: undefined, hint: undefined });
    expect(arrived.cause).toBeUndefined();
  });

  test("of a built-in class stays one, and of an unknown one keeps its name", () => {
    expect(sent(new TypeError("x"))).toBeInstanceOf(TypeError);
    expect(sent(new DOMException("too late", "TimeoutError"))).toMatchObject({
      name: "TimeoutError",
      message: "too late",
    });
    expect(sent("only words").message).toBe("only words");
    expect(sent(undefined)).toBeInstanceOf(Error);
  });

  test("whose causes are a circle ends somewhere", () => {
    const error = new Error("a");
    error.cause = error;
    expect(sent(error).message).toBe("a");
  });

  test("is refused when it is none", () => {
    const wire = toWireError(new Error("x"));
    for (const broken of [
      undefined,
      "text",
      { ...wire, name: 1 },
      { ...wire, data: { nested: {} } },
      { ...wire, cause: "text" },
    ]) {
      expect(isWireError(broken)).toBe(false);
    }
  });
});
