/** What all replicas can be told. Times are milliseconds; the defaults are Litestream's. */
export interface CommonReplicaOptions {
  /** Unique among the replicas of a database; the type (`file`, `s3`, …) when absent. */
  readonly name?: string | undefined;
  /** Least time between two syncs: commits that come closer together share one. 10 for `file`, 1000 for others. */
  readonly syncIntervalMs?: number | undefined;
  /**
   * For how long snapshots are kept, and the WAL from the earliest of them on: 86400000 (24 hours). At least the newest
   * one stays, whatever its age. How far back states go: docs/retention.md.
   */
  readonly retentionMs?: number | undefined;
  /** How often it is looked for what retention no longer needs: 3600000; 0 for never. */
  readonly retentionCheckIntervalMs?: number | undefined;
  /** A snapshot is taken at least this often; 0 or absent: when a generation begins, and as retention needs. */
  readonly snapshotIntervalMs?: number | undefined;
  /** A snapshot is taken when more WAL than this came since the newest one, in bytes: a bound on what a restore has to
   * apply; 0 or absent for none. */
  readonly snapshotWalSizeBytesMax?: number | undefined;
  /** How often the replica is restored aside and compared with the database; 0 or absent for never. */
  readonly validationIntervalMs?: number | undefined;
  /** For how long a validation waits until the replica has come as far as the database was; 10000. */
  readonly validationTimeoutMs?: number | undefined;
  /** How often it looks meanwhile; 500. */
  readonly validationPollIntervalMs?: number | undefined;
  /** Nothing is ever deleted from the replica: for buckets whose objects are locked, or expire by a rule. */
  readonly isDeleteFree?: boolean | undefined;
  /**
   * Captured WAL kept for a replica that is behind, in bytes: beyond it, it gets a new snapshot instead. As much as the
   * database has, and at least 1 GiB, when absent.
   */
  readonly shadowWalSizeBytesMax?: number | undefined;
}

/** A replica in a folder. */
export interface FileReplicaOptions extends CommonReplicaOptions {
  readonly type?: "file" | undefined;
  /** The folder: relative to the working directory, or absolute. It is created when its parent exists. */
  readonly path: string;
  /** `whole`, as Litestream 0.3.4 writes to folders, when absent; `segments` as 0.3.5 to 0.3.13 do. */
  readonly layout?: "whole" | "segments" | undefined;
}

/** A replica in a bucket of S3, or of a store that speaks its protocol; always in the layout `segments`. */
export interface S3ReplicaOptions extends CommonReplicaOptions {
  readonly type: "s3";
  /** Also the ARN of an access point. */
  readonly bucket: string;
  /** What all keys begin with, without slashes at its ends; the bucket's root when absent. */
  readonly path?: string | undefined;
  /** URL of the server; Amazon's when absent. Without a scheme: http for this machine and private networks. */
  readonly endpoint?: string | undefined;
  /** Found out from the bucket when absent. */
  readonly region?: string | undefined;
  /** The bucket is named in the URL's path instead of its host; what the provider needs when absent. */
  readonly forcePathStyle?: boolean | undefined;
  /** The server's certificate is not checked: for a server of one's own in a network of one's own. */
  readonly skipVerify?: boolean | undefined;
  /**
   * Without keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment, then
   * LITESTREAM_ACCESS_KEY_ID and LITESTREAM_SECRET_ACCESS_KEY, then what Amazon's tools find: profile, SSO, web
   * identity, container, instance.
   */
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
  readonly sessionToken?: string | undefined;
  /** Off: what is uploaded is verified by its MD5 and not by the request's signature. On when absent. */
  readonly signPayload?: boolean | undefined;
  /** Such as STANDARD_IA; the bucket's default when absent. */
  readonly storageClass?: string | undefined;
  /** Encryption with a key of the customer's (SSE-C): 32 bytes in base64. Only over https or on this machine. */
  readonly sseCustomerKey?: string | undefined;
  /** Encryption with a key of the provider's key service (SSE-KMS). */
  readonly sseKmsKeyId?: string | undefined;
  /** Least size of a part of a multipart upload, 5 MiB to 5 GiB; grows with the object; 5 MiB when absent. */
  readonly partSizeBytes?: number | undefined;
  /** Parts that are uploaded at the same time, 1 to 16; 3 when absent. */
  readonly concurrency?: number | undefined;
  /**
   * How long an answer is waited for before the request is sent again, without what the bytes take on a slow line: 100
   * to 600000; 30000 when absent.
   */
  readonly requestTimeoutMs?: number | undefined;
  /** Writers of one replica keep each other out by a lease, where the provider can; on when absent. */
  readonly leaseEnabled?: boolean | undefined;
}

/** A replica in a store that `registerStore` made known for the scheme of its URL; in the layout `segments`. */
export interface UrlReplicaOptions extends CommonReplicaOptions {
  readonly type: "url";
  readonly url: string;
}

/** A destination that a database is replicated to, or restored from. */
export type ReplicaOptions = FileReplicaOptions | S3ReplicaOptions | UrlReplicaOptions;
