import { test } from "bun:test";

/** Registers a test that works with the tool; `timeoutMs` as in `test`. */
export type ToolTest<T> = (name: string, body: (tool: T) => void | Promise<void>, timeoutMs?: number) => void;

/**
 * A `test` for what needs a tool that this machine may lack. Without the tool the test is skipped, and `npm test` lists
 * it with the reason; where LITESTREAM_REQUIRE_TOOLS is set it fails instead, since there the tool can be installed.
 *
 *     const testWithGo = skipUnless(Bun.which("go") ?? undefined, "Go is not installed");
 *     testWithGo("builds", async (go) => { ... });
 */
export function skipUnless<T>(tool: T | undefined, reason: string): ToolTest<T> {
  return (name, body, timeoutMs) => {
    if (tool !== undefined) {
      test(name, () => body(tool), timeoutMs);
    } else if (toolsAreRequired()) {
      test(name, () => {
        throw new Error(`${reason}, and LITESTREAM_REQUIRE_TOOLS is set: install it, or unset that`);
      });
    } else {
      test.skip(skippedName(name, reason), () => {});
    }
  };
}

/**
 * A `test` that cannot be had under this condition, whatever is installed: as root, or on another system. It is
 * skipped, and listed with the reason, wherever the condition holds.
 *
 *     const testAsUser = skipWhen(process.getuid?.() === 0, "root may write anywhere");
 */
export function skipWhen(condition: boolean, reason: string): ToolTest<void> {
  return (name, body, timeoutMs) => {
    if (condition) test.skip(skippedName(name, reason), () => {});
    else test(name, () => body(), timeoutMs);
  };
}

/** The form in which `npm test` finds the reason again. */
function skippedName(name: string, reason: string): string {
  return `${name} (skipped: ${reason})`;
}

function toolsAreRequired(): boolean {
  const value = process.env["LITESTREAM_REQUIRE_TOOLS"] ?? "";
  return value !== "" && value !== "0";
}
