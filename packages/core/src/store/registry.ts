/** Stores by the scheme of their URL: those of others, beside `file` and `s3`. */
import { LitestreamError } from "../errors.ts";
import type { RequestRecord } from "./s3/client.ts";
import type { Store } from "./store.ts";

export interface StoreContext {
  /** To be called for each request, also for those that failed: what `replica-operation` events are made of. */
  readonly onRequest: (record: RequestRecord) => void;
}

/**
 * Makes a store for a URL. Called when a replica is opened; what it needs first, it does at the first use.
 * @throws LitestreamError CONFIG_INVALID for a URL that it cannot use
 */
export type StoreFactory = (url: string, context: StoreContext) => Store;

const factories = new Map<string, StoreFactory>();

/**
 * Makes replicas known whose URL has this scheme; they are in the layout `segments`. To be called once, in each process
 * that replicates or restores. A store is right if it passes `describeStore` of @litestream/testkit/store-contract.
 * @throws LitestreamError CONFIG_INVALID for a scheme that is none, or is taken
 */
export function registerStore(scheme: string, factory: StoreFactory): void {
  const name = scheme.toLowerCase();
  if (!/^[a-z][a-z0-9+.-]*$/.test(name)) {
    throw new LitestreamError("CONFIG_INVALID", `not the scheme of a URL: "${scheme}"`, {
      hint: "Give what comes before ://, such as azure.",
    });
  }
  if (name === "file" || name === "s3" || factories.has(name)) {
    throw new LitestreamError("CONFIG_INVALID", `there is a store for ${name}:// already`, {
      hint: "Register each scheme once, and another one for another store.",
    });
  }
  factories.set(name, factory);
}

export function registeredSchemes(): string[] {
  return [...factories.keys()];
}

/** The scheme of a URL, lower-case; empty where it has none. */
export function schemeOf(url: string): string {
  return /^([a-z][a-z0-9+.-]*):\/\//i.exec(url)?.[1]?.toLowerCase() ?? "";
}

/** @throws LitestreamError CONFIG_INVALID */
export function openRegisteredStore(url: string, context: StoreContext): Store {
  const scheme = schemeOf(url);
  const factory = factories.get(scheme);
  if (factory !== undefined) return factory(url, context);
  throw new LitestreamError(
    "CONFIG_INVALID",
    `no store was registered for ${scheme === "" ? "such a URL" : `${scheme}://`}`,
    {
      hint: "Call registerStore before the replica is opened.",
    },
  );
}
