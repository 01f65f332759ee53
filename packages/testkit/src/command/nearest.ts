/** `; did you mean "X"?` for the candidate closest to `word`, or nothing when none is close. */
export function didYouMean(word: string, candidates: Iterable<string>, prefix = ""): string {
  const wanted = word.toLowerCase();
  let best: { readonly candidate: string; readonly distance: number } | undefined;
  for (const candidate of candidates) {
    const begins = wanted.length >= 2 && candidate.startsWith(wanted);
    const distance = begins ? 1 : editDistance(wanted, candidate);
    const limit = Math.ceil(Math.min(wanted.length, candidate.length) / 3);
    if (distance <= limit && distance < (best?.distance ?? Infinity)) best = { candidate, distance };
  }
  return best === undefined ? "" : `; did you mean "${prefix}${best.candidate}"?`;
}

/** Letters to insert, delete or replace to make one of the other. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
