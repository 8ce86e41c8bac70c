import { createMatcher } from '../match/matcher.ts';
import type { Detection } from '../model/detection.ts';
import type { Filter } from '../model/filter.ts';
import type { LogRecord, Message, TrustedFields } from '../model/record.ts';
import type { Sieve } from '../model/sieve.ts';
import { siftRegion, splitRegion, type TakeLine } from '../receive/log-regions.ts';
import { isPlainFile, type LogPlace, readRegions } from '../receive/read-log.ts';
import { needlesOf } from '../sieve/needles.ts';
import { createSieve } from '../sieve/sieve.ts';
import { bareMessage, parseLine, recordOf } from './recognise.ts';
import type { Report, Result } from './test-report.ts';
import type { Found } from './wanted-filter.ts';

/** Room for what is read at once. */
const chunkBytes = 1024 * 1024;

/** Runs the lines of a log through a filter of ours. @returns why the log could not be read to its end */
export async function testRules(place: LogPlace, found: Found, nowMs: number, report: Report): Promise<string | undefined> {
  const run = new RuleRun(place, found, { nowMs, report });
  const why = await readRegions(
    place,
    {
      region: (bytes) => run.region(bytes),
      entry: ({ message, trusted }) => run.entry(message, trusted),
    },
    run.input === undefined ? {} : { chunk: run.input },
  );
  return run.trouble ?? why;
}

/** A line at which what was remembered begins to matter, and where in its region it begins. */
interface Asking {
  readonly number: number;
  readonly start: number;
}

/**
 * One log's way through a filter.
 *
 * What a filter remembers stands in many lines, and few ask for it (Postfix: one for each mail, and the rejections of content). So nothing is remembered
 * until a line asks; then all that came before is read once more, for what is to be remembered alone.
 */
class RuleRun {
  readonly #place: LogPlace;
  readonly #found: Found;
  readonly #nowMs: number;
  readonly #report: Report;
  /** Names of the patterns that ask; empty once everything is remembered. */
  #asking: ReadonlySet<string>;
  #matcher: ReturnType<typeof createMatcher>;
  #sieve: Sieve | undefined;
  #number = 1;
  /** Memory to read into, which the sieve need not copy. */
  readonly input: Buffer | undefined;
  /** Why the log could not be read once more. */
  trouble: string | undefined;

  constructor(place: LogPlace, found: Found, { nowMs, report }: { readonly nowMs: number; readonly report: Report }) {
    const { filter } = found;
    this.#place = place;
    this.#found = found;
    this.#nowMs = nowMs;
    this.#report = report;
    const later = filter.remember.length > 0 && isPlainFile(place);
    this.#asking = new Set(later ? filter.patterns.flatMap(({ name, address }) => (address.kind === 'remembered' ? [name] : [])) : []);
    const first = later ? { ...filter, remember: [] } : filter;
    this.#matcher = createMatcher([first]);
    this.#sieve = report.needsMissed ? undefined : sieveFor(first, chunkBytes);
    this.input = this.#sieve?.input;
  }

  region(bytes: Buffer): void | Promise<void> {
    const asking = this.#lines(bytes);
    return asking === undefined ? this.#report.flush() : this.#remember(asking, bytes);
  }

  entry(message: Message, trusted: TrustedFields | undefined): void | Promise<void> {
    this.#judge(`${message.appName ?? ''}[${message.procId ?? ''}]: ${message.text}`, this.#number, message, trusted);
    this.#number += 1;
    return this.#report.flush();
  }

  /** @returns a line that asks: it and all behind it are still to be judged */
  #lines(bytes: Buffer): Asking | undefined {
    const first = this.#number;
    let asking: Asking | undefined;
    let judged = 0;
    const next = eachLine(bytes, first, this.#sieve, (text, number, start) => {
      if (asking !== undefined) return;
      if (this.#line(text, number)) judged += 1;
      else asking = { number, start };
    });
    this.#number = asking?.number ?? next;
    this.#report.passed(this.#number - first - judged);
    return asking;
  }

  async #remember(asking: Asking, bytes: Buffer): Promise<void> {
    const { filter } = this.#found;
    this.#asking = new Set();
    this.#matcher = createMatcher([filter]);
    const memories = sieveFor({ ...filter, patterns: [], except: [] }, 0);
    const enough = new Error('all that came before was read');
    let number = 1;
    const region = (before: Buffer): void => {
      number = eachLine(before, number, memories, (text, at) => {
        if (at >= asking.number) throw enough;
        const message = parseLine(text, { nowMs: this.#nowMs, timezone: 'local' });
        if (message !== undefined) this.#matcher.match(this.#record(message));
      });
      if (number >= asking.number) throw enough;
    };
    try {
      this.trouble = await readRegions(this.#place, { region, entry: () => undefined });
    } catch (error) {
      if (error !== enough) throw error;
    }
    this.#sieve = this.#report.needsMissed ? undefined : sieveFor(filter, 0);
    this.#lines(bytes.subarray(asking.start));
    await this.#report.flush();
  }

  #line(text: string, number: number): boolean {
    const message = parseLine(text, { nowMs: this.#nowMs, timezone: 'local' }) ?? this.#bare(text);
    return this.#judge(text, number, message, undefined);
  }

  /** A line given by hand may be the message alone: take it for one of the filter's. */
  #bare(text: string): Message | undefined {
    return this.#place.kind === 'line' ? bareMessage(text, this.#found.filter.programs[0] ?? '') : undefined;
  }

  /** @returns false: it asks for what nobody remembers yet, and was not told */
  #judge(text: string, number: number, message: Message | undefined, trusted: TrustedFields | undefined): boolean {
    const report = this.#report;
    if (message === undefined) {
      report.line(number, text, noResults, false);
      return true;
    }
    const record = this.#record(message);
    const { detections, none } = this.#matcher.match(
      trusted === undefined || this.#found.anyProgram ? record : fromJournal(record, trusted),
    );
    if (none.some(({ kind, pattern }) => kind === 'no_address' && this.#asking.has(pattern))) return false;
    const timeMs = message.stamp?.ms;
    report.line(number, text, detections.length === 0 ? noResults : detections.map((one) => resultOf(one, timeMs)), none.length > 0);
    return true;
  }

  #record(message: Message): LogRecord {
    const { filter, anyProgram } = this.#found;
    return recordOf(anyProgram ? { ...message, appName: filter.programs[0] } : message, 'test', this.#nowMs);
  }
}

/** @param inputBytes size of its input */
function sieveFor(filter: Filter, inputBytes: number): Sieve | undefined {
  const needles = needlesOf([filter]);
  return needles === undefined ? undefined : createSieve(needles, inputBytes);
}

function eachLine(bytes: Buffer, number: number, sieve: Sieve | undefined, line: TakeLine): number {
  return sieve === undefined ? splitRegion(bytes, number, line) : siftRegion(bytes, number, sieve, line);
}

function resultOf({ filter, pattern, address, captures, follows }: Detection, timeMs: number | undefined): Result {
  return { filter, pattern, id: address, address, timeMs, captures, follows };
}

function fromJournal(record: LogRecord, trusted: TrustedFields): LogRecord {
  return { ...record, trusted, origin: { kind: 'journal', cursor: '', realtimeMs: record.receivedMs } };
}

const noResults: readonly Result[] = [];
