import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Log } from "../src/log/log.ts";
import { type Running, Service } from "../src/service.ts";

const fixture = join(import.meta.dirname, "fixtures", "stuck-service.ts");

describe("Service", () => {
  test("ends what was begun when something cannot start, and throws what that did", async () => {
    const calls: string[] = [];
    const running: Running = {
      start: () => Promise.reject(new Error("not a database")),
      stop: async () => {
        calls.push("stop");
        return true;
      },
      closeNow: () => void calls.push("closeNow"),
      reload: async () => undefined,
      execute: async () => undefined,
    };
    const lines: string[] = [];
    const service = new Service(running, new Log({ write: (line) => lines.push(line) }));
    await service.run().then(
      () => expect.unreachable(),
      (error: unknown) => expect(error).toMatchObject({ message: "not a database" }),
    );
    expect(calls).toEqual(["stop", "closeNow"]);
    expect(lines).toEqual([]);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("ends at once at a second %s, with everything closed and exit code %d", async (signal, exitCode) => {
    const child = Bun.spawn([process.execPath, fixture], { stdout: "pipe", stderr: "inherit" });
    let output = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      const before = output;
      output += chunk;
      for (const word of ["started\n", "stopping\n"]) {
        if (output.includes(word) && !before.includes(word)) child.kill(signal);
      }
    }
    expect(await child.exited).toBe(exitCode);
    expect(output).toContain(`${signal} received again: ending at once`);
    expect(output).toEndWith("closed\n");
  });

  test("closes everything when a promise is rejected that nobody awaits", async () => {
    const child = Bun.spawn([process.execPath, fixture, "crash"], { stdout: "pipe", stderr: "inherit" });
    const output = await child.stdout.text();
    expect(await child.exited).toBe(1);
    expect(output).toContain("internal error, ending: a lost promise");
    expect(output).toEndWith("closed\n");
  });
});
