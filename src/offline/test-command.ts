import { exit } from '../cli/exit.ts';
import type { TestOptions, Wanted } from '../cli/options.ts';
import { printable } from '../diagnostic.ts';
import { createMatcher, type Matcher } from '../match/matcher.ts';
import type { Detection } from '../model/detection.ts';
import type { Filter } from '../model/filter.ts';
import type { LogRecord, Message, TrustedFields } from '../model/record.ts';
import { siftRegion, splitRegion } from '../receive/log-regions.ts';
import { endOfLog, type LogPlace, placeOfLog, isPlainFile, readRegions } from '../receive/read-log.ts';
import { bareMessage, parseLine, recordOf } from './recognise.ts';
import { needlesFor, needlesOf } from '../sieve/needles.ts';
import { createSieve } from '../sieve/sieve.ts';
import type { Found } from './wanted-filter.ts';
import { jsonReport } from './json-report.ts';
import { type Report, type Result, textReport } from './test-report.ts';

/** `sluice test`: which lines of a log a filter or a pattern matches. Exit 5 if none. */
export async function testCommand({ logs, wanted, nowMs, missed, json }: TestOptions): Promise<number> {
  const tester = await openTester(wanted);
  if ('mistakes' in tester) {
    process.stderr.write(`${tester.mistakes}\n`);
    return exit.unusable;
  }
  const report = json ? jsonReport() : await tester.text(missed);
  let trouble = false;
  for (const name of logs) {
    report.log(name, logs.length > 1);
    const place = placeOfLog(name);
    const why =
      place === undefined
        ? `${name}: there is no such file, and it is no log line (that has a space)`
        : await tester.run(place, nowMs ?? endOfLog(place) ?? Date.now(), report);
    if (why === undefined) continue;
    process.stderr.write(`sluice test: ${printable(why)}\n`);
    trouble = true;
  }
  const matched = report.end();
  if (trouble) return exit.failed;
  return matched === 0 ? exit.nothing : exit.ok;
}

/** Runs one log through what is looked for. */
interface Tester {
  /** The report for people. */
  readonly text: (missed: boolean) => Report | Promise<Report>;
  /** @returns why the log could not be read to its end */
  readonly run: (place: LogPlace, nowMs: number, report: Report) => Promise<string | undefined>;
}

async function openTester(wanted: Wanted): Promise<Tester | { readonly mistakes: string }> {
  if (wanted.kind === 'regex' || wanted.kind === 'fail2ban') {
    // Loaded here: nobody else pays for fail2ban's dialect.
    const { openForeign, testForeign } = await import('./test-fail2ban.ts');
    const foreign = openForeign(wanted);
    if ('mistakes' in foreign) return foreign;
    const run: Tester['run'] = (place, endMs, report) => testForeign(place, foreign, { nowMs: endMs, noDate: wanted.noDate, report });
    const { filter, texts } = foreign;
    const text: Tester['text'] = async (missed) => (await import('./fail2ban-report.ts')).fail2banReport({ wanted, texts, filter, missed });
    return { text, run };
  }
  // Rule files are YAML, and what reads that is not needed for fail2ban's filters.
  const { wantedFilter } = await import('./wanted-filter.ts');
  const found = wantedFilter(wanted);
  return 'mistakes' in found
    ? found
    : { text: (missed) => textReport(found.filter.patterns, missed), run: (place, endMs, report) => testLog(place, found, endMs, report) };
}

/** Room for what is read at once. */
const chunkBytes = 1024 * 1024;

/** @returns why the log could not be read to its end */
async function testLog(
  place: LogPlace,
  { filter: given, anyProgram: any }: Found,
  nowMs: number,
  report: Report,
): Promise<string | undefined> {
  const clock = { nowMs, timezone: 'local' };
  const filter = (await recallsNothing(place, given)) ? { ...given, remember: [] } : given;
  const matcher: Matcher = createMatcher([filter]);
  const judge = (number: number, text: string, message: Message | undefined, trusted: TrustedFields | undefined): void => {
    if (message === undefined) return report.line(number, text, [], false);
    const record = recordOf(any ? { ...message, appName: filter.programs[0] } : message, 'test', nowMs);
    const { detections, none } = matcher.match(trusted === undefined || any ? record : fromJournal(record, trusted));
    const timeMs = message.stamp?.ms;
    report.line(number, text, detections.length === 0 ? noResults : detections.map((found) => resultOf(found, timeMs)), none.length > 0);
  };
  // A line given by hand may be the message alone: take it for one of the filter's.
  const bare = (text: string): Message | undefined => (place.kind === 'line' ? bareMessage(text, filter.programs[0] ?? '') : undefined);
  const line = (text: string, number: number): void => judge(number, text, parseLine(text, clock) ?? bare(text), undefined);
  const needles = report.needsMissed ? undefined : needlesOf([filter]);
  const sieve = needles === undefined ? undefined : createSieve(needles, chunkBytes);
  let number = 1;
  return readRegions(
    place,
    {
      region: (region) => {
        const first = number;
        let seen = 0;
        const each = (text: string, at: number): void => {
          seen += 1;
          line(text, at);
        };
        number = sieve === undefined ? splitRegion(region, number, each) : siftRegion(region, number, sieve, each);
        report.passed(number - first - seen);
        return report.flush();
      },
      entry: ({ message, trusted }) => {
        judge(number++, `${message.appName ?? ''}[${message.procId ?? ''}]: ${message.text}`, message, trusted);
        return report.flush();
      },
    },
    sieve === undefined ? {} : { chunk: sieve.input },
  );
}

/**
 * Whether no line of the log can ask for what the filter remembers: then nothing needs to be. To look at every line that could be remembered
 * (Postfix: one for each mail) takes longer than to look through the bytes twice.
 */
async function recallsNothing(place: LogPlace, { patterns, remember }: Filter): Promise<boolean> {
  if (remember.length === 0 || !isPlainFile(place)) return false;
  const asking = patterns.filter(({ address }) => address.kind === 'remembered');
  const needles = needlesFor(asking.map(({ literals }) => literals.map((text) => ({ text, fold: false }))));
  if (needles === undefined || needles.length === 0) return needles !== undefined;
  const sieve = createSieve(needles, chunkBytes);
  let asks = false;
  const region = (bytes: Buffer): void => {
    asks ||= sieve.find(bytes, 0, bytes.length) < bytes.length;
  };
  const trouble = await readRegions(place, { region, entry: () => undefined }, { chunk: sieve.input });
  return !asks && trouble === undefined;
}

function resultOf({ filter, pattern, address, captures, follows }: Detection, timeMs: number | undefined): Result {
  return { filter, pattern, id: address, address, timeMs, captures, follows };
}

function fromJournal(record: LogRecord, trusted: TrustedFields): LogRecord {
  return { ...record, trusted, origin: { kind: 'journal', cursor: '', realtimeMs: record.receivedMs } };
}

const noResults: readonly Result[] = [];
