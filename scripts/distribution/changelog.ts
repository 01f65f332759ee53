/** CHANGELOG.md at the root, one for all packages, which always have the same version. */

export type Bump = "major" | "minor" | "patch";

const bumps: readonly Bump[] = ["major", "minor", "patch"];
const headings: Readonly<Record<Bump, string>> = { major: "Breaking", minor: "New", patch: "Mended" };

/** A file of .changeset: which packages it changes, and what a user reads about it. */
export interface Changeset {
  /** The largest of its packages'. */
  readonly bump: Bump;
  readonly text: string;
}

/** @throws Error unless it begins as a changeset does, and says something */
export function parseChangeset(path: string, content: string): Changeset {
  const [, header, text = ""] = /^---\n(.*?)\n---\n(.*)$/s.exec(content) ?? [];
  const named = [...(header ?? "").matchAll(/^"[^"]+": (\w+)$/gm)].map(([, bump]) => bump);
  const bump = bumps.find((known) => named.includes(known));
  if (bump === undefined || text.trim() === "") {
    throw new Error(`${path}: a changeset names packages with major, minor or patch, and then says what changed`);
  }
  return { bump, text: text.trim() };
}

/** The changelog with a section for a new version above all others. */
export function addVersion(changelog: string, version: string, date: string, changesets: readonly Changeset[]): string {
  const sections = bumps.flatMap((bump) => {
    const texts = changesets.filter((changeset) => changeset.bump === bump).map(({ text }) => item(text));
    return texts.length === 0 ? [] : [`### ${headings[bump]}\n\n${texts.join("\n")}`];
  });
  const section = `## ${version} (${date})\n\n${sections.join("\n\n")}\n`;
  const first = changelog.search(/^## /m);
  return first === -1
    ? `${changelog.trimEnd()}\n\n${section}`
    : `${changelog.slice(0, first)}${section}\n${changelog.slice(first)}`;
}

function item(text: string): string {
  return `- ${text.replaceAll("\n", "\n  ")}`;
}
