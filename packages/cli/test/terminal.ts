import { join } from "node:path";

const main = join(import.meta.dirname, "../src/main.ts");
const pollMs = 50;

let count = 0;

/** A shell on a terminal of 80 columns and 24 rows, by tmux. Disposing ends it with all that runs in it. */
export class Terminal implements Disposable {
  readonly #folder: string;
  readonly #server = `litestream-${process.pid}-${count++}`;

  /** In it, `litestream` is the command of this checkout, and the working directory `folder`. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#tmux("new-session", "-d", "-x", "80", "-y", "24", "-c", folder, "sh");
    this.type(`PS1='% '; litestream() { ${process.execPath} ${main} "$@"; }; clear`);
  }

  /** Types a line. */
  type(line: string): void {
    this.#tmux("send-keys", "-l", line);
    this.#tmux("send-keys", "Enter");
  }

  /** Presses a key, as tmux calls it: `C-c`. */
  press(key: string): void {
    this.#tmux("send-keys", key);
  }

  /** The lines that are on the screen. */
  screen(): string[] {
    return this.#tmux("capture-pane", "-p").trimEnd().split("\n");
  }

  /** Lines that were too long and go on in the next one. */
  wrapped(): string[] {
    const joined = this.#tmux("capture-pane", "-p", "-J").trimEnd().split("\n");
    return joined.filter((line) => line.trimEnd().length > 80);
  }

  isCursorShown(): boolean {
    return this.#tmux("display-message", "-p", "#{cursor_flag}").trim() === "1";
  }

  /** Resolves with the screen once that shows `text`. */
  async showing(text: string | RegExp): Promise<string> {
    for (;;) {
      const screen = this.screen().join("\n");
      if (typeof text === "string" ? screen.includes(text) : text.test(screen)) return screen;
      await Bun.sleep(pollMs);
    }
  }

  [Symbol.dispose](): void {
    this.#tmux("kill-server");
  }

  #tmux(...args: string[]): string {
    const { stdout, stderr, exitCode } = Bun.spawnSync(["tmux", "-L", this.#server, "-f", "/dev/null", ...args], {
      env: {
        ...process.env,
        TMUX_TMPDIR: this.#folder,
        LITESTREAM_CONFIG: "/nonexistent/litestream.yml",
        TERM: "xterm-256color",
        NO_COLOR: "",
      },
    });
    if (exitCode !== 0) throw new Error(`tmux ${args[0] ?? ""}: ${stderr.toString()}`);
    return stdout.toString();
  }
}
