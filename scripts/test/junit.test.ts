import { expect, test } from "bun:test";
import { parseJunit } from "../junit.ts";

const report = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="4" failures="1" skipped="1">
  <testsuite name="a.test.ts" file="test/a.test.ts" tests="4">
    <testcase name="needs Go (skipped: no Go)" classname="" time="0" file="test/a.test.ts" line="3">
      <skipped />
    </testcase>
    <testcase name="agrees" classname="" time="0.00004" file="test/a.test.ts" line="2" assertions="1" />
    <testsuite name="WAL" file="test/a.test.ts" line="4" tests="2">
      <testcase name="reads &lt;frames&gt; &amp; &quot;salts&quot;" classname="WAL" file="test/a.test.ts" line="4">
        <failure type="AssertionError" message="expected &lt;skipped />">at a.test.ts:4&#10;</failure>
      </testcase>
    </testsuite>
  </testsuite>
</testsuites>`;

test("parseJunit reads every test with its group, file and status", () => {
  expect(parseJunit(report)).toEqual([
    { name: "needs Go (skipped: no Go)", file: "test/a.test.ts", status: "skipped" },
    { name: "agrees", file: "test/a.test.ts", status: "passed" },
    { name: 'WAL > reads <frames> & "salts"', file: "test/a.test.ts", status: "failed" },
  ]);
});

test("parseJunit finds no test in an empty report", () => {
  expect(parseJunit("")).toEqual([]);
});
