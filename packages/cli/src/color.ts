const codes = { bold: 1, red: 31, green: 32, yellow: 33, cyan: 36, gray: 90 } as const;

export type Color = keyof typeof codes;

/** Only a terminal is written to in colour, and never against https://no-color.org. */
export function hasColor(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv = process.env): boolean {
  return stream.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb";
}

export function paint(text: string, color: Color): string {
  return `\u001B[${codes[color]}m${text}\u001B[0m`;
}
