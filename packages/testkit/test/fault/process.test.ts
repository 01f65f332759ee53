import { expect, test } from "bun:test";
import { processState } from "../../src/fault/process-state.ts";
import { runProcess, spawnProcess } from "../../src/index.ts";
import { failureOf } from "../failure.ts";

/** A Bun process that runs this program. */
function bun(program: string): string[] {
  return [process.execPath, "-e", program];
}

/** Writes one line, `line N`, after the other until it is ended. */
const endless = "let n = 0; setInterval(() => console.log(`line ${++n}`), 1)";

test("runProcess tells how a process ended and all it wrote", async () => {
  const program = "console.log('a'); console.error('b'); process.stdout.write('no end'); process.exitCode = 3";
  expect(await runProcess({ command: bun(program) })).toEqual({
    exitCode: 3,
    signal: null,
    events: ["a", "no end"],
    stdout: "a\nno end",
    stderr: "b\n",
  });
});

test("runProcess kills at the Nth event of those it is to look at", async () => {
  const exit = await runProcess({
    command: bun(endless.replace("log", "error")),
    stream: "stderr",
    isEvent: (line) => line.endsWith("5"),
    killAtEvent: 2,
  });
  expect(exit).toMatchObject({ exitCode: null, signal: "SIGKILL", stdout: "" });
  expect(exit.events.slice(0, 2)).toEqual(["line 5", "line 15"]);
  expect(exit.stderr).toStartWith("line 1\nline 2\n");
});

test("runProcess sends another signal, which the process may answer", async () => {
  const program = `${endless}; process.on("SIGTERM", () => { console.log("bye"); process.exit(7); })`;
  const exit = await runProcess({ command: bun(program), killAtEvent: 1, signal: "SIGTERM" });
  expect(exit).toMatchObject({ exitCode: 7, signal: null });
  expect(exit.events.at(-1)).toBe("bye");
});

test("runProcess adds to the environment, and takes from it", async () => {
  process.env["TESTKIT_TAKEN"] = "there";
  try {
    const program = "console.log(process.env.TESTKIT_ADDED, process.env.TESTKIT_TAKEN)";
    const env = { TESTKIT_ADDED: "added", TESTKIT_TAKEN: undefined };
    expect((await runProcess({ command: bun(program), env })).events).toEqual(["added undefined"]);
  } finally {
    delete process.env["TESTKIT_TAKEN"];
  }
});

test("runProcess keeps a character whole that comes in two pieces", async () => {
  const program = `process.stdout.write(Buffer.from([0xc3])); process.stdout.write(Buffer.from([0xa4, 10]))`;
  expect((await runProcess({ command: bun(program) })).events).toEqual(["ä"]);
});

test("ObservedProcess.stop halts every thread until resume", async () => {
  await using child = spawnProcess({ command: bun(endless) });
  expect(await child.waitForEvent()).toBe("line 1");
  await child.stop();
  expect(processState(child.pid)).toBe("stopped");
  child.resume();
  const next = child.events.length + 1;
  expect(await child.waitForEvent(next)).toBe(`line ${next}`);
});

test("ObservedProcess.kill lets a halted process take the signal", async () => {
  await using child = spawnProcess({ command: bun(`${endless}; process.on("SIGTERM", () => process.exit(7))`) });
  await child.waitForEvent();
  await child.stop();
  expect(await child.kill("SIGTERM")).toMatchObject({ exitCode: 7 });
});

test("ObservedProcess's disposal ends a halted process", async () => {
  const child = spawnProcess({ command: bun(endless) });
  await child.waitForEvent();
  await child.stop();
  await child[Symbol.asyncDispose]();
  expect(await child.exited).toMatchObject({ signal: "SIGKILL" });
  expect(processState(child.pid)).toBe("gone");
});

test("ObservedProcess.waitForEvent resolves for what is past, and rejects when the end comes first", async () => {
  await using child = spawnProcess({ command: bun("console.log('only'); throw new Error('broken')") });
  const failure = await failureOf(child.waitForEvent(2));
  expect(failure).toContain("ended after 1 events, before event 2: it exited with 1");
  expect(failure).toContain("broken");
  expect(await child.waitForEvent(1)).toBe("only");
  expect(await failureOf(child.stop())).toContain("ended before it was halted");
});

test("counts of events begin with 1", async () => {
  await using child = spawnProcess({ command: bun("") });
  expect(await failureOf(child.waitForEvent(0))).toContain("counted from 1");
  expect(await failureOf(runProcess({ command: bun(""), killAtEvent: 0 }))).toContain("counted from 1");
});
