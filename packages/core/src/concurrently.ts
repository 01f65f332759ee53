/** What `work` gives for each item, in order, with up to `countMax` under way at a time. The first error ends it. */
export async function mapConcurrently<T, R>(
  items: readonly T[],
  countMax: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const pending = items.entries();
  const takeNext = async (): Promise<void> => {
    for (const [i, item] of pending) results[i] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(countMax, items.length) }, takeNext));
  return results;
}
