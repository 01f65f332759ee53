/**
 * What is known about those who speak the protocol of S3, all in one place. Sources: their documentation, and the
 * providers that Litestream 0.3.13 and 0.5.16 know.
 */

export interface S3Provider {
  readonly name: string;
  /**
   * The host of an endpoint, with its region as the group `region` where it has one. A bucket before it is no part of
   * it.
   */
  readonly endpointHost: RegExp;
  /** What requests are signed for where the host names no region, and none is given. */
  readonly region: string;
  /** The bucket is named in the path unless it is asked for otherwise. */
  readonly forcePathStyle: boolean;
  /** `If-None-Match` and `If-Match` of a PUT are obeyed, which a lease needs. */
  readonly hasConditionalWrites: boolean;
  /** Many keys can be deleted with one request. */
  readonly hasBatchDelete: boolean;
  /** Parts that may be uploaded at the same time, at most. */
  readonly concurrencyMax: number;
}

const usual = {
  region: "us-east-1",
  forcePathStyle: true,
  hasConditionalWrites: true,
  hasBatchDelete: true,
  concurrencyMax: 16,
} as const;

const providers: readonly S3Provider[] = [
  {
    ...usual,
    name: "Amazon S3",
    endpointHost: /(?<=^|\.)s3[.-](?:dualstack\.|fips\.)?(?:(?<region>[a-z]{2}-[a-z-]+-\d)\.)?amazonaws\.com(?:\.cn)?$/,
    forcePathStyle: false,
  },
  {
    ...usual,
    name: "Cloudflare R2",
    endpointHost: /(?<=^|\.)[0-9a-f]{32}\.(?:(?:eu|fedramp)\.)?r2\.cloudflarestorage\.com$/,
    region: "auto",
    concurrencyMax: 2,
  },
  {
    ...usual,
    name: "Backblaze B2",
    endpointHost: /(?<=^|\.)s3\.(?<region>[^.]+)\.backblazeb2\.com$/,
    hasConditionalWrites: false,
  },
  {
    ...usual,
    name: "DigitalOcean Spaces",
    endpointHost: /(?<=^|\.)(?<region>[^.]+)\.digitaloceanspaces\.com$/,
    forcePathStyle: false,
    hasConditionalWrites: false,
  },
  {
    ...usual,
    name: "Google Cloud Storage",
    endpointHost: /(?<=^|\.)storage\.googleapis\.com$/,
    region: "auto",
    hasConditionalWrites: false,
    hasBatchDelete: false,
  },
  {
    ...usual,
    name: "Tigris",
    endpointHost: /(?<=^|\.)(?:fly\.storage\.tigris\.dev|t3\.storage\.dev|t3\.tigrisfiles\.io)$/,
    region: "auto",
    forcePathStyle: false,
  },
  {
    ...usual,
    name: "Wasabi",
    endpointHost: /(?<=^|\.)s3\.(?:(?<region>[^.]+)\.)?wasabisys\.com$/,
    hasConditionalWrites: false,
  },
  {
    ...usual,
    name: "Hetzner",
    endpointHost: /(?<=^|\.)(?<region>[^.]+)\.your-objectstorage\.com$/,
    hasConditionalWrites: false,
  },
  {
    ...usual,
    name: "Scaleway",
    endpointHost: /(?<=^|\.)s3\.(?<region>[^.]+)\.scw\.cloud$/,
    hasConditionalWrites: false,
  },
  {
    ...usual,
    name: "Linode",
    endpointHost: /(?<=^|\.)(?<region>[^.]+)\.linodeobjects\.com$/,
    hasConditionalWrites: false,
  },
  {
    ...usual,
    name: "Filebase",
    endpointHost: /(?<=^|\.)s3\.filebase\.com$/,
    hasConditionalWrites: false,
  },
  {
    ...usual,
    name: "Supabase",
    endpointHost: /(?<=^|\.)[a-z0-9]+(?:\.storage)?\.supabase\.co$/,
    hasConditionalWrites: false,
  },
];

/** MinIO, versitygw, Ceph, and whoever else: as the protocol says. */
const unknown: S3Provider = { ...usual, name: "a server of the S3 protocol", endpointHost: /^/ };

/** @param host of an endpoint, without a port; Amazon's where it is undefined */
export function s3Provider(host: string | undefined): S3Provider {
  const named = host === undefined ? providers[0] : matchProvider(host.toLowerCase())?.provider;
  return named ?? unknown;
}

/** The provider that a host belongs to, which part of it is the endpoint, and what stands before that. */
export interface HostMatch {
  readonly provider: S3Provider;
  readonly endpointHost: string;
  /** Empty where the host is the endpoint's alone. */
  readonly bucket: string;
  readonly region: string | undefined;
}

export function matchProvider(host: string): HostMatch | undefined {
  for (const provider of providers) {
    const match = provider.endpointHost.exec(host);
    if (match === null) continue;
    const bucket = host.slice(0, match.index).replace(/\.$/, "");
    return { provider, endpointHost: match[0], bucket, region: match.groups?.["region"] };
  }
  return undefined;
}
