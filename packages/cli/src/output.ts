import { writeSync } from "node:fs";
import { withoutSecrets } from "./secrets.ts";

const stdoutFd = 1;
const stderrFd = 2;

/** How long a full pipe whose reader does not read may hold us up before the rest of the text is dropped. */
const blockedMsMax = 1000;

export function printOut(text: string): void {
  write(stdoutFd, `${withoutSecrets(text)}\n`);
}

export function printError(text: string): void {
  write(stderrFd, `${withoutSecrets(text)}\n`);
}

/** Control characters in a path or a message must neither break a line nor reach the terminal. */
export function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ").trim();
}

/** Writes synchronously, so that nothing said is lost at exit. A reader that went away is no error of ours. */
function write(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  let offset = 0;
  let blockedMs = 0;
  while (offset < bytes.length && blockedMs < blockedMsMax) {
    try {
      offset += writeSync(fd, bytes, offset);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) return;
      Bun.sleepSync(1);
      blockedMs++;
    }
  }
}
