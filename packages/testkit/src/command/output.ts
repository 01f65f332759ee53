import { writeSync } from "node:fs";

const stdoutFd = 1;
const stderrFd = 2;
/** How long a full pipe that nobody reads may hold this up before the rest of the text is dropped. */
const blockedMsMax = 1000;

export function printOut(text: string): void {
  write(stdoutFd, `${text}\n`);
}

export function printError(text: string): void {
  write(stderrFd, `${text}\n`);
}

export function printJson(value: unknown): void {
  printOut(JSON.stringify(value, null, 2));
}

/** A message on one line, whatever control characters are in it. */
export function oneLine(text: string): string {
  return text.replaceAll(/\p{Cc}+/gu, " ").trim();
}

/** Written before this returns, so that nothing said is lost at exit. A reader that went away is no error. */
function write(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  let offset = 0;
  for (let blockedMs = 0; offset < bytes.length && blockedMs < blockedMsMax;) {
    try {
      offset += writeSync(fd, bytes, offset);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) return;
      Bun.sleepSync(1);
      blockedMs++;
    }
  }
}
