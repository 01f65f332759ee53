import { describe, expect, test } from "bun:test";
import { isLitestreamError } from "../../src/errors.ts";
import { parseReplicaUrl, withScheme } from "../../src/store/replica-url.ts";

describe("parseReplicaUrl", () => {
  test.each([
    ["s3://bucket", { bucket: "bucket" }],
    ["S3://bucket/", { bucket: "bucket" }],
    ["s3://my.bucket.name/a/b.db", { bucket: "my.bucket.name", path: "a/b.db" }],
    ["s3://bucket//a/./b/../c%20d/", { bucket: "bucket", path: "a/c d" }],
    ["s3://bucket.s3.amazonaws.com/db", { bucket: "bucket", path: "db" }],
    ["s3://my.bucket.s3.eu-west-3.amazonaws.com/db", { bucket: "my.bucket", region: "eu-west-3", path: "db" }],
    [
      "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/name/a/b",
      { bucket: "arn:aws:s3:us-west-2:123456789012:accesspoint/name", region: "us-west-2", path: "a/b" },
    ],
    [
      "s3://bucket.localhost/db",
      { bucket: "bucket", path: "db", endpoint: "http://localhost", region: "us-east-1", forcePathStyle: true },
    ],
    [
      "s3://bucket.localhost:9000/db",
      { bucket: "bucket", path: "db", endpoint: "http://localhost:9000", region: "us-east-1", forcePathStyle: true },
    ],
    [
      "s3://bucket.127.0.0.1:9000/db",
      { bucket: "bucket", path: "db", endpoint: "http://127.0.0.1:9000", region: "us-east-1", forcePathStyle: true },
    ],
    [
      "s3://bucket.s3.us-west-000.backblazeb2.com/db",
      {
        bucket: "bucket",
        path: "db",
        endpoint: "https://s3.us-west-000.backblazeb2.com",
        region: "us-west-000",
        forcePathStyle: true,
      },
    ],
    [
      "s3://bucket.nyc3.digitaloceanspaces.com/db",
      {
        bucket: "bucket",
        path: "db",
        endpoint: "https://nyc3.digitaloceanspaces.com",
        region: "nyc3",
        forcePathStyle: false,
      },
    ],
    [
      "s3://bucket.0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com/db",
      {
        bucket: "bucket",
        path: "db",
        endpoint: "https://0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com",
        region: "auto",
        forcePathStyle: true,
      },
    ],
    [
      "s3://bucket/db?endpoint=127.0.0.1:9000&region=local&forcePathStyle=false&skip-verify=true&partSize=6000000",
      {
        bucket: "bucket",
        path: "db",
        endpoint: "http://127.0.0.1:9000",
        region: "local",
        forcePathStyle: false,
        skipVerify: true,
        partSizeBytes: 6_000_000,
      },
    ],
    [
      "s3://bucket/db?endpoint=minio.example.com&storage-class=STANDARD_IA&concurrency=2",
      {
        bucket: "bucket",
        path: "db",
        endpoint: "https://minio.example.com",
        forcePathStyle: true,
        storageClass: "STANDARD_IA",
        concurrency: 2,
      },
    ],
  ])("reads %s", (url, options) => {
    expect(parseReplicaUrl(url)).toEqual({ type: "s3", ...options });
  });

  test("reads a file URL as a path that is not decoded", () => {
    expect(parseReplicaUrl("file:///with space/100%25")).toEqual({ type: "file", path: "/with space/100%25" });
    expect(parseReplicaUrl("file://localhost/backups")).toEqual({ type: "file", path: "/backups" });
  });

  test("leaves the URL of a registered store to its factory", () => {
    expect(parseReplicaUrl("azure://account/x?y", ["azure"])).toEqual({ type: "url", url: "azure://account/x?y" });
  });

  test.each([
    ["/backups", "not a replica URL"],
    ["s3:bucket", "not a replica URL"],
    ["azure://account/x", 'unknown replica type "azure"'],
    ["s3://", "names no bucket"],
    ["s3:///path", "names no bucket"],
    ["s3://localhost:9000/db", "names no bucket"],
    ["s3://s3.eu-west-3.amazonaws.com/db", "names no bucket"],
    ["s3://bucket.host:port/db", 'no port "port"'],
    ["s3://bucket/%zz", "begins no escape"],
    ["s3://bucket/db?force-path-style=maybe", '"maybe"'],
    ["s3://bucket/db?concurrency=-1", '"-1"'],
    ["s3://bucket/db?endpiont=x", 'knows no "endpiont"'],
    ["file://backups/app", "names a host"],
  ])("refuses %s", (url, part) => {
    expect(problemOf(url)).toContain(part);
  });

  test.each(["s3://key:hush@bucket/db", "s3://bucket/db?secretAccessKey=hush", "s3://bucket/db?sse-customer-key=hush"])(
    "refuses %s, and does not repeat the secret",
    (url) => {
      expect(problemOf(url)).toContain("must not hold");
      expect(problemOf(url)).not.toContain("hush");
    },
  );
});

test("withScheme takes http for this machine and private networks alone", () => {
  const cases = {
    "localhost:9000": "http://localhost:9000",
    "10.1.2.3": "http://10.1.2.3",
    "192.168.1.2:9000/s3": "http://192.168.1.2:9000/s3",
    "172.32.0.1": "https://172.32.0.1",
    "127.0.0.1.example.com": "https://127.0.0.1.example.com",
    "minio.example.com:9000": "https://minio.example.com:9000",
    "http://minio.example.com": "http://minio.example.com",
  };
  for (const [endpoint, url] of Object.entries(cases)) expect(withScheme(endpoint)).toBe(url);
});

function problemOf(url: string): string {
  try {
    parseReplicaUrl(url);
  } catch (error) {
    if (isLitestreamError(error, "CONFIG_INVALID")) return `${error.message} ${error.hint}`;
    throw error;
  }
  return "accepted";
}
