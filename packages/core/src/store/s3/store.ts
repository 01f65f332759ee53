/** Objects in a bucket of S3, or of whoever speaks its protocol. */
import { createHash } from "node:crypto";
import { isLitestreamError, LitestreamError } from "../../errors.ts";
import type { S3ReplicaOptions } from "../../replica-options.ts";
import type { ConditionalStore, PutOptions, ReadOptions, Store, StoreEntry } from "../store.ts";
import { type RequestRecord, S3Client } from "./client.ts";
import { CredentialsKeeper, credentialsSource } from "./credentials.ts";
import { download } from "./download.ts";
import { type Environment, resolveEndpoint, type S3Endpoint } from "./endpoint.ts";
import { deleteObjects, listObjects, listUploads } from "./listing.ts";
import { partSizeBytesDefault, partSizeBytesMax, partSizeBytesMin } from "./parts.ts";
import { upload, type UploadOptions } from "./upload.ts";

const concurrencyDefault = 3;
const concurrencyMax = 16;
/** Small objects: 600 of them, 20 ms away, took 14.5 s one at a time, and 2.1 s so (bench/src/distant.ts). */
const readsAtOnce = 16;
const requestTimeoutDefaultMs = 30_000;

export interface S3StoreParts {
  /** Called for each request that was sent, also for those that failed. */
  readonly onRequest?: (record: RequestRecord) => void;
  /** That of the process when absent. */
  readonly env?: Environment;
}

export class S3Store implements Store {
  readonly location: string;
  readonly readsAtOnce: number = readsAtOnce;
  readonly #endpoint: S3Endpoint;
  readonly #client: S3Client;
  readonly #upload: UploadOptions;
  readonly conditional?: ConditionalStore;

  /** @throws LitestreamError CONFIG_INVALID; nothing is sent before the store is used */
  constructor(options: S3ReplicaOptions, parts: S3StoreParts = {}) {
    const { env = process.env, onRequest = () => undefined } = parts;
    this.#endpoint = resolveEndpoint(options, env);
    this.location = this.#endpoint.location;
    const { provider } = this.#endpoint;
    this.#client = new S3Client({
      endpoint: this.#endpoint,
      credentials: new CredentialsKeeper(credentialsSource(options, env)),
      signPayload: options.signPayload ?? true,
      skipVerify: options.skipVerify ?? false,
      onRequest,
      answerTimeoutMs: within("request-timeout", options.requestTimeoutMs ?? requestTimeoutDefaultMs, 100, 600_000),
    });
    const customerKey = customerKeyHeaders(options.sseCustomerKey);
    this.#upload = {
      client: this.#client,
      objectHeaders: { ...objectHeaders(options), ...customerKey },
      partHeaders: customerKey,
      leastPartSizeBytes: within(
        "part-size",
        options.partSizeBytes ?? partSizeBytesDefault,
        partSizeBytesMin,
        partSizeBytesMax,
      ),
      concurrency: Math.min(
        within("concurrency", options.concurrency ?? concurrencyDefault, 1, concurrencyMax),
        provider.concurrencyMax,
      ),
      uploads: new Set(),
    };
    if (provider.hasConditionalWrites) this.conditional = new S3ConditionalStore(this.#client, this.#upload);
  }

  list(prefix: string, signal?: AbortSignal): Promise<StoreEntry[]> {
    return listObjects(this.#client, this.#endpoint, prefix, signal);
  }

  read(key: string, options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    return download(this.#client, key, options, this.#upload.partHeaders);
  }

  put(
    key: string,
    content: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    options: PutOptions = {},
  ): Promise<{ sizeBytes: number }> {
    return upload(key, content, signal, options.sizeHintBytes, this.#upload);
  }

  delete(keys: readonly string[], signal?: AbortSignal): Promise<void> {
    return deleteObjects(this.#client, this.#endpoint, keys, signal);
  }

  /**
   * Ends uploads whose key begins with `prefix` and that are none of this store's own: left by one that was killed.
   * MinIO lists uploads only where `prefix` is their whole key.
   */
  async removeUnfinished(prefix: string, signal?: AbortSignal): Promise<string[]> {
    const uploads = await listUploads(this.#client, this.#endpoint, prefix, signal);
    const removed: string[] = [];
    for (const { key, uploadId } of uploads) {
      if (this.#upload.uploads.has(uploadId)) continue;
      const query = { uploadId };
      const operation = "abort the upload of";
      await this.#client.send({ method: "DELETE", operation, key, query, answers: [404], signal });
      removed.push(key);
    }
    return removed;
  }
}

/** Small objects, with the conditions that S3 knows since 2024. */
class S3ConditionalStore implements ConditionalStore {
  readonly #client: S3Client;
  readonly #upload: UploadOptions;

  constructor(client: S3Client, options: UploadOptions) {
    this.#client = client;
    this.#upload = options;
  }

  async get(key: string, signal?: AbortSignal): Promise<{ bytes: Uint8Array; identity: string } | undefined> {
    try {
      const headers = this.#upload.partHeaders;
      const { body, headers: found } = await this.#client.send({
        method: "GET",
        operation: "read",
        key,
        headers,
        signal,
      });
      return { bytes: body, identity: found.get("etag") ?? "" };
    } catch (error) {
      if (isLitestreamError(error, "OBJECT_MISSING")) return undefined;
      throw error;
    }
  }

  async putIf(
    key: string,
    bytes: Uint8Array,
    before: string | undefined,
    signal?: AbortSignal,
  ): Promise<{ identity: string } | "changed" | "unable"> {
    const condition: Record<string, string> = before === undefined ? { "if-none-match": "*" } : { "if-match": before };
    const { status, headers } = await this.#client.send({
      method: "PUT",
      operation: "put",
      key,
      body: bytes,
      headers: { ...this.#upload.objectHeaders, ...condition },
      // 404: to be replaced, and gone; 409: somebody else writes it at the same time.
      answers: [404, 409, 412, 501],
      signal,
    });
    if (status === 501) return "unable";
    return status === 200 ? { identity: headers.get("etag") ?? "" } : "changed";
  }
}

function objectHeaders({ storageClass, sseKmsKeyId }: S3ReplicaOptions): Record<string, string> {
  return {
    ...(storageClass ? { "x-amz-storage-class": storageClass } : {}),
    ...(sseKmsKeyId
      ? { "x-amz-server-side-encryption": "aws:kms", "x-amz-server-side-encryption-aws-kms-key-id": sseKmsKeyId }
      : {}),
  };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html */
function customerKeyHeaders(key: string | undefined): Record<string, string> {
  if (!key) return {};
  const bytes = Buffer.from(key, "base64");
  if (bytes.byteLength !== 32) {
    throw new LitestreamError("CONFIG_INVALID", "sse-customer-key is not a key of 32 bytes in base64", {
      hint: "Make one with: openssl rand -base64 32",
    });
  }
  return {
    "x-amz-server-side-encryption-customer-algorithm": "AES256",
    "x-amz-server-side-encryption-customer-key": bytes.toString("base64"),
    "x-amz-server-side-encryption-customer-key-md5": createHash("md5").update(bytes).digest("base64"),
  };
}

function within(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new LitestreamError("CONFIG_INVALID", `${name} is ${value}`, {
    hint: `Give a whole number from ${min} to ${max}.`,
  });
}
