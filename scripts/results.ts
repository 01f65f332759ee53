/** What a check, or the tests of one package, came to. A failure or a skip is a line for the reader. */
export interface Results {
  readonly passed: number;
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

export function addResults(all: readonly Results[]): Results {
  return {
    passed: all.reduce((sum, results) => sum + results.passed, 0),
    failed: all.flatMap((results) => results.failed),
    skipped: all.flatMap((results) => results.skipped),
  };
}

/** Skips and failures by name, then the one line that tools look for: `N passed, N failed, N skipped`. */
export function formatSummary(results: Results): string {
  const lines: string[] = [];
  if (results.skipped.length > 0) lines.push("Skipped:", ...results.skipped.map((line) => `  ${line}`), "");
  if (results.failed.length > 0) lines.push("Failed:", ...results.failed.map((line) => `  ${line}`), "");
  lines.push(`${results.passed} passed, ${results.failed.length} failed, ${results.skipped.length} skipped`);
  return lines.join("\n");
}
