import { expect, test } from "bun:test";
import { Interrupt, signalExitCode } from "../src/interrupt.ts";

test("Interrupt aborts at the first signal, and leaves no listener behind", () => {
  const listeners = process.listenerCount("SIGTERM");
  {
    using interrupt = new Interrupt();
    expect(interrupt.signal.aborted).toBe(false);
    process.emit("SIGTERM", "SIGTERM");
    expect(interrupt.signal.aborted).toBe(true);
    expect(interrupt.received).toBe("SIGTERM");
  }
  expect(process.listenerCount("SIGTERM")).toBe(listeners);
});

test("signalExitCode counts as shells do", () => {
  expect(signalExitCode("SIGINT")).toBe(130);
  expect(signalExitCode("SIGTERM")).toBe(143);
});
