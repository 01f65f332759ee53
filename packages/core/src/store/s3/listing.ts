/** Lists and deletes objects and unfinished uploads of one replica, page by page. */
import { LitestreamError } from "../../errors.ts";
import type { StoreEntry } from "../store.ts";
import { md5Base64, type S3Client } from "./client.ts";
import type { S3Endpoint } from "./endpoint.ts";
import { isPassing } from "./retry.ts";
import { childOf, childrenOf, escapeXml, parseXml, textOf, type XmlElement } from "./xml.ts";

/** Keys of one request to delete: S3's limit. */
const deletedPerRequestMax = 1000;
/** Requests to delete one object each, at the same time. */
const deletesAtOnce = 8;
/** How often keys are tried again that the server could not delete for a passing reason. */
const deleteAttemptsMax = 5;

/** Objects whose key below the replica's root begins with `prefix`, in the order of their keys. */
export async function listObjects(
  client: S3Client,
  endpoint: S3Endpoint,
  prefix: string,
  signal: AbortSignal | undefined,
): Promise<StoreEntry[]> {
  const entries: StoreEntry[] = [];
  const query = { "list-type": "2", prefix: `${endpoint.prefix}${prefix}`, "encoding-type": "url" };
  for (let token: string | undefined, isFirst = true; isFirst || token !== undefined; isFirst = false) {
    const page = await readPage(
      client,
      "list",
      "ListBucketResult",
      {
        ...query,
        ...(token === undefined ? {} : { "continuation-token": token }),
      },
      signal,
    );
    const isEncoded = textOf(page, "EncodingType") === "url";
    for (const object of childrenOf(page, "Contents")) {
      const entry = entryOf(object, endpoint.prefix, isEncoded);
      if (entry !== undefined) entries.push(entry);
    }
    token = nextPage(client, page, "NextContinuationToken", token);
  }
  return entries.toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

export interface UnfinishedUpload {
  /** Below the replica's root. */
  readonly key: string;
  readonly uploadId: string;
}

export async function listUploads(
  client: S3Client,
  endpoint: S3Endpoint,
  prefix: string,
  signal: AbortSignal | undefined,
): Promise<UnfinishedUpload[]> {
  const uploads: UnfinishedUpload[] = [];
  const query = { uploads: "", prefix: `${endpoint.prefix}${prefix}`, "encoding-type": "url" };
  let marker: { readonly key: string; readonly id: string } | undefined;
  for (let isFirst = true; isFirst || marker !== undefined; isFirst = false) {
    const at = marker === undefined ? {} : { "key-marker": marker.key, "upload-id-marker": marker.id };
    const page = await readPage(
      client,
      "list the uploads of",
      "ListMultipartUploadsResult",
      { ...query, ...at },
      signal,
    );
    const isEncoded = textOf(page, "EncodingType") === "url";
    for (const upload of childrenOf(page, "Upload")) {
      const key = decodeKey(textOf(upload, "Key"), isEncoded);
      const uploadId = textOf(upload, "UploadId");
      if (key?.startsWith(endpoint.prefix) !== true || uploadId === undefined) continue;
      uploads.push({ key: key.slice(endpoint.prefix.length), uploadId });
    }
    const id = nextPage(client, page, "NextUploadIdMarker", marker?.id);
    const nextKey = decodeKey(textOf(page, "NextKeyMarker"), isEncoded);
    marker = id === undefined || nextKey === undefined ? undefined : { key: nextKey, id };
  }
  return uploads;
}

/** @throws LitestreamError REPLICA_UNAVAILABLE, naming the first that could not be deleted */
export async function deleteObjects(
  client: S3Client,
  endpoint: S3Endpoint,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!endpoint.provider.hasBatchDelete || keys.length === 1) return deleteOneByOne(client, keys, signal);
  for (let start = 0; start < keys.length; start += deletedPerRequestMax) {
    let rest: readonly string[] = keys.slice(start, start + deletedPerRequestMax);
    for (let attempt = 1; rest.length > 0; attempt++) {
      const failures = await deleteBatch(client, endpoint, rest, signal);
      const lasting = failures.find(({ code }) => attempt === deleteAttemptsMax || !isPassing({ status: 200, code }));
      if (lasting !== undefined) {
        const path = client.pathOf(lasting.key);
        throw new LitestreamError(
          "REPLICA_UNAVAILABLE",
          `cannot delete ${path}, and ${failures.length - 1} more: ${lasting.code}: ${lasting.message}`,
          { path, hint: hintFor(lasting.code) },
        );
      }
      rest = failures.map(({ key }) => key);
    }
  }
}

