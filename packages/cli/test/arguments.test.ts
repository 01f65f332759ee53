import { describe, expect, test } from "bun:test";
import { parseArgs } from "citty";
import { normalizeArguments } from "../src/arguments.ts";
import { configFlags } from "../src/flags.ts";
import { UsageError } from "../src/usage-error.ts";

const flags = { ...configFlags, o: { type: "string", valueHint: "PATH" }, v: { type: "boolean" } } as const;

function normalize(...args: string[]): readonly string[] {
  return normalizeArguments("restore", args, flags).rawArgs;
}

function failure(...args: string[]): string {
  try {
    normalize(...args);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("normalizeArguments", () => {
  test.each([[["-config", "x"]], [["--config", "x"]], [["-config=x"]], [["--config=x"]]])("reads %j alike", (args) => {
    expect(normalize(...args, "db")).toEqual(["--config=x", "--", "db"]);
  });

  test("takes flags before, between and after other arguments, until --", () => {
    expect(normalize("a", "-v", "b", "-o", "c", "--", "-v")).toEqual(["--v", "--o=c", "--", "a", "b", "-v"]);
  });

  test("keeps a lone dash and an empty argument as they are", () => {
    expect(normalize("-", "")).toEqual(["--", "-", ""]);
  });

  test("takes a value with = and newlines in it whole", () => {
    expect(normalize("-o=a=b\nc")).toEqual(["--o=a=b\nc", "--"]);
  });

  test("reads what Go reads as true and false", () => {
    expect(normalize("-v=T")).toEqual(["--v", "--"]);
    expect(normalize("-v=false")).toEqual(["--"]);
    expect(failure("-v=maybe")).toContain("either on or off");
  });

  test("notices -h, -help and --help wherever a flag may stand", () => {
    for (const flag of ["-h", "-help", "--help"])
      expect(normalizeArguments("restore", ["x", flag], flags).help).toBe(true);
    expect(normalizeArguments("restore", ["--", "-h"], flags).help).toBe(false);
  });

  test("suggests the flag that is nearest to an unknown one", () => {
    expect(failure("-confg", "x")).toBe('litestream restore: unknown flag -confg; did you mean "-config"?');
    expect(failure("--no-expand-emv")).toBe(
      'litestream restore: unknown flag -no-expand-emv; did you mean "-no-expand-env"?',
    );
    expect(failure("-zzzzz")).toContain('run "litestream restore -help"');
  });

  test.each([[["-o"]], [["-o="]], [["-o", ""]], [["-o", "-v"]]])("refuses %j: the value is missing", (args) => {
    expect(failure(...args)).toBe("litestream restore: the flag -o needs a value: -o PATH");
  });

  test("comes out of citty as it was meant", () => {
    const args = parseArgs<typeof flags>([...normalize("-no-expand-env", "-o=--x", "-v", "db")], flags);
    expect(args["expand-env"]).toBe(false);
    expect(args.o).toBe("--x");
  });

  test("leaves citty's defaults alone when nothing is given", () => {
    const args = parseArgs<typeof flags>([...normalize("-o=-x", "db", "-v=0")], flags);
    expect(args["expand-env"]).toBe(true);
    expect(args.o).toBe("-x");
    expect(args.v).not.toBe(true);
    expect(args.config).toBeUndefined();
    expect(args._).toEqual(["db"]);
  });
});
