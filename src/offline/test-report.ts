import { printable } from '../diagnostic.ts';
import type { LineVerdict } from '../match/fail2ban/line-matcher.ts';

/** What a filter found in a line. */
export interface Result {
  readonly filter: string;
  readonly pattern: string;
  /** What would be banned: an address, or whatever the filter took for an id. */
  readonly id: string;
  readonly address: string | undefined;
  /** ms since the epoch. */
  readonly timeMs: number | undefined;
  readonly captures: ReadonlyMap<string, string>;
  /** What fail2ban's filters say besides: how many lines led to it, and the users of their connection. */
  readonly joined?: { readonly users: readonly string[]; readonly attempts: number };
  readonly follows: boolean;
}

/** Where the results go, line by line. */
export interface Report {
  readonly log: (name: string, several: boolean) => void;
  /**
   * @param ignored it fits nothing, but an exception; or it names nobody
   * @param verdict of a filter in fail2ban's dialect; undefined also for a line over which it took too long
   */
  readonly line: (number: number, text: string, results: readonly Result[], ignored: boolean, verdict?: LineVerdict) => void;
  /** A match in two steps, of which the first changes nothing: it may be broken off. Absent: the report needs more than the match. */
  readonly match?: { readonly render: (number: number, result: Result) => string; readonly take: (rendered: string) => void };
  /** Between lines: writes what there is to write. @returns if it has to be waited for */
  readonly flush: () => Promise<void> | undefined;
  /** Lines that cannot match. */
  readonly passed: (lines: number) => void;
  /** Lines that do not match must be handed over, too. */
  readonly needsMissed: boolean;
  /** @returns how many lines matched */
  readonly end: () => number;
}

/** How many lines of each kind people see without asking for all. */
const shownLines = 20;

/** @param patterns those that are shown even if nothing fits, and whether they tell of what another counts */
export function textReport(patterns: readonly { readonly name: string; readonly follows: boolean }[], showMissed: boolean): Report {
  const totals = newTotals();
  const hits = new Map<string, { lines: number; follows: boolean }>(patterns.map(({ name, follows }) => [name, { lines: 0, follows }]));
  const addresses = new Map<string, number>();
  const matchedLines: string[] = [];
  const missedLines: string[] = [];
  let log = '';
  return {
    needsMissed: showMissed,
    flush: () => undefined,
    passed: (lines) => {
      totals.lines += lines;
      totals.missed += lines;
    },
    log: (name, several) => {
      log = several ? `${name}:` : '';
    },
    line: (number, text, results, ignored) => {
      count(totals, results.length > 0, ignored);
      for (const { pattern, id, follows } of results) {
        const hit = hits.get(pattern) ?? { lines: 0, follows };
        hit.lines++;
        hits.set(pattern, hit);
        addresses.set(id, (addresses.get(id) ?? 0) + 1);
        if (matchedLines.length < shownLines)
          matchedLines.push(`${log}${number}: ${pattern} ${printable(id)}\n    ${printable(text.slice(0, 240))}`);
      }
      if (showMissed && results.length === 0 && !ignored) missedLines.push(`${log}${number}: ${printable(text)}`);
    },
    end: () => {
      const { lines, matched, missed, ignored } = totals;
      if (matchedLines.length > 0) process.stdout.write(`${matchedLines.join('\n')}\n`);
      if (matched > matchedLines.length) process.stdout.write(`... and ${matched - matchedLines.length} more (--json shows all)\n`);
      if (showMissed) process.stdout.write(missedLines.length === 0 ? '' : `\nMissed:\n${missedLines.join('\n')}\n`);
      const found = [...hits].filter(([, hit]) => hit.lines > 0).toSorted(([, a], [, b]) => b.lines - a.lines);
      if (found.length > 0) {
        process.stdout.write('\nPatterns:\n');
        for (const [name, hit] of found)
          process.stdout.write(`${String(hit.lines).padStart(8)}  ${name}${hit.follows ? ' (tells of an event counted already)' : ''}\n`);
        const top = [...addresses].toSorted(([, a], [, b]) => b - a);
        process.stdout.write(`\nAddresses: ${top.length}\n`);
        for (const [address, times] of top.slice(0, 10)) process.stdout.write(`${String(times).padStart(8)}  ${printable(address)}\n`);
      }
      process.stdout.write(
        `\nLines: ${lines} read, ${matched} matched, ${ignored} ignored, ${missed} missed${showMissed || missed === 0 ? '' : ' (--missed shows them)'}\n`,
      );
      return matched;
    },
  };
}

/** How many lines of each kind. */
export interface Totals {
  lines: number;
  matched: number;
  missed: number;
  ignored: number;
}

export function newTotals(): Totals {
  return { lines: 0, matched: 0, missed: 0, ignored: 0 };
}

/** Ignored: an exception took the line, or it names nobody. */
export function count(totals: Totals, matched: boolean, ignored: boolean): void {
  totals.lines++;
  if (matched) totals.matched++;
  else if (ignored) totals.ignored++;
  else totals.missed++;
}
