import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { toJsonSchema } from "@valibot/to-json-schema";
import { configSchema } from "../../src/config/schema.ts";

/** What editors complete and check a configuration file by; `bun run schema` writes it after a change of the schema. */
export const schemaPath: string = join(import.meta.dirname, "../../litestream.schema.json");

export function schemaText(): string {
  const schema = toJsonSchema(configSchema, { typeMode: "input", errorMode: "ignore" });
  const { $schema, ...rest } = schema;
  const document = {
    $schema,
    title: "Configuration of litestream",
    description: "Values may hold $NAME or ${NAME}, which are replaced from the environment.",
    ...rest,
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

if (import.meta.main) writeFileSync(schemaPath, schemaText());
