/** What became of one test. `name` has the names of its describe blocks before it. */
export interface TestOutcome {
  readonly name: string;
  readonly file: string;
  readonly status: "passed" | "failed" | "skipped";
}

/**
 * The outcomes in a report of `bun test --reporter=junit`. Bun escapes `<`, `>` and quotes in attributes and in text,
 * so the tags can be told by their brackets alone.
 */
export function parseJunit(xml: string): TestOutcome[] {
  const outcomes: TestOutcome[] = [];
  const cases = /<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;
  for (const [, attributes = "", body = ""] of xml.matchAll(cases)) {
    const group = attribute(attributes, "classname");
    const name = attribute(attributes, "name");
    outcomes.push({
      name: group === "" ? name : `${group} > ${name}`,
      file: attribute(attributes, "file"),
      status: /<(failure|error)\b/.test(body) ? "failed" : /<skipped\b/.test(body) ? "skipped" : "passed",
    });
  }
  return outcomes;
}

function attribute(attributes: string, name: string): string {
  const value = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1] ?? "";
  return value.replace(/&(lt|gt|quot|apos|amp|#\d+);/g, (_, entity: string) => {
    if (entity.startsWith("#")) return String.fromCodePoint(Number(entity.slice(1)));
    return { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" }[entity] ?? "";
  });
}
