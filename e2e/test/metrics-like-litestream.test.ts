import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { writeFile } from "node:fs/promises";
import { spawnWriter, tempFolder, type TempFolder } from "@litestream/testkit";
import { LitestreamProcess } from "../src/litestream-process.ts";
import { type Family, scrape, valueOf } from "../src/metrics/exposition.ts";
import { freePort } from "../src/metrics/free-port.ts";
import { startServed } from "../src/metrics/served.ts";
import type { LitestreamVersion } from "../src/tools/litestream-binary.ts";
import { litestreamTest } from "../src/tools/litestream-test.ts";
import { waitUntil } from "../src/wait-until.ts";

type Scraped = ReadonlyMap<string, Family>;

const pageSize = 4096;
const frameSizeBytes = 24 + pageSize;
/** Litestream writes tables of its own into the database. */
const ownSizeBytes = 16 * frameSizeBytes;
const transactions = 200;

/** The same for both: one checkpoint at least, and the WAL as long as it lasts. */
const settings = { "min-checkpoint-page-count": 400, "checkpoint-interval": "1s", "monitor-interval": "200ms" };

const validated = { "validation-interval": "2s" };

/** Runs `replicate` on a database of its own under the load, and scrapes it once all of that is replicated. */
async function underLoad(
  folder: TempFolder,
  name: string,
  start: (dbPath: string, replicaPath: string) => Promise<{ readonly url: string } & AsyncDisposable>,
): Promise<Scraped> {
  const dbPath = folder.join(`${name}.db`);
  const load = { path: dbPath, seed: 7, pageSize, autocheckpointPages: 0 } as const;
  await using first = await spawnWriter({ ...load, transactions: 1, whenDone: "hold" });
  await first.waitUntilDone();
  await using process = await start(dbPath, folder.join(`${name}-replica`));
  await waitUntil(`${name} to replicate`, async () =>
    scrape(process.url).then(
      (families) => valueOf(families, metric(name, "litestream_replica_wal_offset")) !== undefined,
      () => false,
    ),
  );
  await using writer = await spawnWriter({ ...load, transactions, rate: 200, whenDone: "hold" });
  await writer.waitUntilDone();
  let scraped: Scraped = new Map();
  const of = (suffix: string): number | undefined => valueOf(scraped, metric(name, suffix));
  const isCaughtUp = (): boolean =>
    // A release sets the first after a checkpoint has begun a WAL, which its replica may have copied by then.
    of("litestream_shadow_wal_index") === of("litestream_replica_wal_index") &&
    // Litestream counts headers on one side only.
    Math.abs((of("litestream_total_wal_bytes") ?? 0) - (of("litestream_replica_wal_bytes") ?? 0)) <= ownSizeBytes;
  await waitUntil(`${name} to have replicated everything`, async () => {
    scraped = await scrape(process.url);
    return (
      isCaughtUp() &&
      (of("litestream_total_wal_bytes") ?? 0) > transactions * frameSizeBytes &&
      // A checkpoint has moved all of it.
      of("litestream_db_size") === pageCount(dbPath) * pageSize
    );
  });
  // Ours lists replicas in the background; both validate them.
  await waitUntil("the replica to be listed and validated", async () => {
    scraped = await scrape(process.url);
    const isKnown = valueOf(scraped, "litestream_replica_snapshot_total") !== undefined;
    const validations = valueOf(scraped, "litestream_replica_validation_total", { status: "ok" }) ?? 0;
    return isCaughtUp() && validations > 0 && (isKnown || (name !== "ours" && name !== "v0.3.4"));
  });
  return scraped;
}

function pageCount(path: string): number {
  using database = new Database(path, { readonly: true });
  return (database.query("PRAGMA page_count").get() as { page_count: number }).page_count;
}

const ofDatabase = /^litestream_(?=(?:db_size|wal_size|total_wal_bytes|shadow_wal_\w+|sync_\w+|checkpoint_\w+)$)/;

/** As a release calls it. */
function metric(release: string, name: string): string {
  return release === "v0.3.4" ? name.replace(ofDatabase, "litestream_db_") : name;
}

