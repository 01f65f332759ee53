/**
 * `npm run walk`: README by copy and paste, as on a machine that has never seen this: a copy of the checkout without
 * anything installed, empty caches, and on the PATH besides the system's own tools once only Bun, and once only Node
 * with npm. `bun` or `node` as an argument: only that one. `--short` leaves out what takes long: downloads and the
 * demonstration.
 */
import { Database } from "bun:sqlite";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runQuietly } from "./distribution/run-quietly.ts";

export const runtimes = ["bun", "node"] as const;
export type Runtime = (typeof runtimes)[number];

const root = join(import.meta.dirname, "..");
/** What a machine with one of them does not have from the other, or from us. */
const withheld = new Set([
  "bun",
  "bunx",
  "corepack",
  "node",
  "nodejs",
  "npm",
  "npx",
  "pnpm",
  "yarn",
  "go",
  "litestream",
]);

export interface Walk {
  /** Each line that was run, as README has it. */
  readonly commands: readonly string[];
  /** Rows in the database that the walk restored. */
  readonly rows: number;
}

/** @throws Error with what a command said, when it fails, or when a restored database lacks something */
export async function walk(runtime: Runtime, extent: "long" | "short"): Promise<Walk> {
  const folder = await mkdtemp(join(tmpdir(), `litestream-walk-${runtime}-`));
  const walker = new Walker(folder, extent);
  try {
    await walker.prepare(runtime);
    return await walker.walk();
  } finally {
    await walker.kill();
    await rm(folder, { recursive: true, force: true });
  }
}

class Walker {
  readonly #folder: string;
  readonly #isShort: boolean;
  readonly #background: Bun.Subprocess<"ignore", "ignore", "pipe">[] = [];
  readonly #commands: string[] = [];
  #rows = 0;

  constructor(folder: string, extent: "long" | "short") {
    this.#folder = folder;
    this.#isShort = extent === "short";
  }

  get #checkout(): string {
    return join(this.#folder, "litestream");
  }

