/**
 * Ends the process that replicates (SIGKILL) at each step of an upload: as its request comes in, half-way through the
 * body, and when the server has done it but no answer has gone back. The proxy that does this is between it and MinIO.
 */
import { Database } from "bun:sqlite";
import { afterAll, expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { openReplica, restore, verifyReplica } from "@litestream/core";
import {
  type HttpFault,
  integrityCheck,
  type ProxiedRequest,
  rowsDigest,
  startFaultProxy,
  type TempFolder,
  tempFolder,
  Workload,
} from "@litestream/testkit";
import { Replicating } from "../src/s3/replicating.ts";
import { type ObjectServer, objectServerTest, startObjectServer } from "../src/tools/object-server.ts";

const testWithMinio = await objectServerTest("minio");
let starting: Promise<ObjectServer> | undefined;
afterAll(async () => (await starting)?.[Symbol.asyncDispose]());

/** Each step of an upload, as its request looks to the server. */
const steps: Readonly<Record<string, (request: ProxiedRequest) => boolean>> = {
  "taking the lease": ({ method, target }) => method === "PUT" && target.includes("lock.json"),
  "looking for what was left": ({ method, target }) => method === "GET" && target.includes("uploads="),
  "beginning a snapshot's upload": ({ method, target }) => method === "POST" && /snapshots.*uploads=/.test(target),
  "sending its first part": ({ method, target }) => method === "PUT" && /snapshots.*partNumber=1(&|$)/.test(target),
  "sending its second part": ({ method, target }) => method === "PUT" && /snapshots.*partNumber=2(&|$)/.test(target),
  "sending the WAL that belongs to it": ({ method, target }) =>
    method === "PUT" && /\/wal\/00000000_00000000/.test(target),
  "noting where the snapshot ends": ({ method, target }) => method === "PUT" && /times\/\d+\.snapshot/.test(target),
  "completing its upload": ({ method, target }) => method === "POST" && /snapshots.*uploadId=/.test(target),
  "looking at the snapshot": ({ method, target }) => method === "HEAD" && /snapshots/.test(target),
  "sending a later segment": ({ method, target }) => method === "PUT" && /\/wal\/0000000\d_(?!00000000)/.test(target),
  "noting where a WAL ends": ({ method, target }) => method === "PUT" && /times\/\d+\.wal/.test(target),
};

/** A database that needs three parts, with a workload that goes on where it was. */
class Application implements Disposable {
  readonly path: string;
  readonly workload: Workload;
  readonly #database: Database;

  constructor(folder: TempFolder) {
    this.path = folder.join("app.db");
    this.#database = new Database(this.path, { create: true });
    this.#database.run("PRAGMA journal_mode = wal");
    this.#database.run("PRAGMA busy_timeout = 5000");
    this.#database.run("PRAGMA wal_autocheckpoint = 0");
    this.#database.run("CREATE TABLE bulk (data BLOB)");
    for (let at = 0; at < 20; at++) this.#database.run("INSERT INTO bulk VALUES (randomblob(1000000))");
    this.#database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    this.workload = new Workload(this.#database, { seed: 9 });
    this.workload.commit(2);
  }

  /** Writes on, so that WALs are followed by others. */
  async writeUntil(exited: Promise<unknown>): Promise<void> {
    const isOver = exited.then(() => true);
    for (let round = 0; round < 300; round++) {
      this.workload.commit(3);
      if (await Promise.race([isOver, Bun.sleep(40).then(() => false)])) return;
    }
  }

  [Symbol.dispose](): void {
    this.workload[Symbol.dispose]();
    this.#database.close();
  }
}

const moments = ["as it comes in", "half-way", "when it is done"] as const;
type Moment = (typeof moments)[number];

/** All moments of all steps; otherwise one of each step. */
const isLong = process.env["LITESTREAM_KILL_POINTS"] === "all";

function faultAt(moment: Moment, { sizeBytes }: ProxiedRequest, onMet: () => void): HttpFault {
  if (moment === "when it is done") return { effect: "hold answer", onMet };
  return { effect: "reset request", afterBytes: moment === "half-way" ? sizeBytes >> 1 : 0, onMet };
}

for (const [number, [step, isStep]] of Object.entries(steps).entries()) {
  for (const moment of isLong ? moments : [moments[(number + 2) % 3] ?? "half-way"]) {
    testWithMinio(
      `kill -9 while ${step}, ${moment}: no partial object is seen, nothing is left, and the next life goes on`,
      async (binary) => {
        starting ??= startObjectServer("minio", binary);
        await killAndGoOn(await starting, `kill-${number}-${moment.replaceAll(" ", "-")}`, isStep, moment);
      },
      60_000,
    );
  }
}

async function killAndGoOn(
  server: ObjectServer,
  path: string,
  isStep: (request: ProxiedRequest) => boolean,
  moment: Moment,
): Promise<void> {
  await using folder = await tempFolder();
  using app = new Application(folder);
  let killed: Replicating | undefined;
  await using proxy = await startFaultProxy({
    port: server.port,
    fault: (request) => {
      if (killed === undefined || !isStep(request)) return undefined;
      const { pid } = killed;
      killed = undefined;
      return faultAt(moment, request, () => void process.kill(pid, "SIGKILL"));
    },
  });
  const task = {
    litestream: { path: app.path, minCheckpointPageCount: 50 },
    replica: { ...server.replica(path, proxy.endpoint), syncIntervalMs: 50 },
  };
  const replica = openReplica(server.replica(path));
  {
    await using first = new Replicating(task);
    killed = first;
    await app.writeUntil(first.exited);
    expect((await first.exited).signal).toBe("SIGKILL");
    // What is there is whole, and has what was reported.
    const report = await verifyReplica({ replica });
    expect(report.generations.flatMap(({ damaged }) => damaged)).toEqual([]);
    if (first.reports("replicated").length > 0) {
      expect(report.isSound).toBe(true);
      await restore({ replica, outputPath: folder.join("killed.db") });
      expect(integrityCheck(folder.join("killed.db"))).toBe("ok");
    }
  }
  {
    // The next life goes on, in the same generation unless the writer restarted the WAL meanwhile.
    await using next = new Replicating(task);
    await next.waitFor(({ type }) => type === "replicated");
    app.workload.commit(3);
    expect(await next.kill("SIGTERM")).toMatchObject({ exitCode: 0 });
    const reasons = next.reports("generation").map(({ reason }) => reason);
    expect(reasons.filter((reason) => reason !== "wal restarted while not replicating")).toEqual([]);
  }
  expect(unfinishedUploads(server)).toEqual([]);
  await restore({ replica, outputPath: folder.join("next.db") });
  expect(integrityCheck(folder.join("next.db"))).toBe("ok");
  expect(rowsDigest(folder.join("next.db"))).toBe(rowsDigest(app.path));
}

/** Parts on MinIO's disk that belong to no object: its listing shows none unless one knows their keys. */
function unfinishedUploads(server: ObjectServer): string[] {
  const folder = server.folder.join("objects", ".minio.sys", "multipart");
  if (!existsSync(folder)) return [];
  return (readdirSync(folder, { recursive: true }) as string[]).filter((name) => name.includes("part."));
}
