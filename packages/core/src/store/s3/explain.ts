/** What a failed request means, in one line, and what to do about it. */
import { errorMessage, type ErrorCode, LitestreamError } from "../../errors.ts";

/** How a request failed, as far as the server, or the way to it, says. */
export interface RequestFailure {
  /** As in "put" or "list". */
  readonly operation: string;
  /** For people: the object's, or the replica's, URL without secrets. */
  readonly path: string;
  /** The server's name and port. */
  readonly host: string;
  readonly bucket: string;
  readonly region: string;
  /** Undefined where no answer came. */
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly message: string | undefined;
  /** The region that the server names instead. */
  readonly otherRegion: string | undefined;
  /** How far its clock is before ours, in milliseconds. */
  readonly clockAheadMs: number | undefined;
  readonly attempts: number;
  readonly cause: unknown;
}

interface Explanation {
  readonly code?: ErrorCode;
  readonly why: (failure: RequestFailure) => string;
  readonly hint: (failure: RequestFailure) => string;
}

const missingBucket: Explanation = {
  why: ({ bucket, host }) => `there is no bucket ${bucket} at ${host}`,
  hint: () => "Create it, or correct bucket, endpoint or region.",
};
const denied: Explanation = {
  why: ({ bucket }) => `access to the bucket ${bucket} is denied`,
  hint: () => "Allow these keys s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject there.",
};
const wrongRegion: Explanation = {
  why: ({ bucket, otherRegion, region }) =>
    `the bucket ${bucket} is not in the region ${region}${otherRegion === undefined ? "" : ` but in ${otherRegion}`}`,
  hint: ({ otherRegion }) => `Set region to ${otherRegion ?? "that of the bucket"}.`,
};
const expired: Explanation = {
  why: () => "the keys have expired",
  hint: () => "Renew the session, or use keys that last.",
};
const missingObject: Explanation = { code: "OBJECT_MISSING", why: () => "it does not exist", hint: () => "" };
const full: Explanation = {
  why: ({ host }) => `${host} has no space left`,
  hint: () => "Free space there, or raise the quota; replication goes on by itself then.",
};
const otherCertificate: Explanation = {
  why: ({ host, cause }) => `the certificate of ${host} cannot be trusted: ${errorMessage(cause)}`,
  hint: () => "Give the server a certificate that this machine trusts, or set skip-verify.",
};

const byCode: Readonly<Record<string, Explanation>> = {
  NoSuchKey: missingObject,
  NoSuchBucket: missingBucket,
  AccessDenied: denied,
  AllAccessDisabled: denied,
  AccountProblem: denied,
  InvalidAccessKeyId: {
    why: ({ host }) => `${host} does not know the access key`,
    hint: () => "Correct access-key-id, or the environment's AWS_ACCESS_KEY_ID.",
  },
  SignatureDoesNotMatch: {
    why: () => "the secret access key is not that of the access key",
    hint: () => "Correct secret-access-key, or the environment's AWS_SECRET_ACCESS_KEY.",
  },
  RequestTimeTooSkewed: {
    why: ({ clockAheadMs, host }) => `this machine's clock is wrong${skewText(clockAheadMs, host)}`,
    hint: () => "Set the clock, by NTP for instance.",
  },
  RequestExpired: expired,
  ExpiredToken: expired,
  InvalidToken: expired,
  TokenRefreshRequired: expired,
  PermanentRedirect: wrongRegion,
  TemporaryRedirect: wrongRegion,
  AuthorizationHeaderMalformed: wrongRegion,
  IllegalLocationConstraintException: wrongRegion,
  InvalidBucketName: {
    why: ({ bucket }) => `the server takes no bucket ${bucket}`,
    hint: () => "Correct bucket, or set force-path-style.",
  },
  InvalidStorageClass: {
    why: () => "the provider does not know the storage class",
    hint: () => "Correct storage-class, or leave it out.",
  },
  PreconditionFailed: {
    code: "OBJECT_CHANGED",
    why: () => "it was changed by somebody else meanwhile",
    hint: () => "Let one machine alone write the replica.",
  },
  NoSuchUpload: {
    why: () => "the upload was ended by somebody else",
    hint: () => "Let one machine alone write the replica, and let no rule end uploads that are under way.",
  },
  XMinioStorageFull: full,
  QuotaExceeded: full,
  InvalidObjectState: {
    why: () => "it is archived",
    hint: () => "Restore it from the archive first, and let no rule archive what retention needs.",
  },
};

const byStatus: Readonly<Record<number, Explanation>> = {
  301: wrongRegion,
  307: wrongRegion,
  401: denied,
  403: denied,
  404: missingObject,
  412: byCode["PreconditionFailed"] ?? denied,
  507: full,
};

const certificateProblem = /certificate|CERT_|self.signed|UNABLE_TO_|ERR_TLS|HOSTNAME/i;

/** What no other attempt changes: the server's certificate is not trusted. */
export function isCertificateProblem(cause: unknown): boolean {
  return certificateProblem.test(textOfCause(cause));
}

const byCause: readonly (readonly [RegExp, Explanation])[] = [
  [certificateProblem, otherCertificate],
  [
    /ECONNREFUSED|ConnectionRefused/i,
    {
      why: ({ host }) => `${host} accepts no connection`,
      hint: () => "Start the server, or correct endpoint; replication goes on by itself then.",
    },
  ],
  [
    /ENOTFOUND|EAI_AGAIN|DNS|getaddrinfo|FailedToOpenSocket/i,
    {
      why: ({ host }) => `${host} cannot be found or reached`,
      hint: () => "Check the network and endpoint; replication goes on by itself then.",
    },
  ],
];

const noAnswer: Explanation = {
  why: ({ host, cause }) => `no answer from ${host}: ${errorMessage(cause)}`,
  hint: () => "Check the network; replication goes on by itself when it is back.",
};

export function explain(failure: RequestFailure): LitestreamError {
  const { operation, path, cause, attempts } = failure;
  const explanation = explanationOf(failure);
  const why = explanation?.why(failure) ?? statusText(failure);
  const often = attempts > 1 ? ` (${attempts} attempts)` : "";
  const hint = explanation?.hint(failure) ?? "";
  return new LitestreamError(
    explanation?.code ?? "REPLICA_UNAVAILABLE",
    `cannot ${operation} ${path}: ${why}${often}`,
    {
      path,
      cause,
      ...(hint === "" ? {} : { hint }),
    },
  );
}

function explanationOf(failure: RequestFailure): Explanation | undefined {
  const { status, code, cause } = failure;
  if (code !== undefined && Object.hasOwn(byCode, code)) return byCode[code];
  if (status !== undefined) return code === undefined ? byStatus[status] : undefined;
  const text = textOfCause(cause);
  return byCause.find(([pattern]) => pattern.test(text))?.[1] ?? noAnswer;
}

function textOfCause(cause: unknown): string {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return `${errorMessage(cause)} ${code}`;
}

function statusText({ status, code, message, host }: RequestFailure): string {
  const said = [code, message].filter((part) => part !== undefined && part !== "").join(": ");
  return `${host} answered ${status}${said === "" ? "" : ` (${said})`}`;
}

function skewText(aheadMs: number | undefined, host: string): string {
  if (aheadMs === undefined) return "";
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  return ` by ${seconds} s: it is ${aheadMs > 0 ? "behind" : "ahead of"} that of ${host}`;
}