interface DeleteFailure {
  readonly key: string;
  readonly code: string;
  readonly message: string;
}

/** @returns what could not be deleted: a request that succeeds says nothing of its keys */
async function deleteBatch(
  client: S3Client,
  endpoint: S3Endpoint,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<DeleteFailure[]> {
  const list = keys.map((key) => `<Object><Key>${escapeXml(`${endpoint.prefix}${key}`)}</Key></Object>`).join("");
  const body = new TextEncoder().encode(`<Delete><Quiet>true</Quiet>${list}</Delete>`);
  const response = await client.send({
    method: "POST",
    operation: "delete objects of",
    query: { delete: "" },
    headers: { "content-type": "application/xml", "content-md5": md5Base64(body) },
    body,
    signal,
  });
  const result = childOf(await parseXml(new TextDecoder().decode(response.body)), "DeleteResult");
  return childrenOf(result, "Error").flatMap((error) => {
    const [key, code = "", message = ""] = [textOf(error, "Key"), textOf(error, "Code"), textOf(error, "Message")];
    return code === "NoSuchKey" || key === undefined ? [] : [{ key: key.slice(endpoint.prefix.length), code, message }];
  });
}

async function deleteOneByOne(
  client: S3Client,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const rest = [...keys];
  const work = async (): Promise<void> => {
    for (let key = rest.shift(); key !== undefined; key = rest.shift()) {
      await client.send({ method: "DELETE", operation: "delete", key, answers: [404], signal });
    }
  };
  await Promise.all(Array.from({ length: Math.min(deletesAtOnce, keys.length) }, work));
}

function hintFor(code: string): string {
  if (code === "AccessDenied") return "Allow these keys s3:DeleteObject, or set delete-free where objects are locked.";
  return "It is tried again at the next check of retention.";
}

async function readPage(
  client: S3Client,
  operation: string,
  root: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<XmlElement> {
  const response = await client.send({ method: "GET", operation, query, signal });
  const document = await parseXml(new TextDecoder().decode(response.body));
  if (document[root] !== undefined) return childOf(document, root);
  throw unreadable(client, `it is no ${root}`);
}

/** Where the next page begins. A server that begins it where this one did would be asked for ever. */
function nextPage(client: S3Client, page: XmlElement, name: string, before: string | undefined): string | undefined {
  if (textOf(page, "IsTruncated") !== "true") return undefined;
  const next = textOf(page, name);
  if (next !== undefined && next !== before) return next;
  throw unreadable(client, "it says that there is more, and not where");
}

function entryOf(object: XmlElement, prefix: string, isEncoded: boolean): StoreEntry | undefined {
  const key = decodeKey(textOf(object, "Key"), isEncoded);
  const [sizeBytes, modifiedAt] = [Number(textOf(object, "Size")), new Date(textOf(object, "LastModified") ?? "")];
  // A key that ends with a slash is a folder that a console made.
  if (key?.startsWith(prefix) !== true || key.endsWith("/")) return undefined;
  if (!Number.isSafeInteger(sizeBytes) || Number.isNaN(modifiedAt.getTime())) return undefined;
  const identity = textOf(object, "ETag");
  const entry = { key: key.slice(prefix.length), sizeBytes, modifiedAt };
  return identity === undefined ? entry : { ...entry, identity };
}

function decodeKey(key: string | undefined, isEncoded: boolean): string | undefined {
  return key === undefined || !isEncoded ? key : decodeURIComponent(key.replaceAll("+", " "));
}

function unreadable(client: S3Client, why: string): LitestreamError {
  const path = client.pathOf(undefined);
  return new LitestreamError("REPLICA_UNAVAILABLE", `the listing of ${path} cannot be read: ${why}`, {
    path,
    hint: "Check that endpoint names a server of the S3 protocol.",
  });
}
