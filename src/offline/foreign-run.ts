import { isAscii } from 'node:buffer';
import { createLineMatcher, type LineMatcher, type LineVerdict } from '../match/fail2ban/line-matcher.ts';
import type { ForeignFilter } from '../model/foreign-filter.ts';
import type { Sieve } from '../model/sieve.ts';
import { wallClockToUtc } from '../parse/zone.ts';
import { siftRegion, splitRegion } from '../receive/log-regions.ts';
import { SkippedDates } from './skipped-dates.ts';
import { StoppableLoop } from './stoppable-loop.ts';

/** CPU time for one line. Longer than the daemon gives: here nobody else waits, and a verdict that depends on the machine's speed helps nobody. */
const defaultDeadlineMs = 1_000;
/** At this many lines that took longer, the filter is given up. */
const mostStops = 3;
/** So many lines are judged together. */
const batchLines = 4_096;

export interface ForeignRunOptions {
  readonly nowMs: number;
  /** The lines carry no date: they are of `nowMs`. */
  readonly noDate: boolean;
  /** CPU time for one line, if not a second. */
  readonly deadlineMs?: number;
  /** Lines without any of the filter's literals are left out. */
  readonly sieve: Sieve | undefined;
  /** @param verdict undefined: the filter took too long over the line, or had been given up */
  readonly line: (number: number, text: string, verdict: LineVerdict | undefined) => void;
  /** So many lines were left out. */
  readonly passed: (lines: number) => void;
}

interface Waiting {
  readonly text: string;
  readonly number: number;
  /** When it was written, where it carries no date itself. */
  readonly timeMs: number | undefined;
  /** What was left out before it: from where to where in the region. */
  readonly from: number;
  readonly to: number;
}

/** One log's way through a filter in fail2ban's dialect. */
export class ForeignRun {
  readonly #options: ForeignRunOptions;
  readonly #matcher: LineMatcher;
  readonly #skipped: SkippedDates;
  readonly #loop: StoppableLoop;
  #waiting: Waiting[] = [];
  #next = 1;
  /** Numbers of the lines that took too long. */
  readonly stopped: number[] = [];

  constructor(filter: ForeignFilter, options: ForeignRunOptions) {
    const { nowMs, deadlineMs = defaultDeadlineMs } = options;
    this.#options = options;
    this.#matcher = createLineMatcher(filter, {
      wallClock: (wallMs, nearMs) => wallClockToUtc(wallMs, 'local', nearMs),
      sifted: options.sieve !== undefined,
      dateBefore: () => this.#skipped.last(),
    });
    this.#skipped = new SkippedDates((line) => this.#matcher.dateOf(line, nowMs));
    this.#loop = new StoppableLoop(deadlineMs, () => this.#matcher.forgetLast());
  }

  get givenUp(): boolean {
    return this.stopped.length >= mostStops;
  }

  region(bytes: Buffer): void {
    const { noDate, nowMs, sieve, passed } = this.#options;
    const first = this.#next;
    const ascii = isAscii(bytes);
    const timeMs = noDate ? nowMs : undefined;
    let taken = 0;
    let from = 0;
    const take = (text: string, number: number, start: number, end: number): void => {
      taken += 1;
      this.#waiting.push({ text, number, timeMs, from, to: start });
      from = Math.min(end, bytes.length);
      if (this.#waiting.length >= batchLines) this.#judge(bytes, ascii);
    };
    this.#next = sieve === undefined ? splitRegion(bytes, first, take, ascii) : siftRegion(bytes, first, sieve, take, ascii);
    this.#judge(bytes, ascii, from);
    passed(this.#next - first - taken);
  }

  /** An entry of the journal. */
  entry(text: string, timeMs: number): void {
    this.#waiting.push({ text, number: this.#next, timeMs, from: 0, to: 0 });
    this.#next += 1;
    if (this.#waiting.length >= batchLines) this.end();
  }

  /** Judges what waits. */
  end(): void {
    this.#judge(noBytes, undefined);
  }

  /** @param rest where in the region begins what was left out behind the last line */
  #judge(bytes: Buffer, ascii: boolean | undefined, rest = bytes.length): void {
    const lines = this.#waiting;
    this.#waiting = [];
    const { nowMs, line } = this.#options;
    const verdicts: (LineVerdict | undefined)[] = [];
    const step = (index: number): void => {
      const waiting = lines[index];
      if (waiting === undefined) {
        // The bytes will be gone when a line asks for their dates.
        this.#skipped.skip(bytes, rest, bytes.length);
        this.#skipped.last();
        return;
      }
      const { text, timeMs, from, to } = waiting;
      if (timeMs === undefined && to > from) this.#skipped.skip(bytes, from, to);
      verdicts[index] = timeMs === undefined ? this.#matcher.feed(text, nowMs, ascii) : this.#matcher.feedDated(text, timeMs);
      this.#skipped.forget();
    };
    const steps = lines.length + (rest < bytes.length && !this.#options.noDate ? 1 : 0);
    for (let from = 0; from < steps && !this.givenUp; ) {
      const at = this.#loop.run(from, steps, step);
      if (at < steps) {
        this.stopped.push(lines[at]?.number ?? this.#next - 1);
        this.#matcher.forgetLast();
      }
      from = at + 1;
    }
    for (const [index, { number, text }] of lines.entries()) line(number, text, verdicts[index]);
  }
}

const noBytes = Buffer.alloc(0);
