import type { Registry } from "prom-client";

/** The registry's samples by name and labels as they are served, such as `litestream_db_size{db="/data/app.db"}`. */
export async function samplesOf(registry: Registry): Promise<Map<string, number>> {
  return parseSamples(await registry.metrics());
}

export function parseSamples(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^([^#\s]\S*(?:\{.*\})?) (\S+)$/.exec(line);
    if (match?.[1] !== undefined) samples.set(match[1], Number(match[2]));
  }
  return samples;
}
