import { describe, expect, test } from "bun:test";
import { fitRows, formatTable } from "../src/table.ts";

describe("fitRows", () => {
  const header = ["path", "status"];

  test("cuts the widest cells at their beginning, and only those that are too long", () => {
    const rows = [
      ["/a.db", "ok"],
      ["/data/a-long-name-that-goes-on.db", "waiting"],
    ];
    const fitting = fitRows(header, rows, 30);
    expect(fitting[0]).toEqual(["/a.db", "ok"]);
    expect(fitting[1]?.[0]).toMatch(/^….*goes-on\.db$/);
    expect(
      Math.max(
        ...formatTable(header, fitting)
          .split("\n")
          .map((line) => line.length),
      ),
    ).toBeLessThanOrEqual(30);
  });

  test("leaves alone what fits", () => {
    const rows = [["/a.db", "ok"]];
    expect(fitRows(header, rows, 80)).toEqual(rows);
  });
});
