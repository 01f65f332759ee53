import * as v from "valibot";
import { UsageError } from "../usage-error.ts";

const schema = v.object({
  path: v.optional(v.string()),
  replica: v.optional(v.string()),
  replica_url: v.optional(v.string()),
  wait: v.optional(v.boolean()),
  timeout: v.optional(v.pipe(v.number(), v.minValue(0.001), v.maxValue(86_400))),
});

/** What any request may say; each route takes of it what it knows. */
export type ControlBody = v.InferOutput<typeof schema>;

/** @throws UsageError */
export async function bodyOf(request: Request): Promise<ControlBody> {
  if (request.method !== "POST") return {};
  let json: unknown;
  try {
    json = await request.json();
  } catch {
    throw new UsageError("the request is no JSON");
  }
  const result = v.safeParse(schema, json);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new UsageError(`the request cannot be used: ${v.getDotPath(issue) ?? "it"}: ${issue.message}`);
}
