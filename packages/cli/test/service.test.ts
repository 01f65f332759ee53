import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Log } from "../src/log.ts";
import { type Engine, Service } from "../src/service.ts";

const fixture = join(import.meta.dirname, "fixtures", "stuck-service.ts");

class FakeEngine implements Engine {
  readonly calls: string[] = [];
  readonly #start: () => Promise<void>;

  constructor(start: () => Promise<void>) {
    this.#start = start;
  }
  start(): Promise<void> {
    this.calls.push("start");
    return this.#start();
  }
  async stop(): Promise<undefined> {
    this.calls.push("stop");
  }
  closeNow(): void {
    this.calls.push("closeNow");
  }
}

describe("Service", () => {
  test("ends all engines when one cannot start, and throws what that one did", async () => {
    const waiting = new FakeEngine(() => new Promise(() => {}));
    const failing = new FakeEngine(() => Promise.reject(new Error("not a database")));
    const managed = [waiting, failing].map((engine, index) => ({ path: `/data/${index}.db`, engine }));
    const lines: string[] = [];
    const service = new Service(managed, new Log({ write: (line) => lines.push(line) }));
    await service.run().then(
      () => expect.unreachable(),
      (error: unknown) => expect(error).toMatchObject({ message: "not a database" }),
    );
    expect(waiting.calls).toEqual(["start", "stop", "closeNow"]);
    expect(failing.calls).toEqual(["start", "stop", "closeNow"]);
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
