import type { FilterGuard, GuardedVerdict } from '../guard/filter-guard.ts';
import { journalLine } from '../match/fail2ban/journal-line.ts';
import type { LineFailure } from '../match/fail2ban/line-matcher.ts';
import type { ForeignJail } from '../model/foreign-jail.ts';
import type { LogRecord } from '../model/record.ts';

/** What hears of lines that have been looked at. */
export interface ForeignSink {
  /** In the order of the jail's lines. A promise holds up what follows in that jail. */
  readonly failure: (jail: ForeignJail, record: LogRecord, failure: LineFailure) => Promise<void> | undefined;
  readonly ignored: (jail: ForeignJail, ignoreRegex: number) => void;
  /** It was not looked at: the filter is stopped, or too many lines were waiting. */
  readonly unseen: (jail: ForeignJail, record: LogRecord, why: 'stalled' | 'disabled' | 'overflow') => void;
  /** More lines wait than should, or no longer. */
  readonly full: (full: boolean) => void;
}

/** One of its jails with the quick test for lines that cannot matter. */
export interface ForeignReader {
  readonly jail: ForeignJail;
  /** false: no expression of the jail can match the line. */
  readonly mayMatch: (line: string) => boolean;
}

/** `atMs`: when it was written, ms since the epoch; undefined: the text says so itself. */
export interface SeenLine {
  readonly text: string;
  readonly atMs: number | undefined;
}

interface Unanswered {
  readonly done: () => void;
  left: number;
}

/** Reading is held up beyond the first number of lines, until there are no more than the second. */
const waiting = { high: 8_192, low: 1_024 } as const;

/**
 * Leads the lines of jails in fail2ban's dialect through the thread that runs their expressions.
 *
 * A line is done, and its position may be stored, when every jail has answered for it and for all lines before it.
 */
export class ForeignLines {
  readonly #guard: Pick<FilterGuard, 'feed' | 'feedDated'>;
  readonly #sink: ForeignSink;
  readonly #queue: Unanswered[] = [];
  /** The last answer of a jail whose answers take time. */
  readonly #last = new Map<ForeignJail, Promise<void>>();
  #first = 0;
  #full = false;
  readonly #idle: (() => void)[] = [];

  constructor(guard: Pick<FilterGuard, 'feed' | 'feedDated'>, sink: ForeignSink) {
    this.#guard = guard;
    this.#sink = sink;
  }

  /** Lines that are not done. */
  get size(): number {
    return this.#queue.length - this.#first;
  }

  /**
   * @param done the line's position may be stored
   * @param line what the expressions see of the record
   */
  take(record: LogRecord, readers: readonly ForeignReader[], nowMs: number, done: () => void, line = lineOf(record)): void {
    const { text, atMs } = line;
    const wanted = readers.filter(({ mayMatch }) => mayMatch(text));
    // Nobody wants it; its position counts all the same, behind those of the lines before it.
    if (wanted.length === 0 && this.size === 0) return done();
    const entry: Unanswered = { done, left: wanted.length };
    this.#queue.push(entry);
    for (const { jail } of wanted) {
      const { name } = jail.jail;
      const asked = atMs === undefined ? this.#guard.feed(name, text, nowMs) : this.#guard.feedDated(name, text, atMs);
      void asked.then((verdict) => this.#answer(jail, record, verdict, entry));
    }
    if (!this.#full && this.size >= waiting.high) {
      this.#full = true;
      this.#sink.full(true);
    }
  }

  /** Resolves when every line so far is done. */
  async settled(): Promise<void> {
    if (this.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #answer(jail: ForeignJail, record: LogRecord, verdict: GuardedVerdict, entry: Unanswered): void {
    const before = this.#last.get(jail);
    const act = (): Promise<void> | undefined => this.#tell(jail, record, verdict);
    const acting = before === undefined ? act() : before.then(act);
    if (acting === undefined) {
      this.#answered(entry);
      return;
    }
    const ended = acting.finally(() => {
      if (this.#last.get(jail) === ended) this.#last.delete(jail);
      this.#answered(entry);
    });
    this.#last.set(jail, ended);
  }

  #tell(jail: ForeignJail, record: LogRecord, verdict: GuardedVerdict): Promise<void> | undefined {
    switch (verdict.kind) {
      case 'failure':
        return this.#sink.failure(jail, record, verdict);
      case 'ignored':
        this.#sink.ignored(jail, verdict.ignoreRegex);
        return undefined;
      case 'stalled':
      case 'disabled':
      case 'overflow':
        this.#sink.unseen(jail, record, verdict.kind);
        return undefined;
      case 'nothing':
      case 'waiting':
        return undefined;
    }
  }

  #answered(entry: Unanswered): void {
    entry.left -= 1;
    for (let head = this.#queue[this.#first]; head?.left === 0; head = this.#queue[this.#first]) {
      this.#first += 1;
      head.done();
    }
    if (this.#first > waiting.low || this.#first === this.#queue.length) {
      this.#queue.splice(0, this.#first);
      this.#first = 0;
    }
    if (this.#full && this.size <= waiting.low) {
      this.#full = false;
      this.#sink.full(false);
    }
    if (this.size === 0) for (const tell of this.#idle.splice(0)) tell();
  }
}

function lineOf({ origin, text, stamp, receivedMs, hostname, appName, procId }: LogRecord): SeenLine {
  if (origin.kind !== 'journal') return { text, atMs: undefined };
  const line = journalLine({ hostname, identifier: appName, pid: procId, monotonicSeconds: undefined, message: text });
  return { text: line, atMs: stamp?.ms ?? receivedMs };
}
