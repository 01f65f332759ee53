import xxhash from "xxhash-wasm";

/** xxHash32 with seed 0, of bytes that come in pieces. */
export interface RunningXxHash32 {
  update(bytes: Uint8Array): unknown;
  /** The hash of everything so far, 0 to 2^32 - 1. */
  digest(): number;
}

export interface XxHash32 {
  of(bytes: Uint8Array): number;
  start(): RunningXxHash32;
}

let loading: Promise<XxHash32> | undefined;

/** One instance for the process, compiled when it is first needed. */
export function loadXxHash32(): Promise<XxHash32> {
  loading ??= xxhash().then((api) => ({
    of: (bytes) => api.h32Raw(bytes),
    start: () => api.create32(),
  }));
  return loading;
}
