import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Calls that name a file, or a descriptor of one. */
const traced =
  "openat,close,read,pread64,readv,preadv,write,pwrite64,writev,pwritev," +
  "fsync,fdatasync,sync_file_range,ftruncate,fallocate,lseek,fcntl,copy_file_range," +
  "stat,lstat,fstat,newfstatat,statx,access,faccessat,faccessat2,getdents64," +
  "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat";

/** How often each call was made on which file, as in `pread64 app.db-shm`. */
export type Syscalls = Readonly<Record<string, number>>;

/**
 * The engine in a process of its own, under strace, which names the file of each descriptor. What it does with the
 * files of `folder` is counted, whoever in the process does it: our code, SQLite, or Bun.
 */
export class TracedReplicator implements AsyncDisposable {
  readonly #folder: string;
  readonly #tracePath: string;
  readonly #child: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #answers: AsyncIterator<Uint8Array>;
  readonly #stderr: Promise<string>;
  #marks = 0;

  /** @param folder with `app.db`; its real path */
  constructor(strace: string, folder: string, minCheckpointPageCount: number) {
    this.#folder = folder;
    this.#tracePath = `${folder}.trace`;
    const script = join(import.meta.dirname, "replicating-process.ts");
    const program = [process.execPath, script, folder, String(minCheckpointPageCount)];
    const flags = ["-f", "-qq", "-y", "-e", `trace=${traced}`, "-o", this.#tracePath];
    this.#child = Bun.spawn([strace, ...flags, ...program], { stdio: ["pipe", "pipe", "pipe"] });
    this.#answers = this.#child.stdout[Symbol.asyncIterator]();
    this.#stderr = this.#child.stderr.text();
  }

  async sync(): Promise<void> {
    await this.#tell("sync");
  }

  /** What is done with files while `work` goes on, which may call `sync`. */
  async count(work: () => Promise<void>): Promise<Syscalls> {
    const marks = [`mark-${this.#marks++}`, `mark-${this.#marks++}`] as const;
    await this.#tell(marks[0]);
    await work();
    await this.#tell(marks[1]);
    return this.#between(...marks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.end();
    const exitCode = await this.#child.exited;
    rmSync(this.#tracePath, { force: true });
    if (exitCode !== 0) throw new Error(`the traced replicator failed: ${await this.#stderr}`);
  }

  /** One line there and one back. */
  async #tell(line: string): Promise<void> {
    await this.#child.stdin.write(`${line}\n`);
    await this.#child.stdin.flush();
    for (let answer = ""; !answer.endsWith(`${line}\n`);) {
      const answered = await this.#answers.next();
      if (answered.done === true) throw new Error(`the traced replicator ended: ${await this.#stderr}`);
      answer += new TextDecoder().decode(answered.value);
    }
  }

  #between(from: string, to: string): Syscalls {
    const lines = readFileSync(this.#tracePath, "utf8").split("\n");
    const at = (mark: string): number => lines.findIndex((line) => line.includes(`${this.#folder}/${mark}"`));
    const [start, end] = [at(from), at(to)];
    if (start < 0 || end < 0) throw new Error("strace saw no mark");
    const counts = new Map<string, number>();
    for (const line of lines.slice(start + 1, end)) {
      // `PID call(...`; what a call that was interrupted in the trace resumed has been counted.
      const [, call, rest = ""] = /^\d+\s+(\w+)\((.*)$/.exec(line) ?? [];
      const file = this.#fileIn(rest);
      if (call === undefined || file === undefined) continue;
      counts.set(`${call} ${file}`, (counts.get(`${call} ${file}`) ?? 0) + 1);
    }
    return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** A file of the folder that a call's arguments name, without what differs from run to run. */
  #fileIn(args: string): string | undefined {
    const [, path] = /[<"]([^<>"]*)[>"]/.exec(args.slice(Math.max(0, args.indexOf(this.#folder) - 1))) ?? [];
    if (path === undefined || !path.startsWith(this.#folder)) return undefined;
    return path
      .slice(this.#folder.length + 1)
      .replaceAll(/[0-9a-f]{16}/g, "G")
      .replaceAll(/[0-9a-f]{8}/g, "N");
  }
}
