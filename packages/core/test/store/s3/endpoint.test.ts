import { describe, expect, test } from "bun:test";
import type { S3ReplicaOptions } from "../../../src/replica-options.ts";
import { resolveEndpoint } from "../../../src/store/s3/endpoint.ts";

type Given = Omit<S3ReplicaOptions, "type">;

function resolve(given: Given, env = {}): ReturnType<typeof resolveEndpoint> {
  return resolveEndpoint({ type: "s3", ...given }, env);
}

const r2 = "0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com";

describe("resolveEndpoint", () => {
  test.each<[Given, string, string]>([
    [{ bucket: "b", region: "eu-west-3" }, "https://b.s3.eu-west-3.amazonaws.com", "s3://b"],
    [{ bucket: "a.b", region: "eu-west-3", path: "/x/y/" }, "https://s3.eu-west-3.amazonaws.com/a.b", "s3://a.b/x/y"],
    [{ bucket: "b", region: "cn-north-1" }, "https://b.s3.cn-north-1.amazonaws.com.cn", "s3://b"],
    [{ bucket: "b", region: "eu-west-3", forcePathStyle: true }, "https://s3.eu-west-3.amazonaws.com/b", "s3://b"],
    [
      { bucket: "arn:aws:s3:us-west-2:123456789012:accesspoint/name" },
      "https://name-123456789012.s3-accesspoint.us-west-2.amazonaws.com",
      "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/name",
    ],
    [{ bucket: "b", endpoint: "127.0.0.1:9000", path: "x" }, "http://127.0.0.1:9000/b", "s3://b.127.0.0.1:9000/x"],
    [
      { bucket: "b", endpoint: "https://minio.example.com/" },
      "https://minio.example.com/b",
      "s3://b.minio.example.com",
    ],
    [
      { bucket: "b", endpoint: "https://minio.example.com", forcePathStyle: false },
      "https://b.minio.example.com",
      "s3://b.minio.example.com",
    ],
    [{ bucket: "b", endpoint: r2 }, `https://${r2}/b`, `s3://b.${r2}`],
    [
      { bucket: "b", endpoint: "https://nyc3.digitaloceanspaces.com" },
      "https://b.nyc3.digitaloceanspaces.com",
      "s3://b.nyc3.digitaloceanspaces.com",
    ],
    [
      { bucket: "b", endpoint: "https://p.supabase.co/storage/v1/s3" },
      "https://p.supabase.co/storage/v1/s3/b",
      "s3://b.p.supabase.co",
    ],
  ])("of %p names the bucket's URL", (given, url, location) => {
    const endpoint = resolve(given);
    expect(endpoint.bucketUrl(endpoint.region ?? "")).toBe(url);
    expect(endpoint.location).toBe(location);
  });

  test.each([
    [r2, "auto"],
    ["https://s3.us-west-004.backblazeb2.com", "us-west-004"],
    ["https://nyc3.digitaloceanspaces.com", "nyc3"],
    ["https://s3.eu-central-2.wasabisys.com", "eu-central-2"],
    ["https://storage.googleapis.com", "auto"],
    ["https://t3.storage.dev", "auto"],
    ["http://127.0.0.1:9000", "us-east-1"],
    ["https://s3.eu-west-1.amazonaws.com", "eu-west-1"],
  ])("knows the region of %s", (endpoint, region) => {
    expect(resolve({ bucket: "b", endpoint }).region).toBe(region);
    expect(resolve({ bucket: "b", endpoint, region: "given" }).region).toBe("given");
  });

  test("knows what providers cannot do", () => {
    const of = (endpoint: string): ReturnType<typeof resolve>["provider"] =>
      resolve({ bucket: "b", endpoint }).provider;
    expect(of(r2)).toMatchObject({ name: "Cloudflare R2", concurrencyMax: 2, hasConditionalWrites: true });
    expect(of("https://storage.googleapis.com")).toMatchObject({ hasBatchDelete: false, hasConditionalWrites: false });
    expect(of("http://127.0.0.1:9000")).toMatchObject({ hasBatchDelete: true, hasConditionalWrites: true });
    expect(resolve({ bucket: "b" })).toMatchObject({ isAmazon: true, provider: { name: "Amazon S3" } });
  });

  test("takes the endpoint of the environment where none is given", () => {
    const env = { LITESTREAM_S3_ENDPOINT: "127.0.0.1:9000", AWS_ENDPOINT_URL_S3: "https://other" };
    expect(resolve({ bucket: "b" }, env).bucketUrl("")).toBe("http://127.0.0.1:9000/b");
    expect(resolve({ bucket: "b", endpoint: "https://given" }, env).bucketUrl("")).toBe("https://given/b");
  });

  test.each<[Given, string]>([
    [{ bucket: "" }, "not a bucket"],
    [{ bucket: "a/b" }, "not a bucket"],
    [{ bucket: "s3://b" }, "not a bucket"],
    [{ bucket: "b", endpoint: "https://key:hush@minio.example.com" }, "not the URL of a server"],
    [{ bucket: "b", endpoint: "http://minio.example.com", sseCustomerKey: "hush" }, "in the clear"],
  ])("refuses %p, without a secret in what it says", (given, why) => {
    expect(() => resolve(given)).toThrow(why);
    expect(() => resolve(given)).not.toThrow("hush");
  });
});
