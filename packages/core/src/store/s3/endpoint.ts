/** Where the requests of one replica go: the server, how the bucket is named to it, and what all keys begin with. */
import { LitestreamError } from "../../errors.ts";
import type { S3ReplicaOptions } from "../../replica-options.ts";
import { isPrivateHost, withScheme } from "../replica-url.ts";
import { s3Provider, type S3Provider } from "./providers.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface S3Endpoint {
  readonly provider: S3Provider;
  readonly bucket: string;
  /** Empty, or ends with a slash. */
  readonly prefix: string;
  /** For people: the bucket, its server where that is not Amazon's, and the path. */
  readonly location: string;
  /** As it was given, or as the host or the ARN names it; undefined where it has to be found out. */
  readonly region: string | undefined;
  /** True where the server is Amazon's, whose host depends on the region. */
  readonly isAmazon: boolean;
  /** The bucket's own URL, without a slash at its end. */
  bucketUrl(region: string): string;
}

/** @throws LitestreamError CONFIG_INVALID */
export function resolveEndpoint(options: S3ReplicaOptions, env: Environment): S3Endpoint {
  const { bucket } = options;
  if (bucket === "" || /[\s?#@]/.test(bucket) || (bucket.includes("/") && !bucket.startsWith("arn:"))) {
    throw new LitestreamError("CONFIG_INVALID", `not a bucket: "${bucket}"`, { hint: "Give the bucket's name alone." });
  }
  const path = (options.path ?? "").replaceAll(/^\/+|\/+$/g, "");
  const prefix = path === "" ? "" : `${path}/`;
  const given =
    options.endpoint || env["LITESTREAM_S3_ENDPOINT"] || env["AWS_ENDPOINT_URL_S3"] || env["AWS_ENDPOINT_URL"];
  const common = { bucket, prefix };
  if (given === undefined || given === "") {
    const region = options.region || regionOfArn(bucket);
    const forcePathStyle = options.forcePathStyle ?? false;
    return {
      ...common,
      provider: s3Provider(undefined),
      isAmazon: true,
      location: `s3://${bucket}${path === "" ? "" : `/${path}`}`,
      region,
      bucketUrl: (found) => amazonBucketUrl(bucket, found, forcePathStyle),
    };
  }
  const server = serverOf(given);
  const provider = s3Provider(server.hostname);
  const forcePathStyle = options.forcePathStyle ?? provider.forcePathStyle;
  if (options.sseCustomerKey !== undefined && server.protocol === "http:" && !isPrivateHost(server.hostname)) {
    throw new LitestreamError("CONFIG_INVALID", `sse-customer-key would be sent to ${server.host} in the clear`, {
      hint: "Use an https endpoint.",
    });
  }
  const base = server.pathname.replace(/\/+$/, "");
  const url = forcePathStyle
    ? `${server.protocol}//${server.host}${base}/${encodeKey(bucket)}`
    : `${server.protocol}//${bucket}.${server.host}${base}`;
  return {
    ...common,
    provider,
    isAmazon: false,
    location: `s3://${bucket}.${server.host}${path === "" ? "" : `/${path}`}`,
    region: options.region || regionOfHost(provider, server.hostname) || provider.region,
    bucketUrl: () => url,
  };
}

/** A key in a URL, escaped as signatures are computed of. */
export function encodeKey(key: string): string {
  return encodeURIComponent(key)
    .replaceAll("%2F", "/")
    .replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function serverOf(endpoint: string): URL {
  const url = URL.parse(withScheme(endpoint));
  if (url === null || url.username !== "" || url.password !== "" || url.search !== "") {
    throw new LitestreamError("CONFIG_INVALID", "the endpoint is not the URL of a server", {
      hint: "Write it as https://HOST or https://HOST:PORT, without keys.",
    });
  }
  return url;
}

function regionOfHost(provider: S3Provider, hostname: string): string | undefined {
  return provider.endpointHost.exec(hostname)?.groups?.["region"];
}

function regionOfArn(bucket: string): string | undefined {
  return bucket.startsWith("arn:") ? bucket.split(":")[3] || undefined : undefined;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html */
function amazonBucketUrl(bucket: string, region: string, forcePathStyle: boolean): string {
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  const arn = /^arn:[^:]*:s3:[^:]*:(\d+):accesspoint\/(.+)$/.exec(bucket);
  if (arn !== null) return `https://${arn[2]}-${arn[1]}.s3-accesspoint.${region}.${domain}`;
  // A certificate for *.s3 does not hold for a name with dots.
  if (forcePathStyle || bucket.includes(".")) return `https://s3.${region}.${domain}/${encodeKey(bucket)}`;
  return `https://${bucket}.s3.${region}.${domain}`;
}
