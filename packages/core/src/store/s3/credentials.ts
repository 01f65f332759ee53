/**
 * The keys that requests are signed with: given, in the environment, or found where Amazon's tools look, with a library
 * that is loaded only then. Keys that expire are had anew before they do.
 */
import { errorMessage, LitestreamError } from "../../errors.ts";
import type { S3ReplicaOptions } from "../../replica-options.ts";
import type { Environment } from "./endpoint.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly expiration?: Date | undefined;
}

/** How long before they expire keys are had anew: requests under way must end with them. */
const refreshBeforeMs = 5 * 60_000;
/** Where new ones cannot be had, the old ones are used until so close to their end. */
const lastUseBeforeMs = 10_000;
/** How long a failure to get new keys is not tried again while the old ones hold. */
const refreshRetryMs = 10_000;

export type CredentialsSource = () => Promise<Credentials>;

/** Keys as they are now. */
export class CredentialsKeeper {
  readonly #source: CredentialsSource;
  readonly #nowMs: () => number;
  #current: Credentials | undefined;
  #getting: Promise<Credentials> | undefined;
  #notBeforeMs = 0;

  constructor(source: CredentialsSource, nowMs: () => number = Date.now) {
    this.#source = source;
    this.#nowMs = nowMs;
  }

  /** @throws LitestreamError REPLICA_UNAVAILABLE when there are none */
  async get(): Promise<Credentials> {
    const current = this.#current;
    const leftMs = this.#leftMs(current);
    if (current !== undefined && (leftMs > refreshBeforeMs || this.#nowMs() < this.#notBeforeMs)) return current;
    try {
      return await this.#renew();
    } catch (error) {
      if (current === undefined || this.#leftMs(current) < lastUseBeforeMs) throw error;
      this.#notBeforeMs = this.#nowMs() + refreshRetryMs;
      return current;
    }
  }

  /** The server says that they have expired, whatever we think. */
  forget(): void {
    this.#current = undefined;
  }

  #leftMs(credentials: Credentials | undefined): number {
    const endsMs = credentials?.expiration?.getTime() ?? Infinity;
    return credentials === undefined ? 0 : endsMs - this.#nowMs();
  }

  /** One at a time, however many requests wait for it. */
  #renew(): Promise<Credentials> {
    this.#getting ??= this.#source()
      .then((credentials) => {
        this.#current = credentials;
        return credentials;
      })
      .finally(() => {
        this.#getting = undefined;
      });
    return this.#getting;
  }
}

/**
 * Where the keys come from, in this order: the options, AWS_…, LITESTREAM_… (as Litestream has it), Amazon's chain.
 * @throws LitestreamError CONFIG_INVALID when one of two keys is missing
 */
export function credentialsSource(options: S3ReplicaOptions, env: Environment): CredentialsSource {
  const given =
    pairOf("access-key-id", options.accessKeyId, "secret-access-key", options.secretAccessKey, options.sessionToken) ??
    pairFrom(env, "AWS_", env["AWS_SESSION_TOKEN"]) ??
    pairFrom(env, "LITESTREAM_", env["LITESTREAM_SESSION_TOKEN"]);
  return given === undefined ? amazonChain(options) : () => Promise.resolve(given);
}

function pairFrom(env: Environment, prefix: string, sessionToken: string | undefined): Credentials | undefined {
  const [idName, secretName] = [`${prefix}ACCESS_KEY_ID`, `${prefix}SECRET_ACCESS_KEY`];
  return pairOf(idName, env[idName], secretName, env[secretName], sessionToken);
}

function pairOf(
  idName: string,
  accessKeyId: string | undefined,
  secretName: string,
  secretAccessKey: string | undefined,
  sessionToken: string | undefined,
): Credentials | undefined {
  if (!accessKeyId && !secretAccessKey) return undefined;
  if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey, sessionToken: sessionToken || undefined };
  const [missing, there] = accessKeyId ? [secretName, idName] : [idName, secretName];
  throw new LitestreamError("CONFIG_INVALID", `${there} is given without ${missing}`, {
    hint: `Give ${missing}, too.`,
  });
}

function amazonChain(options: S3ReplicaOptions): CredentialsSource {
  let chain: CredentialsSource | undefined;
  return async () => {
    try {
      if (chain === undefined) {
        const { fromNodeProviderChain } = await import("@aws-sdk/credential-providers");
        const region = options.region;
        chain = fromNodeProviderChain(region === undefined ? {} : { clientConfig: { region } });
      }
      return await chain();
    } catch (error) {
      throw new LitestreamError(
        "REPLICA_UNAVAILABLE",
        `no keys for the bucket ${options.bucket}: ${errorMessage(error)}`,
        {
          path: options.bucket,
          hint: "Give access-key-id and secret-access-key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
          cause: error,
        },
      );
    }
  };
}
