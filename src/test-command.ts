import { exit } from './cli/exit.ts';
import type { TestOptions, Wanted } from './cli/options.ts';
import { formatDiagnostic, printable } from './diagnostic.ts';
import { createMatcher, type Matcher } from './match/matcher.ts';
import type { Recognised } from './model/detection.ts';
import type { Filter } from './model/filter.ts';
import type { LogRecord, Message, TrustedFields } from './model/record.ts';
import { endOfLog, type LogPlace, placeOfLog, readLog } from './receive/read-log.ts';
import { bareMessage, parseLine, recordOf } from './recognise.ts';
import { compilePattern } from './rules/native/pattern-compile.ts';
import { provePattern } from './rules/native/pattern-proof.ts';
import { parsePattern } from './rules/native/pattern-syntax.ts';
import { findFilter } from './setup.ts';

/** `sluice test`: which lines of a log a filter or a pattern matches. Exit 5 if none. */
export async function testCommand({ logs, wanted, nowMs, missed, json }: TestOptions): Promise<number> {
  const found = wantedFilter(wanted);
  if ('mistakes' in found) {
    process.stderr.write(`${found.mistakes}\n`);
    return exit.unusable;
  }
  const output = json ? jsonReport() : textReport(found.filter, missed);
  let trouble = false;
  for (const name of logs) {
    output.log(name, logs.length > 1);
    const place = placeOfLog(name);
    const why =
      place === undefined
        ? `${name}: there is no such file, and it is no log line (that has a space)`
        : await testLog(place, found, nowMs ?? endOfLog(place) ?? Date.now(), output);
    if (why === undefined) continue;
    process.stderr.write(`sluice test: ${printable(why)}\n`);
    trouble = true;
  }
  const matched = output.end();
  if (trouble) return exit.failed;
  return matched === 0 ? exit.nothing : exit.ok;
}

/** What is looked for. `anyProgram`: a pattern that was typed has no programs; it is tried on every message. */
interface Found {
  readonly filter: Filter;
  readonly anyProgram: boolean;
}

function wantedFilter(wanted: Wanted): Found | { readonly mistakes: string } {
  if (wanted.kind === 'filter') {
    const found = findFilter(wanted.spec);
    return 'mistakes' in found ? found : { filter: found.filter, anyProgram: false };
  }
  const { syntax, mistakes: written } = parsePattern(wanted.text);
  const { proof, mistakes: unproved } = written.length > 0 ? { proof: 'none' as const, mistakes: [] } : provePattern(syntax, 'address');
  const mistakes = [...written, ...unproved];
  if (mistakes.length > 0) {
    const place = { file: '--pattern', line: 1, severity: 'error' } as const;
    const rendered = mistakes.map(({ start, end, message, help }) =>
      formatDiagnostic({ ...place, column: start + 1, length: Math.max(1, end - start), message, help }, wanted.text),
    );
    return { mistakes: rendered.join('\n') };
  }
  const pattern = compilePattern(syntax, proof, { name: 'pattern', follows: false, address: { kind: 'own' }, cutBytes: undefined });
  const ports = { kind: 'all' } as const;
  const filter = {
    name: '--pattern',
    about: '',
    programs: [anyProgram],
    journal: [],
    ports,
    patterns: [pattern],
    except: [],
    remember: [],
  };
  return { filter, anyProgram: true };
}

const anyProgram = '*';

/** Where the results go, line by line. */
interface Report {
  readonly log: (name: string, several: boolean) => void;
  readonly line: (number: number, text: string, message: Message | undefined, recognised: Recognised) => void;
  /** @returns how many lines matched */
  readonly end: () => number;
}

/** @returns why the log could not be read to its end */
async function testLog(place: LogPlace, { filter, anyProgram: any }: Found, nowMs: number, report: Report): Promise<string | undefined> {
  const clock = { nowMs, timezone: 'local' };
  const matcher: Matcher = createMatcher([filter]);
  const judge = (number: number, text: string, message: Message | undefined, trusted: TrustedFields | undefined): void => {
    if (message === undefined) return report.line(number, text, undefined, nothing);
    const record = recordOf(any ? { ...message, appName: anyProgram } : message, 'test', nowMs);
    report.line(number, text, message, matcher.match(trusted === undefined || any ? record : fromJournal(record, trusted)));
  };
  // A line given by hand may be the message alone: take it for one of the filter's.
  const bare = (text: string): Message | undefined => (place.kind === 'line' ? bareMessage(text, filter.programs[0] ?? '') : undefined);
  return readLog(place, {
    line: (text, number) => judge(number, text, parseLine(text, clock) ?? bare(text), undefined),
    entry: ({ message, trusted }, number) =>
      judge(number, `${message.appName ?? ''}[${message.procId ?? ''}]: ${message.text}`, message, trusted),
  });
}

function fromJournal(record: LogRecord, trusted: TrustedFields): LogRecord {
  return { ...record, trusted, origin: { kind: 'journal', cursor: '', realtimeMs: record.receivedMs } };
}

const nothing: Recognised = { detections: [], none: [] };

/** One object for each match, in the order of the lines; last the summary. */
function jsonReport(): Report {
  const totals = newTotals();
  let log: string | undefined;
  let out: string[] = [];
  const flush = (): void => {
    if (out.length > 0) process.stdout.write(`${out.join('\n')}\n`);
    out = [];
  };
  return {
    log: (name, several) => {
      log = several ? name : undefined;
    },
    line: (number, _text, message, { detections, none }) => {
      count(totals, detections.length > 0, none.length > 0);
      for (const { filter, pattern, address, captures, follows } of detections) {
        const time = message?.stamp === undefined ? null : new Date(message.stamp.ms).toISOString();
        const place = log === undefined ? { line: number } : { log, line: number };
        const result = { ...place, filter, pattern, id: address, address, time, captures: Object.fromEntries(captures) };
        out.push(JSON.stringify(follows ? { ...result, follows } : result));
      }
      if (out.length >= 4_096) flush();
    },
    end: () => {
      out.push(JSON.stringify({ summary: totals }));
      flush();
      return totals.matched;
    },
  };
}

/** How many lines of each kind people see without asking for all. */
const shownLines = 20;

function textReport(filter: Filter, showMissed: boolean): Report {
  const totals = newTotals();
  const hits = new Map<string, { lines: number; follows: boolean }>(
    filter.patterns.map(({ name, follows }) => [name, { lines: 0, follows }]),
  );
  const addresses = new Map<string, number>();
  const matchedLines: string[] = [];
  const missedLines: string[] = [];
  let log = '';
  return {
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
