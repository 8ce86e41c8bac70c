import type { ForeignFilter, ForeignRegex, RegexHit, WallClock } from '../../model/foreign-filter.ts';
import { Connections, defaultConnectionLimits } from './connections.ts';
import type { ConnectionLimits } from './connections.ts';
import { joinedText, splitLines } from './line-window.ts';
import type { WindowLine } from './line-window.ts';
import { literalGate } from './literal-gate.ts';
import { offenderOf } from './offender.ts';
import type { Offender } from './offender.ts';

/** What a filter says of one line. Indices count from 0, in the order of the filter's expressions. */
export type LineVerdict =
  | { readonly kind: 'nothing' }
  /** An ignoreregex fitted. */
  | { readonly kind: 'ignored'; readonly ignoreRegex: number }
  /** It tells of a connection, and of no failure yet. */
  | { readonly kind: 'waiting'; readonly failRegex: number }
  | LineFailure;

export interface LineFailure extends Offender {
  readonly kind: 'failure';
  readonly failRegex: number;
  /** Time of the line, ms since the epoch; undefined for a line without a date that none with a date came shortly before. */
  readonly timeMs: number | undefined;
  /** Named groups that took part, those of the prefregex and of earlier lines of the connection included. */
  readonly fields: ReadonlyMap<string, string>;
  /** Distinct users of the connection, sorted; empty where lines are not joined. */
  readonly users: readonly string[];
  /** How many lines led here, and the last of them; the line itself is the last of all. */
  readonly attempts: number;
  readonly lines: readonly string[];
}

export interface LineMatcherOptions {
  /** What a date without a zone means. */
  readonly wallClock: WallClock;
  readonly connections?: ConnectionLimits;
  /** How much of a line is looked at, in UTF-16 code units. */
  readonly lineLength?: number;
  /** Lines that come hold one of the filter's literals: a sieve has looked. */
  readonly sifted?: boolean;
  /**
   * For a caller that leaves lines out: the date of the last one with a date (see LineMatcher.dateOf) that it left out since the last call
   * of `feed`, if any. Asked only for a line without a date.
   */
  readonly dateBefore?: () => number | undefined;
}

export interface LineMatcher {
  /**
   * A line of a file or of syslog text, whose date is found and cut out.
   *
   * @param nowMs ms since the epoch: dates without a year, and lines without a date, are read by it
   * @param ascii whether the line is all ASCII, if that is known
   */
  readonly feed: (line: string, nowMs: number, ascii?: boolean) => LineVerdict;
  /** A text that carries no date (see journalLine), and when it was written. */
  readonly feedDated: (text: string, timeMs: number) => LineVerdict;
  /** What lines without a date behind this one would be given, ms since the epoch; undefined for a line without a date of its own. */
  readonly dateOf: (line: string, nowMs: number) => number | undefined;
  /** Takes back what the last call, which was broken off, kept of the line: it may be fed again, or not. */
  readonly forgetLast: () => void;
  /** Connections forgotten for room so far. */
  readonly evicted: () => number;
}

/** A line without a date belongs to the last date if that is not older than this. */
const lastDateMs = 60_000;
const lineLength = 8_192;
const nothing: LineVerdict = { kind: 'nothing' };

/**
 * Runs a fail2ban filter over lines as fail2ban runs it: the date is cut out, the prefregex narrows the text, the first failregex that
 * fits decides, unless an ignoreregex fits. One line is at most one failure.
 */
export function createLineMatcher(filter: ForeignFilter, options: LineMatcherOptions): LineMatcher {
  const runner = new LineRunner(filter, options);
  return {
    feed: (line, nowMs, ascii) => runner.feed(line, nowMs, ascii),
    feedDated: (text, timeMs) => runner.feedDated(text, timeMs),
    dateOf: (line, nowMs) => runner.dateOf(line, nowMs),
    forgetLast: () => runner.forgetLast(),
    evicted: () => runner.connections.evicted,
  };
}

/** Where a search takes place: the text, and the lines that it came from. */
interface Scope {
  readonly text: string;
  readonly lines: readonly WindowLine[];
}

class LineRunner {
  readonly connections: Connections;
  private readonly filter: ForeignFilter;
  private readonly wallClock: WallClock;
  private readonly lineLength: number;
  private readonly mayMatch: (text: string) => boolean;
  private readonly ignoreFirst: boolean;
  /** The prefregex names nothing beside what the failregexes look at; most do not. */
  private readonly onlyContent: boolean;
  private readonly dateBefore: () => number | undefined;
  private window: readonly WindowLine[] = [];
  /** Whether the lines looked at are all ASCII; undefined: each search looks itself. */
  private ascii: boolean | undefined;
  private windowBefore: readonly WindowLine[] = [];
  private lastDate: number | undefined;

  constructor(filter: ForeignFilter, options: LineMatcherOptions) {
    this.filter = filter;
    this.wallClock = options.wallClock;
    this.lineLength = options.lineLength ?? lineLength;
    this.connections = new Connections(options.connections ?? defaultConnectionLimits);
    this.dateBefore = options.dateBefore ?? (() => undefined);
    this.onlyContent = [...(filter.prefRegex?.groupNames ?? [])].every((name) => name === 'content');
    // With few ignoreregexes it is cheaper to ask them first; they then see the whole text and not what the prefregex leaves of it.
    this.ignoreFirst = filter.ignoreRegexes.length > 0 && filter.ignoreRegexes.length < filter.failRegexes.length - 2;
    // An ignoreregex that is asked first must not be asked of a line that no failregex can match: that line was not ignored.
    this.mayMatch = options.sifted === true && !this.ignoreFirst ? () => true : literalGate(filter);
  }

