import { mkdtempSync, realpathSync, rmdirSync } from "node:fs";
import { mkdtemp, open, realpath, rm, rmdir, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A write of the filler; less is left over than this before it goes on in smaller steps. */
const chunkBytes = 1 << 20;

export interface SmallFileSystemOptions {
  /** Capacity, rounded up to whole blocks of the system's page size (4096 as a rule). */
  readonly sizeBytes: number;
}

/** A file system of its own, in memory; see `smallFileSystem`. Disposal removes it with all that is in it. */
export class SmallFileSystem implements AsyncDisposable {
  /** Where it is mounted: an empty folder at first. */
  readonly path: string;
  readonly #fillerPath: string;

  constructor(path: string) {
    this.path = path;
    this.#fillerPath = join(path, ".filler");
  }

  /** A path inside it. */
  join(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Bytes that can still be written. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path);
    return bavail * bsize;
  }

  /**
   * Takes up all space but `leaveBytes`, rounded up to whole blocks, with a file named `.filler`. Called again it takes
   * up what has become free since; it gives nothing back.
   */
  async fill(leaveBytes: number = 0): Promise<void> {
    const { bsize } = await statfs(this.path);
    const leftBytes = Math.ceil(leaveBytes / bsize) * bsize;
    const chunk = new Uint8Array(chunkBytes);
    await using filler = await open(this.#fillerPath, "a");
    for (;;) {
      const bytes = Math.min((await this.freeBytes()) - leftBytes, chunkBytes);
      if (bytes <= 0) return;
      try {
        await filler.write(chunk, 0, bytes);
      } catch (error) {
        // Others write here, too, and were faster.
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    }
  }

  /** Gives back what `fill` took. */
  async free(): Promise<void> {
    await rm(this.#fillerPath, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    unmount(this.path);
    await rmdir(this.path);
  }
}

/**
 * Mounts a tmpfs: `await using files = await smallFileSystem({ sizeBytes: 1 << 20 })`. It lies under the system's
 * temporary folder.
 * @throws Error where this process may not mount; see `canMountSmallFileSystem`
 */
export async function smallFileSystem(options: SmallFileSystemOptions): Promise<SmallFileSystem> {
  const { sizeBytes } = options;
  if (!Number.isInteger(sizeBytes) || sizeBytes < 1) throw new RangeError(`sizeBytes is above 0, not ${sizeBytes}`);
  // The kernel and SQLite name it by its real path.
  const path = await mkdtemp(join(await realpath(tmpdir()), "litestream-testkit-"));
  try {
    mount(path, sizeBytes);
    return new SmallFileSystem(path);
  } catch (error) {
    await rmdir(path);
    throw error;
  }
}

/**
 * True where `smallFileSystem` works: on Linux, for root; root of a namespace will do, as under
 * `unshare --user --map-root-user --mount bun test`.
 */
export function canMountSmallFileSystem(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const path = mkdtempSync(join(realpathSync(tmpdir()), "litestream-testkit-"));
  try {
    mount(path, 1);
    unmount(path);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(path);
  }
}

function mount(path: string, sizeBytes: number): void {
  run("mount", "-t", "tmpfs", "-o", `size=${sizeBytes},mode=0700,nosuid,nodev`, "litestream-testkit", path);
}

/** Files that are still open there go on existing until they are closed. */
function unmount(path: string): void {
  run("umount", "-l", path);
}

function run(...command: string[]): void {
  const program = Bun.which(command[0] ?? "");
  if (program === null) throw new Error(`${command[0]} is not installed`);
  const { success, stderr } = Bun.spawnSync([program, ...command.slice(1)]);
  if (!success) throw new Error(`${command.join(" ")} failed: ${stderr.toString().trim()}`);
}
