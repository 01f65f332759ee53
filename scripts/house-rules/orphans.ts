import { posix } from "node:path";
import {
  isTypeScript,
  namesIn,
  packageFolderOf,
  relativeReferencesOf,
  resolveReference,
  type SourceFile,
} from "./project.ts";

/** Where each package begins. Whatever is not reached from here is not part of the product. */
const entries = [
  "packages/core/src/index.ts",
  "packages/metrics/src/index.ts",
  "packages/testkit/src/index.ts",
  "packages/testkit/src/command/main.ts",
  "packages/testkit/src/skip.ts",
  "packages/testkit/src/store-contract.ts",
  "packages/core/test/fuzz/main.ts",
  "packages/cli/src/main.ts",
  "packages/core/test/fuzz/main.ts",
  "e2e/src/churn/main.ts",
  "e2e/src/demo.ts",
  "e2e/src/metrics/screenshots.ts",
  "scripts/contrib/main.ts",
  "scripts/distribution/archive.ts",
  "scripts/distribution/build-command.ts",
  "scripts/distribution/container-tree.ts",
  "scripts/distribution/executable.ts",
  "scripts/distribution/measure.ts",
  "scripts/distribution/pack.ts",
  "scripts/distribution/release.ts",
  "scripts/distribution/try.ts",
  "scripts/test.ts",
  "scripts/unit-tests.ts",
  "scripts/walk.ts",
];

/** TypeScript files that nothing leads to: no entry point, and for what is not in a package's src, no test either. */
export function findOrphans(files: readonly SourceFile[]): string[] {
  const sources = files.filter(isTypeScript);
  const fromEntries = reach(
    sources,
    (path) => entries.includes(path) || /^(?:bench\/src\/[^/]+|examples\/.*)\.ts$/.test(path),
  );
  const fromTests = reach(sources, (path) => path.endsWith(".test.ts"));
  return sources.flatMap(({ path }) => {
    if (fromEntries.has(path)) return [];
    if (/^packages\/[^/]+\/src\//.test(path)) {
      return [`${path}:1 is reached from no entry point${fromTests.has(path) ? ", only from tests" : ""}`];
    }
    return fromTests.has(path) ? [] : [`${path}:1 is reached from no entry point and no test`];
  });
}

function reach(files: readonly SourceFile[], isStart: (path: string) => boolean): Set<string> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const pending = files.filter((file) => isStart(file.path));
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (reached.has(file.path)) continue;
    reached.add(file.path);
    for (const { specifier } of relativeReferencesOf(file)) {
      const target = byPath.get(resolveReference(file, specifier));
      if (target !== undefined) pending.push(target);
    }
    const home = packageFolderOf(file.path);
    const names = namesIn(file);
    for (const other of files) {
      if (names.has(posix.basename(other.path)) && packageFolderOf(other.path) === home) pending.push(other);
    }
  }
  return reached;
}
