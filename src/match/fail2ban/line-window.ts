import type { RegexHit } from '../../model/foreign-filter.ts';

/** One line as the expressions see it. */
export interface WindowLine {
  /** Without its date. */
  readonly text: string;
  /** As it was read. */
  readonly whole: string;
}

/** The text that is searched: every line ends in a newline. */
export function joinedText(lines: readonly WindowLine[]): string {
  const [only] = lines;
  if (only !== undefined && lines.length === 1) return `${only.text}\n`;
  return lines.map(({ text }) => `${text}\n`).join('');
}

export interface Split {
  readonly matched: readonly WindowLine[];
  readonly unmatched: readonly WindowLine[];
}

/**
 * Which of the lines a match spans. Lines that `<SKIPLINES>` took count as unmatched, so that another match can find them.
 *
 * @param searched the text in which `hit` was found: that of the lines, or something cut out of it
 */
export function splitLines(lines: readonly WindowLine[], searched: string, hit: RegexHit): Split {
  if (lines.length <= 1) return { matched: lines, unmatched: [] };
  const from = searched.lastIndexOf('\n', hit.start) + 1;
  const newline = searched.indexOf('\n', Math.max(0, hit.end - 1));
  const to = newline === -1 ? searched.length : newline + 1;
  const first = countNewlines(searched, from);
  const last = countNewlines(searched, to);
  const matched = lines.slice(first, last);
  const unmatched = lines.slice(0, first);
  let place = 0;
  for (const skipped of skippedLines(hit)) {
    const found = matched.findIndex(({ text }, index) => index >= place && text === skipped);
    if (found === -1) continue;
    unmatched.push(...matched.splice(found, 1));
    place = found;
  }
  return { matched, unmatched: [...unmatched, ...lines.slice(last)] };
}

function skippedLines({ groups }: RegexHit): readonly string[] {
  let text = '';
  for (let index = 0; groups.has(`skiplines${index}`); index++) text += groups.get(`skiplines${index}`) ?? '';
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

function countNewlines(text: string, end: number): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1 && at < end; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
