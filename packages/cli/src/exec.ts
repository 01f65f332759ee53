import { constants } from "node:os";
import { parse } from "shell-quote";
import { describeError } from "./report.ts";
import { UsageError } from "./usage-error.ts";

/** The words of a command line, as a shell splits it; it is run without one. @throws UsageError */
export function splitCommand(command: string): readonly [string, ...string[]] {
  const words = parse(command, (name: string) => `\${${name}}`).map((word) => {
    if (typeof word === "string") return word;
    if ("comment" in word) return `#${word.comment}`;
    if (word.op === "glob") return word.pattern;
    throw new UsageError(
      `-exec runs a program and no shell, which "${word.op}" is for`,
      `Write -exec "sh -c '…'" for a line of shell.`,
    );
  });
  const [program, ...args] = words;
  if (program === undefined || program === "") throw new UsageError("-exec names no program", "Write -exec PROGRAM.");
  return [program, ...args];
}

/** The application, run beside replication: it gets the signals that are meant for it, and its end ends us. */
export class ExecutedApp {
  readonly name: string;
  readonly #child: Bun.Subprocess;

  /** @throws UsageError when it cannot be started */
  constructor(command: string) {
    const words = splitCommand(command);
    this.name = words[0];
    try {
      this.#child = Bun.spawn([...words], { stdio: ["inherit", "inherit", "inherit"] });
    } catch (error) {
      throw new UsageError(`cannot start ${this.name}: ${describeError(error)}`, "Check the command of -exec.");
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Its exit code, or 128 and the number of the signal that ended it, as shells count. */
  get ended(): Promise<number> {
    return this.#child.exited.then((exitCode) => {
      const { signalCode } = this.#child;
      // Bun's types allow for a number here, which it never is on this side of Windows.
      return typeof signalCode === "string" ? 128 + constants.signals[signalCode] : exitCode;
    });
  }

  /**
   * Passes a signal on. On a terminal, Ctrl-C and Ctrl-\ reach every process of the foreground by themselves, and a
   * second one makes many programs end without tidying up.
   */
  forward(signal: NodeJS.Signals): void {
    const isFromTerminal = (signal === "SIGINT" || signal === "SIGQUIT") && process.stdin.isTTY;
    if (!isFromTerminal) this.#child.kill(signal);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
