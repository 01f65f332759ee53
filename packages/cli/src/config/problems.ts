import { LitestreamError } from "@litestream/core";
import { withoutSecrets } from "../secrets.ts";

/** What is wrong with a configuration file, in its order; each line says where: `FILE:LINE:COLUMN: what`. */
export class ConfigError extends LitestreamError {
  readonly lines: readonly string[];

  constructor(path: string, lines: readonly string[]) {
    super("CONFIG_INVALID", lines.join("\n"), { path });
    this.lines = lines;
  }
}

interface Finding {
  readonly offset: number;
  readonly message: string;
}

/** Collects what is found in one file, so that all of it can be said at once. */
export class Findings {
  readonly #found: Finding[] = [];

  add(offset: number, message: string): void {
    if (this.#found.some((other) => other.offset === offset && other.message === message)) return;
    this.#found.push({ offset, message });
  }

  get isEmpty(): boolean {
    return this.#found.length === 0;
  }

  lines(locate: (offset: number) => string): string[] {
    return this.#found
      .toSorted((a, b) => a.offset - b.offset)
      .map(({ offset, message }) => withoutSecrets(`${locate(offset)}: ${message}`));
  }
}