const compared: readonly LitestreamVersion[] = ["v0.3.4", "v0.3.13"];
for (const version of compared) {
  const testWithLitestream = await litestreamTest(version);
  testWithLitestream(
    `what Litestream ${version} serves, we serve: names, types, labels and values`,
    async (binary) => {
      await using folder = await tempFolder();
      const theirs = await underLoad(folder, version, async (dbPath, replicaPath) => {
        const addr = `127.0.0.1:${freePort()}`;
        const configPath = folder.join("litestream.yml");
        const database = { path: dbPath, ...settings, replicas: [{ type: "file", path: replicaPath, ...validated }] };
        await writeFile(configPath, JSON.stringify({ addr, dbs: [database] }));
        const child = new LitestreamProcess(binary, configPath);
        return { url: `http://${addr}`, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
      });
      const ours = await underLoad(folder, "ours", async (dbPath, replicaPath) => {
        const { url, replicator } = await startServed({
          workPath: folder.join("work"),
          databases: [{ path: dbPath, ...settings, replicas: [{ path: replicaPath, ...validated }] }],
        });
        return { url, [Symbol.asyncDispose]: () => replicator[Symbol.asyncDispose]() };
      });

      const current = (name: string): string => name.replace(/^litestream_db_(?!size$)/, "litestream_");
      const names = [...theirs.keys()].filter((name) => /^(?:litestream|process)_/.test(name));
      expect(names.length).toBeGreaterThan(15);
      const differences: string[] = [];
      for (const name of names) {
        const [their, our] = [theirs.get(name), ours.get(current(name))];
        if (our === undefined) differences.push(`${name} is missing`);
        else if (our.type !== their?.type) differences.push(`${name} is a ${our.type}, theirs a ${their?.type}`);
        const labels = (family: Family | undefined): string =>
          [...new Set(family?.samples.flatMap((sample) => Object.keys(sample.labels)))].toSorted().join();
        if (labels(our) !== labels(their)) differences.push(`${name} has ${labels(our)}, theirs ${labels(their)}`);
      }
      // A limit that nobody sets, as a number that says so.
      expect(differences.filter((text) => !text.startsWith("process_virtual_memory_max_bytes "))).toEqual([]);

      const their = (name: string, labels = {}): number => valueOf(theirs, metric(version, name), labels) ?? Number.NaN;
      const our = (name: string, labels = {}): number => valueOf(ours, name, labels) ?? Number.NaN;
      expect(Math.abs(their("litestream_db_size") - our("litestream_db_size"))).toBeLessThanOrEqual(ownSizeBytes);
      const more = their("litestream_total_wal_bytes") - our("litestream_total_wal_bytes");
      expect(Math.abs(more)).toBeLessThanOrEqual(ownSizeBytes);
      expect(our("litestream_replica_wal_offset")).toBe(our("litestream_shadow_wal_size"));
      for (const [scraped, release] of [
        [theirs, version],
        [ours, "ours"],
      ] as const) {
        const of = (name: string, labels = {}): number => valueOf(scraped, metric(release, name), labels) ?? Number.NaN;
        expect(of("litestream_sync_error_count")).toBe(0);
        expect(of("litestream_sync_count")).toBeGreaterThan(5);
        expect(of("litestream_sync_seconds")).toBeGreaterThan(0);
        expect(of("litestream_wal_size")).toBeGreaterThan(frameSizeBytes);
        expect(of("litestream_checkpoint_count", { mode: "PASSIVE" })).toBeGreaterThan(0);
        expect(of("litestream_checkpoint_seconds", { mode: "PASSIVE" })).toBeGreaterThan(0);
        expect(of("litestream_replica_wal_index")).toBe(of("litestream_shadow_wal_index"));
        const unreplicated = of("litestream_total_wal_bytes") - of("litestream_replica_wal_bytes");
        expect(Math.abs(unreplicated)).toBeLessThanOrEqual(ownSizeBytes);
        expect(of("litestream_replica_validation_total", { status: "error" })).toBe(0);
        expect(of("process_resident_memory_bytes")).toBeGreaterThan(1e6);
        expect(Math.abs(of("process_start_time_seconds") - Date.now() / 1000)).toBeLessThan(120);
      }
    },
    120_000,
  );
}
