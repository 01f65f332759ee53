/** The version of this package. Its package.json is read by `require`, so that a bundler embeds it. */
export function version(): string {
  const manifest: unknown = require("../package.json");
  if (typeof manifest === "object" && manifest !== null && "version" in manifest) return String(manifest.version);
  throw new TypeError("package.json has no version");
}
