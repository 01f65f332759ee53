/** One metric of what a `/metrics` serves, as text: https://prometheus.io/docs/instrumenting/exposition_formats/. */
export interface Family {
  readonly type: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** By name; of a histogram only the type. */
export function parseExposition(text: string): Map<string, Family> {
  const families = new Map<string, { type: string; samples: Sample[] }>();
  for (const line of text.split("\n")) {
    const [, typed, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (typed !== undefined && type !== undefined) families.set(typed, { type, samples: [] });
    const [, name, labels, value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    families.get(name)?.samples.push({ labels: parseLabels(labels ?? ""), value: Number(value) });
  }
  return families;
}

function parseLabels(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name = "", value = ""]) => [name, value]),
  );
}

/** The value of the sample that has these labels, whatever others it has; undefined where there is none. */
export function valueOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const wanted = Object.entries(labels);
  return families.get(name)?.samples.find((sample) => wanted.every(([key, value]) => sample.labels[key] === value))
    ?.value;
}

export async function scrape(url: string): Promise<Map<string, Family>> {
  const response = await fetch(`${url}/metrics`);
  if (!response.ok) throw new Error(`${url}/metrics answered ${response.status}`);
  return parseExposition(await response.text());
}
