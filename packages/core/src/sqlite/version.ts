/** What is wrong with a release of SQLite, as far as a replicator is concerned; undefined where nothing is known. */
export function knownSqliteProblem(version: string): { message: string; hint: string } | undefined {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  const release = major * 1_000_000 + minor * 1_000 + patch;
  // The WAL-reset bug: a checkpoint that runs while another connection restarts the WAL (https://sqlite.org/wal.html).
  if (release < 3_007_000 || release > 3_051_002) return undefined;
  return {
    message: `SQLite ${version} can, rarely, damage a database when a checkpoint meets a WAL restart`,
    hint: "Use a Bun whose SQLite is 3.51.3 or later, in the application too.",
  };
}
