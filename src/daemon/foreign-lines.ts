import type { FilterGuard, GuardedVerdict } from '../guard/filter-guard.ts';
import { journalLine } from '../match/fail2ban/journal-line.ts';
import type { LineFailure } from '../match/fail2ban/line-matcher.ts';
import type { ForeignJail } from '../model/foreign-jail.ts';
import type { LogRecord } from '../model/record.ts';
import type { LineOrder, UnderWay } from './line-order.ts';

/** What hears of lines that have been looked at. */
export interface ForeignSink {
  /** In the order of the jail's lines. A promise holds up what follows in that jail. */
  readonly failure: (jail: ForeignJail, record: LogRecord, failure: LineFailure) => Promise<void> | undefined;
  readonly ignored: (jail: ForeignJail, ignoreRegex: number) => void;
  /** It was not looked at: the filter is stopped, or too many lines were waiting. */
  readonly unseen: (jail: ForeignJail, record: LogRecord, why: 'stalled' | 'disabled' | 'overflow') => void;
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

/** Of a line, the expressions see no more. */
const seenLength = 8_192;

/**
 * Leads the lines of jails in fail2ban's dialect through the thread that runs their expressions.
 *
 * What all jails of a line make of it is decided in one go, so that what is stored at any moment holds all of it together with its position, or nothing. Only
 * where a name or a command has to be asked, that jail's part comes later.
 */
export class ForeignLines {
  readonly #guard: Pick<FilterGuard, 'feed' | 'feedDated'>;
  readonly #sink: ForeignSink;
  readonly #order: LineOrder;
  /** The last answer of a jail whose answers take time. */
  readonly #last = new Map<ForeignJail, Promise<void>>();

  constructor(guard: Pick<FilterGuard, 'feed' | 'feedDated'>, sink: ForeignSink, order: LineOrder) {
    this.#guard = guard;
    this.#sink = sink;
    this.#order = order;
  }

  /**
   * @param done the line's position may be stored
   * @param line what the expressions see of the record
   */
  take(record: LogRecord, readers: readonly ForeignReader[], nowMs: number, done: () => void, line = lineOf(record)): void {
    const { text, atMs } = line;
    const wanted = readers.filter(({ mayMatch }) => mayMatch(text));
    // Nobody wants it; its position counts all the same, behind those of the lines before it.
    if (wanted.length === 0 && !this.#order.waits(record.source)) return done();
    const underWay = this.#order.add(record.source, done, wanted.length, Math.min(text.length, seenLength));
    const verdicts = new Map<ForeignJail, GuardedVerdict>();
    for (const { jail } of wanted) {
      const { name } = jail.jail;
      const asked = atMs === undefined ? this.#guard.feed(name, text, nowMs) : this.#guard.feedDated(name, text, atMs);
      void asked.then((verdict) => {
        verdicts.set(jail, verdict);
        if (verdicts.size === wanted.length) this.#decide(record, verdicts, underWay);
      });
    }
  }

  #decide(record: LogRecord, verdicts: ReadonlyMap<ForeignJail, GuardedVerdict>, underWay: UnderWay): void {
    let left = 0;
    const answered = (): void => {
      left -= 1;
      if (left === 0) this.#order.over(underWay);
    };
    for (const [jail, verdict] of verdicts) {
      const before = this.#last.get(jail);
      const act = (): Promise<void> | undefined => this.#tell(jail, record, verdict);
      const acting = before === undefined ? act() : before.then(act);
      if (acting === undefined) continue;
      left += 1;
      const ended = acting.finally(() => {
        if (this.#last.get(jail) === ended) this.#last.delete(jail);
        answered();
      });
      this.#last.set(jail, ended);
    }
    if (left === 0) this.#order.over(underWay);
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
}

function lineOf({ origin, text, stamp, receivedMs, hostname, appName, procId }: LogRecord): SeenLine {
  if (origin.kind !== 'journal') return { text, atMs: undefined };
  const line = journalLine({ hostname, identifier: appName, pid: procId, monotonicSeconds: undefined, message: text });
  return { text: line, atMs: stamp?.ms ?? receivedMs };
}
