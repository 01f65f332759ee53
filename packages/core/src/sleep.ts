const never = new Int32Array(new SharedArrayBuffer(4));

/** Stops this thread for `ms`, which may be a fraction. */
export function sleepSync(ms: number): void {
  Atomics.wait(never, 0, 0, ms);
}
