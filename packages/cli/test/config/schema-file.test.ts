import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { schemaPath, schemaText } from "./schema-file.ts";

describe("litestream.schema.json", () => {
  test("is what the schema says now; bun run schema in packages/cli writes it", () => {
    const written: unknown = JSON.parse(readFileSync(schemaPath, "utf8"));
    expect(written).toEqual(JSON.parse(schemaText()));
  });

  test("describes every key on all levels, and lets none in that is not there", () => {
    const undescribed: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== "object" || node === null) return;
      if ("properties" in node && typeof node.properties === "object" && node.properties !== null) {
        expect(node).toMatchObject({ additionalProperties: false });
        for (const [key, value] of Object.entries(node.properties as Record<string, object>)) {
          if (!("description" in value)) undescribed.push(`${path}/${key}`);
        }
      }
      for (const [key, value] of Object.entries(node)) visit(value, `${path}/${key}`);
    };
    visit(JSON.parse(schemaText()), "");
    expect(undescribed).toEqual([]);
  });
});