  async prepare(runtime: Runtime): Promise<void> {
    await mkdir(join(this.#folder, "bin"));
    await mkdir(join(this.#folder, "backups"));
    const seen = new Set<string>();
    for (const place of ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]) {
      for (const name of await readdir(place).catch(() => [])) {
        if (withheld.has(name) || seen.has(name)) continue;
        seen.add(name);
        await symlink(join(place, name), join(this.#folder, "bin", name));
      }
    }
    for (const name of runtime === "bun" ? ["bun"] : ["node", "npm", "npx"]) {
      const path = name === "bun" ? process.execPath : Bun.which(name);
      if (path === null) throw new Error(`${name} is not installed`);
      await symlink(path, join(this.#folder, "bin", name));
    }
    const listed = await runQuietly(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], root);
    for (const file of listed.split("\0").filter((name) => name !== "")) {
      await cp(join(root, file), join(this.#checkout, file), { recursive: true }).catch((error: unknown) => {
        // Deleted, and not committed yet.
        if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
      });
    }
    if (this.#isShort && runtime === "node") {
      // What would be downloaded: 100 MB.
      const { version } = Bun;
      await mkdir(join(this.#checkout, `.tools/bun-${version}/bin`), { recursive: true });
      await symlink(process.execPath, join(this.#checkout, `.tools/bun-${version}/bin/bun`));
    }
  }

  /** Every line of shell in README, in its order. */
  async walk(): Promise<Walk> {
    const readme = await readFile(join(root, "README.md"), "utf8");
    const [, indent = "", configuration = ""] = /^( *)```yaml\n(.*?)^ *```$/ms.exec(readme) ?? [];
    await writeFile(
      join(this.#checkout, "litestream.yml"),
      configuration.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
    );
    // An application that writes comes first: README has it in its second step.
    const lines = linesOf(readme);
    const writer = lines.find((line) => line.includes("examples/write.ts"));
    if (writer === undefined) throw new Error("README shows no application to try it with");
    await this.#start(writer, "writing to");
    for (const line of lines) {
      if (line === writer || line.startsWith("git clone ")) continue;
      if (this.#isShort && /scripts\/run (?:start|archive)$/.test(line)) continue;
      if (/litestream replicate /.test(line)) await this.#start(line, "is up to date at");
      else if (/litestream restore .*-o app\.db/.test(line)) await this.#loseAndRestore(line, writer);
      else await this.#run(line);
    }
    await this.#stop();
    return { commands: this.#commands, rows: this.#rows };
  }

  /** In order: the application first, then its replicator, which so has everything. */
  async #stop(): Promise<void> {
    for (const child of this.#background.splice(0)) {
      child.kill("SIGTERM");
      const exitCode = await child.exited;
      if (exitCode !== 0) throw new Error(`a command that went on ended with exit code ${exitCode}`);
    }
  }

  /** Whatever still runs, after a failure. */
  async kill(): Promise<void> {
    for (const child of this.#background.splice(0)) {
      child.kill("SIGKILL");
      await child.exited;
    }
  }

  async #run(line: string): Promise<void> {
    this.#commands.push(line);
    await runQuietly(["sh", "-euc", this.#here(line)], this.#checkout, this.#environment());
  }

  async #start(line: string, untilItSays: string): Promise<void> {
    this.#commands.push(line);
    const child = Bun.spawn(["sh", "-c", `exec ${this.#here(line)} >&2`], {
      cwd: this.#checkout,
      env: this.#environment(),
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#background.push(child);
    let said = "";
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const read = async (): Promise<void> => {
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
        said += text;
        if (said.includes(untilItSays)) resolve(undefined);
      }
      reject(new Error(`${line} ended with ${await child.exited}:\n${said}`));
    };
    read().catch(reject);
    await promise;
  }

  /** The disk dies, with the application and its replicator stopped; afterwards the application goes on. */
  async #loseAndRestore(line: string, writer: string): Promise<void> {
    await this.#stop();
    const database = join(this.#checkout, "app.db");
    const written = rowsIn(database);
    for (const name of await readdir(this.#checkout)) {
      if (/^\.?app\.db/.test(name)) await rm(join(this.#checkout, name), { recursive: true });
    }
    await this.#run(line);
    this.#rows = rowsIn(database);
    if (written === 0 || this.#rows !== written)
      throw new Error(`${written} rows were written, ${this.#rows} restored`);
    await this.#start(writer, "writing to");
    this.#commands.pop();
  }

  /** What is absolute in README is in the walk's folder. */
  #here(line: string): string {
    return line.replaceAll(/(?<![\w.])\/backups\b/g, join(this.#folder, "backups"));
  }

  #environment(): Record<string, string | undefined> {
    const cache = process.env["BUN_INSTALL_CACHE_DIR"] ?? join(process.env["HOME"] ?? "/", ".bun/install/cache");
    return {
      PATH: join(this.#folder, "bin"),
      HOME: join(this.#folder, "home"),
      TMPDIR: this.#folder,
      LANG: "C.UTF-8",
      // A short walk takes the packages from where they are.
      ...(this.#isShort && { BUN_INSTALL_CACHE_DIR: cache }),
    };
  }
}

/** Commands of README's blocks of shell, and those its table of ways to get it has. */
function linesOf(readme: string): string[] {
  const blocks = [...readme.matchAll(/^ *```sh\n(.*?)^ *```$/gms)].flatMap(([, text = ""]) => text.split("\n"));
  const indented = readme.split("\n").filter((line) => /^ {4}(?:\.\/litestream|sh|git) /.test(line));
  const inTable = [...readme.matchAll(/^\|[^|]*\| `(sh scripts\/run [\w-]+)`/gm)].map(([, command = ""]) => command);
  return [...indented, ...inTable, ...blocks].map((line) => line.trim().replace(/\s+#\s.*$/, "")).filter(Boolean);
}

function rowsIn(path: string): number {
  using db = new Database(path);
  const row: unknown = db.query("SELECT count(*) AS n FROM events").get();
  return typeof row === "object" && row !== null && "n" in row ? Number(row.n) : 0;
}

if (import.meta.main) {
  const isShort = process.argv.includes("--short");
  const chosen = runtimes.filter((name) => process.argv.includes(name));
  for (const runtime of chosen.length === 0 ? runtimes : chosen) {
    const begunMs = performance.now();
    const { commands, rows } = await walk(runtime, isShort ? "short" : "long");
    const seconds = ((performance.now() - begunMs) / 1000).toFixed(0);
    console.log(`with only ${runtime}: ${commands.length} commands, ${rows} rows restored (${seconds} s)`);
    for (const command of commands) console.log(`    ${command}`);
  }
}
