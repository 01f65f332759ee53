import { isTypeScript, type SourceFile } from "./project.ts";

const lineWidthMax = 120;
/** Quotes code and names of tests as they stand elsewhere. */
const quotations = "scripts/mutation-list.ts";

export function findLongLines(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    file.path !== quotations && (isTypeScript(file) || /(?:^|\/)run$/.test(file.path))
      ? file.text.split("\n").flatMap((line, index) => {
          const width = Array.from(line).length;
          if (width <= lineWidthMax) return [];
          return [`${file.path}:${index + 1} is ${width} columns wide, more than ${lineWidthMax}`];
        })
      : [],
  );
}

/** What is true on one machine only, and has no business in a repository. */
const local: readonly (readonly [RegExp, string])[] = [
  [/(?<![\w./-])\/(?:work|root|Users|home|tmp\/w)\/[\w.-]/, "names a path of somebody's machine"],
  [/\bregistry[.]npmjs[.]org\b/, "names a registry's host"],
  [/\bbun[-]dev\b/, "names a tool of somebody's machine"],
];

export function findLocalNames(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    file.text.split("\n").flatMap((line, index) =>
      local.flatMap(([pattern, problem]) => {
        const name = pattern.exec(line)?.[0];
        return name === undefined ? [] : [`${file.path}:${index + 1} ${problem}: ${name}`];
      }),
    ),
  );
}