  feed(read: string, nowMs: number, ascii = isAscii(read)): LineVerdict {
    const whole = this.cut(read);
    this.ascii = ascii;
    const found = this.filter.dates.find(whole, ascii);
    // The line has no date, or says that it has none.
    if (found === undefined) return this.find({ text: whole, whole }, this.recentDate(nowMs), nowMs);
    if (found.start === found.end) return this.find({ text: whole, whole }, this.recentDate(nowMs) ?? nowMs, nowMs);
    const text = whole.slice(0, found.start) + whole.slice(found.end);
    const timeMs = found.valueMs(nowMs, this.wallClock);
    if (timeMs === undefined) {
      const recent = this.recentDate(nowMs);
      return this.find({ text: recent === undefined ? text : whole, whole }, recent, nowMs);
    }
    this.lastDate = timeMs;
    return this.find({ text, whole }, timeMs, nowMs);
  }

  dateOf(read: string, nowMs: number): number | undefined {
    const found = this.filter.dates.find(this.cut(read));
    return found === undefined || found.start === found.end ? undefined : found.valueMs(nowMs, this.wallClock);
  }

  forgetLast(): void {
    this.window = this.windowBefore;
  }

  private recentDate(nowMs: number): number | undefined {
    this.lastDate = this.dateBefore() ?? this.lastDate;
    return this.lastDate !== undefined && this.lastDate > nowMs - lastDateMs ? this.lastDate : undefined;
  }

  feedDated(read: string, timeMs: number): LineVerdict {
    const whole = this.cut(read);
    this.ascii = isAscii(whole);
    this.lastDate = timeMs;
    return this.find({ text: whole, whole }, timeMs, timeMs);
  }

  private cut(line: string): string {
    const last = line.charCodeAt(line.length - 1);
    const bare = last === 0x0a || last === 0x0d ? line.replace(/[\r\n]+$/, '') : line;
    return bare.length > this.lineLength ? bare.slice(0, this.lineLength) : bare;
  }

  private find(line: WindowLine, timeMs: number | undefined, nowMs: number): LineVerdict {
    const { maxLines, prefRegex, failRegexes } = this.filter;
    if (maxLines === 1 && !this.mayMatch(line.text)) return nothing;
    this.windowBefore = this.window;
    this.window = maxLines === 1 ? [line] : [...this.window, line].slice(-maxLines);
    const lines = this.window;
    // Other lines of the window may be otherwise.
    if (maxLines > 1) this.ascii = undefined;
    let scope: Scope = { text: joinedText(lines), lines };
    if (this.ignoreFirst) {
      const ignored = this.ignoring(scope.text);
      if (ignored !== undefined) return { kind: 'ignored', ignoreRegex: ignored };
    }

    let outer: RegexHit | undefined;
    if (prefRegex !== undefined) {
      outer = prefRegex.search(scope.text, this.ascii);
      if (outer === undefined) return nothing;
      const content = outer.group('content') ?? '';
      if (content !== '') {
        scope = { text: `${content}\n`, lines };
        this.window = [{ text: content, whole: content }];
      }
    }
    for (let index = 0; index < failRegexes.length; index += 1) {
      const hit = failRegexes[index]?.search(scope.text, this.ascii);
      if (hit !== undefined) return this.decide(index, hit, { scope, outer, timeMs, nowMs });
    }
    return nothing;
  }

  private decide(
    failRegex: number,
    hit: RegexHit,
    {
      scope,
      outer,
      timeMs,
      nowMs,
    }: { readonly scope: Scope; readonly outer: RegexHit | undefined; readonly timeMs: number | undefined; readonly nowMs: number },
  ): LineVerdict {
    const { matched, unmatched } = splitLines(scope.lines, scope.text, hit);
    this.window = unmatched;
    const ignored = this.ignoring(this.filter.maxLines > 1 ? joinedText(matched) : scope.text);
    if (ignored !== undefined) return { kind: 'ignored', ignoreRegex: ignored };

    const groups = outer === undefined || this.onlyContent ? hit.groups : mergedGroups(outer, hit);
    const wholes = matched.map(({ whole }) => whole);
    const connection = groups.get('mlfid');
    if (connection === undefined) {
      const offender = offenderOf(groups);
      return offender === undefined
        ? nothing
        : { kind: 'failure', failRegex, ...offender, timeMs, fields: groups, users: [], attempts: wholes.length, lines: wholes };
    }
    const joined = this.connections.join(connection, groups, wholes, timeMs ?? nowMs);
    if ((joined.groups.get('nofail') ?? '') !== '') return { kind: 'waiting', failRegex };
    const offender = offenderOf(joined.groups);
    if (offender === undefined) {
      joined.pending = true;
      return { kind: 'waiting', failRegex };
    }
    const { users, loud } = joined;
    return {
      kind: 'failure',
      failRegex,
      ...offender,
      timeMs,
      fields: new Map(joined.groups),
      users: [...users].toSorted(),
      attempts: loud.count,
      lines: loud.kept,
    };
  }

  private ignoring(text: string): number | undefined {
    const index = this.filter.ignoreRegexes.findIndex((regex: ForeignRegex) => regex.search(text, this.ascii) !== undefined);
    return index === -1 ? undefined : index;
  }
}

/** What the failregex says counts for more than what the prefregex says. */
function mergedGroups(outer: RegexHit, inner: RegexHit): ReadonlyMap<string, string> {
  const groups = new Map(outer.groups);
  groups.delete('content');
  for (const [name, value] of inner.groups) groups.set(name, value);
  return groups;
}

// oxlint-disable-next-line no-control-regex
const notAscii = /[^\0-\x7f]/;

function isAscii(text: string): boolean {
  return !notAscii.test(text);
}
