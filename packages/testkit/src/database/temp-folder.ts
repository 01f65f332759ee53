import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** An empty folder that disposal removes, with all that is in it by then. */
export class TempFolder implements AsyncDisposable {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** A path inside the folder. */
  join(...names: string[]): string {
    return join(this.path, ...names);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** `await using folder = await tempFolder()`. Made under `parent`, by default the system's temporary folder. */
export async function tempFolder(parent: string = tmpdir()): Promise<TempFolder> {
  return new TempFolder(await mkdtemp(join(parent, "litestream-testkit-")));
}
