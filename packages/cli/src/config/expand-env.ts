/** The outcome of `expandEnv`: the text, and the names it met that are not set. */
export interface ExpandedText {
  readonly text: string;
  readonly unset: readonly string[];
}

/**
 * Replaces `$NAME` and `${NAME}` as Go's `os.ExpandEnv` does: a variable that is not set becomes nothing, a `$` that no
 * name follows stays.
 */
export function expandEnv(text: string, env: Readonly<Record<string, string | undefined>>): ExpandedText {
  const unset: string[] = [];
  const expanded = text.replaceAll(
    /\$(?:\{([^}]+)\}|([A-Za-z_][A-Za-z0-9_]*))/g,
    (_, braced?: string, bare?: string) => {
      const name = braced ?? bare ?? "";
      const value = env[name];
      if (value === undefined) unset.push(name);
      return value ?? "";
    },
  );
  return { text: expanded, unset };
}
