import { isAscii } from 'node:buffer';
import { createLineMatcher, type LineFailure, type LineMatcher, type LineVerdict } from '../match/fail2ban/line-matcher.ts';
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
/** So many lines are judged together: to watch over a batch costs a tenth of a millisecond. */
const batchLines = 1_024;

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
  /** For failures, in place of `line`: what is to be kept of them until their batch is over. It may be broken off anywhere, and be called again. */
  readonly failure?: { readonly render: (number: number, failure: LineFailure) => string; readonly take: (rendered: string) => void };
  /** So many lines were left out. */
  readonly passed: (lines: number) => void;
}

/** A line, and what became of it; used again for one of the next batch. */
interface Place {
  text: string;
  number: number;
  /** When it was written, where it carries no date itself. */
  timeMs: number | undefined;
  /** What was left out before it: from where to where in the region. */
  from: number;
  to: number;
  /** Text: a failure that was rendered. */
  outcome: LineVerdict | string | undefined;
}

/** One log's way through a filter in fail2ban's dialect. */
export class ForeignRun {
  readonly #options: ForeignRunOptions;
  readonly #matcher: LineMatcher;
  /** It has a `<F-NOFAIL>` somewhere. */
  readonly #excuses: boolean;
  readonly #skipped: SkippedDates;
  readonly #loop: StoppableLoop;
  /**
   * The first `#count` of them wait. With new arrays for each batch, a fifth of all memory used outlived its batch and was copied around by the
   * collector, most likely because V8 makes such arrays in its old space and sweeps that seldom.
   */
  readonly #places: Place[] = [];
  #count = 0;
  #next = 1;
  /** Numbers of the lines that took too long. */
  readonly stopped: number[] = [];

  constructor(filter: ForeignFilter, options: ForeignRunOptions) {
    const { nowMs, deadlineMs = defaultDeadlineMs } = options;
    this.#options = options;
    this.#excuses = [filter.prefRegex, ...filter.failRegexes].some((regex) => regex?.groupNames.has('nofail'));
    this.#matcher = createLineMatcher(filter, {
      wallClock: (wallMs, nearMs) => wallClockToUtc(wallMs, 'local', nearMs),
      sifted: options.sieve !== undefined,
      dateBefore: () => this.#skipped.last(),
    });
    this.#skipped = new SkippedDates((line) => this.#matcher.dateOf(line, nowMs));
    this.#loop = new StoppableLoop(deadlineMs, () => this.#matcher.forgetLast());
  }

  /**
   * fail2ban counts a `<F-NOFAIL>` that no connection joins to anything as the failure that it is not meant to be, and so do we when we run; its
   * fail2ban-regex shows what was meant.
   */
  #asTested(verdict: LineVerdict): LineVerdict {
    if (!this.#excuses || verdict.kind !== 'failure' || (verdict.fields.get('nofail') ?? '') === '') return verdict;
    return { kind: 'waiting', failRegex: verdict.failRegex };
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
      this.#wait(text, number, timeMs, from, start);
      from = Math.min(end, bytes.length);
      if (this.#count >= batchLines) this.#judge(bytes, ascii);
    };
    this.#next = sieve === undefined ? splitRegion(bytes, first, take, ascii) : siftRegion(bytes, first, sieve, take, ascii);
    this.#judge(bytes, ascii, from);
    passed(this.#next - first - taken);
  }

  /** An entry of the journal. */
  entry(text: string, timeMs: number): void {
    this.#wait(text, this.#next, timeMs, 0, 0);
    this.#next += 1;
    if (this.#count >= batchLines) this.end();
  }

  /** Judges what waits. */
  end(): void {
    this.#judge(noBytes, undefined);
  }

  #wait(text: string, number: number, timeMs: number | undefined, from: number, to: number): void {
    const place = this.#places[this.#count];
    if (place === undefined) this.#places.push({ text, number, timeMs, from, to, outcome: undefined });
    else {
      place.text = text;
      place.number = number;
      place.timeMs = timeMs;
      place.from = from;
      place.to = to;
      place.outcome = undefined;
    }
    this.#count += 1;
  }

  /** @param rest where in the region begins what was left out behind the last line */
  #judge(bytes: Buffer, ascii: boolean | undefined, rest = bytes.length): void {
    const places = this.#places;
    const count = this.#count;
    this.#count = 0;
    const { nowMs, line, failure } = this.#options;
    const step = (index: number): void => {
      const place = index < count ? places[index] : undefined;
      if (place === undefined) {
        // The bytes will be gone when a line asks for their dates.
        this.#skipped.skip(bytes, rest, bytes.length);
        this.#skipped.last();
        return;
      }
      const { text, number, timeMs, from, to } = place;
      if (timeMs === undefined && to > from) this.#skipped.skip(bytes, from, to);
      const verdict = this.#asTested(timeMs === undefined ? this.#matcher.feed(text, nowMs, ascii) : this.#matcher.feedDated(text, timeMs));
      place.outcome = failure !== undefined && verdict.kind === 'failure' ? failure.render(number, verdict) : verdict;
      this.#skipped.forget();
    };
    const steps = count + (rest < bytes.length && !this.#options.noDate ? 1 : 0);
    for (let from = 0; from < steps && !this.givenUp; ) {
      const at = this.#loop.run(from, steps, step);
      if (at < steps) {
        this.stopped.push((at < count ? places[at]?.number : undefined) ?? this.#next - 1);
        this.#matcher.forgetLast();
      }
      from = at + 1;
    }
    for (let index = 0; index < count; index += 1) {
      const place = places[index];
      if (place === undefined) continue;
      const { number, text, outcome } = place;
      place.outcome = undefined;
      if (typeof outcome === 'string') failure?.take(outcome);
      else line(number, text, outcome);
    }
  }
}

const noBytes = Buffer.alloc(0);
