import { once } from 'node:events';
import { printable } from './diagnostic.ts';
import type { Recognised } from './model/detection.ts';
import type { Filter } from './model/filter.ts';
import type { Message, Stamp } from './model/record.ts';

/** Where the results go, line by line. */
export interface Report {
  readonly log: (name: string, several: boolean) => void;
  readonly line: (number: number, text: string, message: Message | undefined, recognised: Recognised) => void;
  /** Between lines: writes what there is to write. @returns if it has to be waited for */
  readonly flush: () => Promise<void> | undefined;
  /** Lines that cannot match. */
  readonly passed: (lines: number) => void;
  /** Lines that do not match must be handed over, too. */
  readonly needsMissed: boolean;
  /** @returns how many lines matched */
  readonly end: () => number;
}

/** So much is written at once. */
const writeLength = 64 * 1024;

/** One object for each match, in the order of the lines; last the summary. */
export function jsonReport(): Report {
  const totals = newTotals();
  let log = '';
  let out = '';
  let lastMs = NaN;
  let lastTime = 'null';
  const timeOf = ({ ms }: Stamp): string => {
    // Lines of a busy second share it.
    if (ms !== lastMs) [lastMs, lastTime] = [ms, `"${new Date(ms).toISOString()}"`];
    return lastTime;
  };
  return {
    needsMissed: false,
    log: (name, several) => {
      log = several ? `"log":${JSON.stringify(name)},` : '';
    },
    line: (number, _text, message, { detections, none }) => {
      count(totals, detections.length > 0, none.length > 0);
      for (const { filter, pattern, address, captures, follows } of detections) {
        const time = message?.stamp === undefined ? 'null' : timeOf(message.stamp);
        let held = '';
        for (const [name, value] of captures) held += `${held === '' ? '' : ','}"${name}":${JSON.stringify(value)}`;
        // Names and addresses have nothing that JSON escapes.
        out += `{${log}"line":${number},"filter":"${filter}","pattern":"${pattern}","id":"${address}","address":"${address}","time":${time},"captures":{${held}}${follows ? ',"follows":true' : ''}}\n`;
      }
    },
    flush: () => {
      if (out.length < writeLength) return undefined;
      const room = process.stdout.write(out);
      out = '';
      // Not waited for, it would all be kept: nothing is written before the loop turns.
      return room ? undefined : once(process.stdout, 'drain').then(() => undefined);
    },
    passed: (lines) => {
      totals.lines += lines;
      totals.missed += lines;
    },
    end: () => {
      process.stdout.write(`${out}${JSON.stringify({ summary: totals })}\n`);
      return totals.matched;
    },
  };
}

/** How many lines of each kind people see without asking for all. */
const shownLines = 20;

export function textReport(filter: Filter, showMissed: boolean): Report {
  const totals = newTotals();
  const hits = new Map<string, { lines: number; follows: boolean }>(
    filter.patterns.map(({ name, follows }) => [name, { lines: 0, follows }]),
  );
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
    line: (number, text, _message, { detections, none }) => {
      count(totals, detections.length > 0, none.length > 0);
      for (const { pattern, address } of detections) {
        const hit = hits.get(pattern);
        if (hit !== undefined) hit.lines++;
        addresses.set(address, (addresses.get(address) ?? 0) + 1);
        if (matchedLines.length < shownLines)
          matchedLines.push(`${log}${number}: ${pattern} ${address}\n    ${printable(text.slice(0, 240))}`);
      }
      if (showMissed && detections.length === 0 && none.length === 0) missedLines.push(`${log}${number}: ${printable(text)}`);
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
        for (const [address, times] of top.slice(0, 10)) process.stdout.write(`${String(times).padStart(8)}  ${address}\n`);
      }
      process.stdout.write(
        `\nLines: ${lines} read, ${matched} matched, ${ignored} ignored, ${missed} missed${showMissed || missed === 0 ? '' : ' (--missed shows them)'}\n`,
      );
      return matched;
    },
  };
}

interface Totals {
  lines: number;
  matched: number;
  missed: number;
  ignored: number;
}

function newTotals(): Totals {
  return { lines: 0, matched: 0, missed: 0, ignored: 0 };
}

/** Ignored: an exception took the line, or it names nobody. */
function count(totals: Totals, matched: boolean, ignored: boolean): void {
  totals.lines++;
  if (matched) totals.matched++;
  else if (ignored) totals.ignored++;
  else totals.missed++;
}
