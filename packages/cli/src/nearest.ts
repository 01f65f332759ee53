/**
 * The candidate that `word` most likely was meant to be, or undefined when none is close. A word that begins a
 * candidate is close to it; otherwise at most a third of the letters may differ, and of a single letter its case.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = wanted.length >= 2 && candidate.startsWith(wanted) ? 1 : editDistance(wanted, candidate);
    const lettersMin = Math.min(wanted.length, candidate.length);
    const distanceMax = lettersMin < 2 ? 0 : Math.ceil(lettersMin / 3);
    if (distance <= distanceMax && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours each count 1. */
export function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let distance = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        distance = Math.min(distance, at(beforePrevious, column - 2) + 1);
      }
      current.push(distance);
    }
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}

/** `; did you mean "X"?`, or nothing when no candidate is close. */
export function didYouMean(word: string, candidates: Iterable<string>, prefix = ""): string {
  const candidate = nearest(word, candidates);
  return candidate === undefined ? "" : `; did you mean "${prefix}${candidate}"?`;
}
