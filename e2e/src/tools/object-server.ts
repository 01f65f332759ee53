/** Servers of the S3 protocol, on this machine alone, with their objects in a folder that is removed at the end. */
import { type ObservedProcess, spawnProcess, tempFolder, type TempFolder } from "@litestream/testkit";
import type { S3ReplicaOptions } from "@litestream/core";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { goTool } from "./go-tool.ts";
import { skipUnless, type ToolTest } from "./skip.ts";

export type ObjectServerKind = "minio" | "versitygw";

export const objectServerKinds: readonly ObjectServerKind[] = ["minio", "versitygw"];

const tools = {
  minio: {
    name: "MinIO",
    module: "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c",
    binary: "minio",
    folder: "minio-7aac2a2c5b7c",
  },
  versitygw: {
    name: "versitygw",
    module: "github.com/versity/versitygw/cmd/versitygw@v1.8.0",
    binary: "versitygw",
    folder: "versitygw-v1.8.0",
  },
} as const;

const keys = { accessKeyId: "litestream", secretAccessKey: "for-tests-on-loopback" } as const;
const bucket = "backups";
const readyTimeoutMs = 20_000;

/** The path of a server's program; undefined where it is not there and cannot be built. */
export async function objectServerBinary(kind: ObjectServerKind): Promise<string | undefined> {
  return await goTool(tools[kind]);
}

/**
 * A `test` whose body gets the path of a server's program, or that is skipped where that cannot be had:
 *
 *     const testWithMinio = await objectServerTest("minio");
 *     testWithMinio("replicates", async (binary) => {
 *       await using server = await startObjectServer("minio", binary);
 *     });
 */
export async function objectServerTest(kind: ObjectServerKind): Promise<ToolTest<string>> {
  const binary = await objectServerBinary(kind);
  return skipUnless(binary, `${tools[kind].name} could not be built by Go, or Go is not installed`);
}

/** A server with one empty bucket. Disposal ends it, and removes its objects. */
export class ObjectServer implements AsyncDisposable {
  readonly kind: ObjectServerKind;
  readonly bucket: string = bucket;
  readonly keys: { readonly accessKeyId: string; readonly secretAccessKey: string } = keys;
  readonly port: number;
  /** Where it keeps its objects. */
  readonly folder: TempFolder;
  readonly #binary: string;
  #process: ObservedProcess | undefined;

  constructor(kind: ObjectServerKind, binary: string, port: number, folder: TempFolder) {
    this.kind = kind;
    this.#binary = binary;
    this.port = port;
    this.folder = folder;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What a replica there is told. @param endpoint that of a proxy before it; its own when absent */
  replica(path: string, endpoint: string = this.endpoint): S3ReplicaOptions {
    return { type: "s3", bucket, path, endpoint, region: "us-east-1", forcePathStyle: true, ...keys };
  }

  /** Starts it, again after `kill`, and waits until it answers. */
  async start(): Promise<void> {
    const address = `127.0.0.1:${this.port}`;
    const root = this.folder.join("objects");
    mkdirSync(`${root}/${bucket}`, { recursive: true });
    const [command, env] =
      this.kind === "minio"
        ? [
            [this.#binary, "server", "--quiet", "--address", address, "--console-address", "127.0.0.1:0", root],
            { MINIO_ROOT_USER: keys.accessKeyId, MINIO_ROOT_PASSWORD: keys.secretAccessKey },
          ]
        : [
            [this.#binary, "--quiet", "--keep-alive", "--port", address, "posix", root],
            { ROOT_ACCESS_KEY: keys.accessKeyId, ROOT_SECRET_KEY: keys.secretAccessKey },
          ];
    // Not to be seen from elsewhere, and not to look elsewhere.
    const started = spawnProcess({ command, env: { ...env, MINIO_UPDATE: "off", MINIO_BROWSER: "off" }, cwd: root });
    this.#process = started;
    const untilMs = performance.now() + readyTimeoutMs;
    for (;;) {
      if (await this.#answers()) return;
      if (performance.now() > untilMs) {
        throw new Error(`${this.kind} does not answer at ${address}: ${(await started.kill()).stderr}`);
      }
      await Promise.race([Bun.sleep(50), started.exited]);
    }
  }

  /** Ends it at once; its objects stay. */
  async kill(): Promise<void> {
    await this.#process?.kill();
    this.#process = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.folder[Symbol.asyncDispose]();
  }

  /** Any answer but that of a server that is still starting. */
  async #answers(): Promise<boolean> {
    try {
      const response = await fetch(`${this.endpoint}/${bucket}/`, { keepalive: false });
      await response.arrayBuffer();
      return response.status !== 503;
    } catch {
      return false;
    }
  }
}

export async function startObjectServer(kind: ObjectServerKind, binary: string): Promise<ObjectServer> {
  const server = new ObjectServer(kind, binary, await freePort(), await tempFolder());
  try {
    await server.start();
    return server;
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}

// As a command, it installs both, so that no test has to wait for Go.
if (import.meta.main) {
  for (const kind of objectServerKinds) {
    if ((await objectServerBinary(kind)) !== undefined) continue;
    process.stderr.write(`no ${tools[kind].name} for the tests\n`);
    process.exitCode = 1;
  }
}
