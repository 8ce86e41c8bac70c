/**
 * The known name that somebody probably meant: `sources` for `soruces`. Letter case and `-` against `_` do not count.
 *
 * @returns undefined if nothing is near enough. Short names must be nearer than long ones: one mistake for every three letters.
 */
export function nearestName(found: string, known: Iterable<string>): string | undefined {
  // Nobody meant a name when writing something that long, and the distance costs length x length.
  if (found.length > 64) return undefined;
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(found.length / 3)) + 1;
  for (const name of known) {
    const distance = editDistance(folded(found), folded(name));
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean "smtp"?`, to be put behind a message, or nothing. */
export function didYouMean(found: string, known: Iterable<string>): string {
  const name = nearestName(found, known);
  return name === undefined ? '' : `; did you mean "${name}"?`;
}

function folded(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(beforeLast, j - 2) + 1 : Infinity;
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced, swapped));
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
