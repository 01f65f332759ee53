/** Fails on a bug of ours: a state that no input and no failure of the world can lead to. Errors report the world. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${invariant}`);
}
