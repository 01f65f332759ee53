import { expect, test } from "bun:test";
import type { LitestreamEventBody } from "../../src/events.ts";
import { ProgressMeter } from "../../src/replica/progress-meter.ts";

test("ProgressMeter tells a few times a second, and of no more than the whole", () => {
  const events: LitestreamEventBody[] = [];
  const meter = new ProgressMeter((event) => events.push(event), "file", "snapshot");
  const startedAtMs = performance.now();
  let updates = 0;
  while (events.length < 3) {
    updates++;
    meter.update(1000 + updates, 1000);
  }
  const seconds = (performance.now() - startedAtMs) / 1000;
  expect(events.length).toBeLessThanOrEqual(1 + seconds * 10);
  expect(updates).toBeGreaterThan(events.length);
  const [first] = events;
  expect(first).toMatchObject({ type: "progress", replica: "file", operation: "snapshot" });
  if (first?.type === "progress") expect(first.totalBytes).toBe(first.doneBytes);
});
