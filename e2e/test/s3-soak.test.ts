import { expect } from "bun:test";
import { runS3Soak } from "../src/s3/soak.ts";
import { objectServerTest } from "../src/tools/object-server.ts";

const testWithMinio = await objectServerTest("minio");
const seed = Number(process.env["LITESTREAM_SOAK_SEED"] ?? Math.floor(Math.random() * 2 ** 32));

testWithMinio(
  "nothing is lost while the store misbehaves with one of five requests, goes away, and the replicator is killed",
  async (binary) => {
    console.log(`LITESTREAM_SOAK_SEED=${seed}`);
    const report = await runS3Soak({
      seed,
      durationMs: 6000,
      outageMs: 700,
      idleMs: 2000,
      requestTimeoutMs: 300,
      binary,
    });
    console.log(JSON.stringify(report));
    // What was lost or unsound would have thrown.
    expect(report.restores).toBeGreaterThan(3);
    expect(report.faults).toBeGreaterThan(3);
    expect(report.catchUpMs).toHaveLength(2);
  },
  180_000,
);
