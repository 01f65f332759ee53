/**
 * OpenMetrics 1.0 text (https://prometheus.io/docs/specs/om/open_metrics_spec/), written here because prom-client's own
 * renames each counter to `…_total`. Prometheus asks for OpenMetrics where it can, and Litestream's counters are called
 * `litestream_sync_count` and the like: every dashboard would lose them. A counter of such a name is given the type
 * `unknown` instead, which may have any name.
 */
import type { Registry } from "prom-client";

export const openMetricsContentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Metric = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>[number];
type Sample = Metric["values"][number] & { readonly metricName?: string };

export async function openMetricsText(registry: Registry): Promise<string> {
  const lines: string[] = [];
  for (const metric of await registry.getMetricsAsJSON()) {
    const { family, type } = familyOf(metric);
    lines.push(`# TYPE ${family} ${type}`, `# HELP ${family} ${escape(metric.help)}`);
    for (const sample of metric.values as readonly Sample[]) {
      const labels = Object.entries(sample.labels).map(([name, value]) => `${name}="${escape(String(value))}"`);
      const braces = labels.length === 0 ? "" : `{${labels.join(",")}}`;
      lines.push(`${sample.metricName ?? metric.name}${braces} ${formatValue(sample.value)}`);
    }
  }
  return `${lines.join("\n")}${lines.length === 0 ? "" : "\n"}# EOF\n`;
}

function familyOf({ name, type }: Metric): { readonly family: string; readonly type: string } {
  // The declared type is an enumeration of numbers, and the value a word.
  const word = String(type);
  if (word !== "counter") return { family: name, type: word };
  const suffix = "_total";
  return name.endsWith(suffix)
    ? { family: name.slice(0, -suffix.length), type: "counter" }
    : { family: name, type: "unknown" };
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function formatValue(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? "+Inf" : "-Inf";
}
