import { banLineOfFile, banLineOfJournal } from '../daemon/ban-line.ts';
import { lineGate } from '../match/fail2ban/literal-gate.ts';
import { createLineMatcher, type LineFailure, type LineMatcher } from '../match/fail2ban/line-matcher.ts';
import { type Address, covers, splitPrefix } from '../model/address.ts';
import type { Ban } from '../model/decision.ts';
import type { Detection } from '../model/detection.ts';
import { type ForeignJail, foreignFilterName, foreignPatternName } from '../model/foreign-jail.ts';
import { wallClockToUtc } from '../parse/zone.ts';
import { compileFilter } from '../rules/fail2ban/compile-filter.ts';
import { StoppableLoop } from './stoppable-loop.ts';

/** One line, as it stands in a file, or of the journal with its time. */
export interface ReplayLine {
  readonly text: string;
  /** ms since the epoch; undefined: the text says so itself. */
  readonly timeMs: number | undefined;
}

/** What a jail in fail2ban's dialect found in a line. */
export interface ReplayFailure {
  readonly detection: Detection;
  /** undefined: a line without a date. */
  readonly timeMs: number | undefined;
}

/** CPU time for one line and one jail, as in the daemon; and so many lines that took longer end a jail. */
const deadlineMs = 50;
const mostStops = 3;

interface Lane {
  readonly jail: ForeignJail;
  readonly matcher: LineMatcher;
  readonly mayMatch: (line: string) => boolean;
  stops: number;
}

/**
 * Jails in fail2ban's dialect in a replay. Nobody is asked: names are not looked up, `ignorecommand` and names in `ignoreip` spare nobody.
 */
export class ReplayForeign {
  readonly #lanes: Lane[] = [];
  readonly #loop: StoppableLoop;
  #matching: Lane | undefined;

  /** @param nowMs dates without a year are the last ones before it */
  constructor(jails: readonly ForeignJail[], nowMs: number) {
    for (const jail of jails) {
      const { filter } = compileFilter(jail.texts, nowMs);
      if (filter === undefined) continue;
      const matcher = createLineMatcher(filter, { wallClock: (wallMs, nearMs) => wallClockToUtc(wallMs, 'local', nearMs) });
      this.#lanes.push({ jail, matcher, mayMatch: lineGate(filter), stops: 0 });
    }
    this.#loop = new StoppableLoop(deadlineMs, () => this.#matching?.matcher.forgetLast());
  }

  /** Jails that were given up because their expressions took too long. */
  get givenUp(): readonly string[] {
    return this.#lanes.flatMap(({ jail, stops }) => (stops >= mostStops ? [jail.jail.name] : []));
  }

  /** What jails that read of bans (recidive) make of one. */
  heardOf(ban: Ban, nowMs: number): readonly ReplayFailure[] {
    return this.#lanes.flatMap(({ jail, matcher }) => {
      if (jail.readsBans === undefined || ban.observe) return [];
      const verdict =
        jail.readsBans === 'journal'
          ? matcher.feedDated(banLineOfJournal(ban, process.pid, 'replay'), ban.sinceMs)
          : matcher.feed(banLineOfFile(ban, process.pid), nowMs);
      const failure = verdict.kind === 'failure' ? failureOf(jail, verdict) : undefined;
      return failure === undefined ? [] : [{ ...failure, timeMs: ban.sinceMs }];
    });
  }

  /** @returns for each line what the jails found in it, in the order of the jails */
  judge(lines: readonly ReplayLine[], nowMs: number): readonly (readonly ReplayFailure[])[] {
    const found: ReplayFailure[][] = lines.map(() => []);
    for (const lane of this.#lanes) {
      // The log of a fail2ban that was there before tells of bans that are not ours.
      if (lane.jail.readsBans !== undefined) continue;
      if (lane.stops >= mostStops) continue;
      const places = lines.flatMap(({ text }, place) => (lane.mayMatch(text) ? [place] : []));
      const step = (index: number): void => {
        const line = lines[places[index] ?? -1];
        if (line === undefined) return;
        const verdict = line.timeMs === undefined ? lane.matcher.feed(line.text, nowMs) : lane.matcher.feedDated(line.text, line.timeMs);
        const failure = verdict.kind === 'failure' ? failureOf(lane.jail, verdict) : undefined;
        if (failure !== undefined) found[places[index] ?? -1]?.push(failure);
      };
      this.#matching = lane;
      for (let from = 0; from < places.length && lane.stops < mostStops; ) {
        const at = this.#loop.run(from, places.length, step);
        if (at < places.length) {
          lane.stops += 1;
          lane.matcher.forgetLast();
        }
        from = at + 1;
      }
    }
    return found;
  }
}

/** @returns undefined for whom nobody would be banned */
function failureOf({ jail, ignore }: ForeignJail, { failRegex, address, network, fields, timeMs }: LineFailure): ReplayFailure | undefined {
  const named = network === undefined ? undefined : splitPrefix(network);
  const whom: Address | undefined = address ?? named?.address;
  if (whom === undefined) return undefined;
  const spared = ignore.entries.some((entry) => entry.kind === 'network' && covers(entry.prefix, network ?? whom));
  if (spared) return undefined;
  return {
    detection: {
      filter: foreignFilterName(jail.name),
      pattern: foreignPatternName(failRegex),
      address: whom,
      ...(named === undefined ? {} : { length: named.length }),
      captures: fields,
      follows: false,
    },
    timeMs,
  };
}
