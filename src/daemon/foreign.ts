import { hostname } from 'node:os';
import { FilterGuard } from '../guard/filter-guard.ts';
import { lineGate } from '../match/fail2ban/literal-gate.ts';
import { type Prefix, splitPrefix } from '../model/address.ts';
import type { Ban } from '../model/decision.ts';
import type { Detection } from '../model/detection.ts';
import { type ForeignJail, foreignFilterName } from '../model/foreign-jail.ts';
import type { LogRecord } from '../model/record.ts';
import { printable } from '../diagnostic.ts';
import type { BanDecision } from '../pipeline.ts';
import type { ForeignFilter } from '../model/foreign-filter.ts';
import type { Sieve } from '../model/sieve.ts';
import { foreignNeedles } from '../sieve/foreign-needles.ts';
import { followingSieve, passEverything } from '../sieve/rules-sieve.ts';
import { createSieve } from '../sieve/sieve.ts';
import { compileFilter } from '../rules/fail2ban/compile-filter.ts';
import { createForeignActs } from './foreign-acts.ts';
import type { ForeignDeps } from './foreign-deps.ts';
import { type ForeignInput, ForeignInputs, reads } from './foreign-inputs.ts';
import { ForeignLines, type ForeignReader, type ForeignSink } from './foreign-lines.ts';
import { LineOrder } from './line-order.ts';
import { banLineOfFile, banLineOfJournal } from './ban-line.ts';
import { createForeignFailures, type ForeignFailures } from './foreign-failures.ts';

/** The jails in fail2ban's dialect: their lines, their expressions in a thread of their own, and what they run. */
export interface Foreign {
  readonly inputs: () => readonly ForeignInput[];
  /** Whether only these jails read the source. */
  readonly owns: (source: string) => boolean;
  /** Finds what of the source's bytes its jails may want. */
  readonly sieveOf: (source: string) => Sieve;
  /** A record of such a source. @param done it and all before it are decided on: the position may be stored */
  readonly take: (record: LogRecord, done: () => void) => void;
  readonly carriedOut: (decision: BanDecision, detection: Detection | undefined) => void;
  /** Somebody banned by hand. `already`: the ban was in force, and may last longer now. */
  readonly byHand: (ban: Ban, already: boolean) => void;
  readonly cameAgain: (jail: string, subject: Prefix) => void;
  /** A ban from before the start. */
  readonly restored: (ban: Ban) => void;
  /** Whether no more of the source should be read for now: too many of its lines wait, or the jails are being changed. */
  readonly holds: (source: string) => boolean;
  /** Lines that wait for expressions and commands, and how many may. */
  readonly waiting: () => { readonly lines: number; readonly most: number };
  /** Jails that were stopped, and why. */
  readonly disabled: () => ReadonlyMap<string, string>;
  /** Reads no more until `use`, and resolves when every line taken so far is decided on; or, where commands are slow, after some seconds. */
  readonly pause: () => Promise<void>;
  /** Other jails. Bans in force go on, and so do the commands of jails that run the same ones. */
  readonly use: (jails: readonly ForeignJail[]) => void;
  /** Resolves when every line taken so far is decided on. */
  readonly settled: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** What is in force between two changes of the jails. */
interface Running {
  readonly inputs: ForeignInputs;
  readonly guard: FilterGuard;
  readonly lines: ForeignLines;
  readonly readers: ReadonlyMap<ForeignJail, ForeignReader>;
  /** By source; none: every line may matter. */
  readonly sieves: ReadonlyMap<string, Sieve>;
  /** Those that hear of bans. */
  readonly banReaders: readonly ForeignReader[];
  readonly failures: ForeignFailures;
}

/** How long lines that a command is asked about are waited for, ms: before the jails change, behind that change, and at the end. */
const patienceMs = { before: 5_000, behind: 60_000, end: 2_000 } as const;

export function createForeign(deps: ForeignDeps): Foreign {
  const { events, nowMs } = deps;
  const stopped = new Map<string, string>();
  let running: Running | undefined;
  /** Those from before, whose last lines are not decided on yet. */
  const leaving = new Set<Running>();
  let changing = false;
  const order = new LineOrder(deps.held);
  const acts = createForeignActs(deps);

  const begin = (jails: readonly ForeignJail[]): Running => {
    const byFilter = new Map(jails.map((jail) => [jail.jail.name, jail]));
    const compiledMs = nowMs();
    const guard = new FilterGuard(
      jails.map(({ jail: { name }, texts }) => ({ name, texts, timezone: 'local', compiledMs })),
      {
        onStrike: ({ filter, line, strikes, disabled }) => {
          const { file = '', line: at = 0 } = byFilter.get(filter) ?? {};
          const shown = printable(line.slice(0, 200));
          if (!disabled) {
            events.notice('warning', `jail ${filter}: an expression took too long over a line and was stopped (${strikes} of 3): ${shown}`);
            return;
          }
          const why = `its expressions took too long three times (${file}:${at}); the last line was: ${shown}`;
          stopped.set(filter, why);
          events.notice('error', `jail ${filter} is disabled: ${why}. Mend the filter, then: sluice reload`);
        },
      },
    );
    const failures = createForeignFailures(deps, jails);
    const sink: ForeignSink = {
      failure: failures.take,
      ignored: ({ jail }, ignoreRegex) =>
        events.unmatched({ kind: 'except', filter: foreignFilterName(jail.name), pattern: `ignoreregex-${ignoreRegex + 1}` }),
      unseen: ({ jail }, { source }, why) => {
        if (why === 'overflow') events.lost(source, 'overflow', 1, `jail ${jail.name}: too many lines wait for its expressions`);
      },
    };
    const lines = new ForeignLines(guard, sink, order);
    const filters = new Map(
      jails.flatMap((jail) => {
        const { filter } = compileFilter(jail.texts, compiledMs);
        return filter === undefined ? [] : [[jail, filter] as const];
      }),
    );
    const readers = new Map([...filters].map(([jail, filter]) => [jail, { jail, mayMatch: lineGate(filter) }]));
    const inputs = new ForeignInputs(jails);
    return {
      inputs,
      guard,
      lines,
      readers,
      sieves: sievesOf(inputs, filters),
      banReaders: [...readers.values()].filter(({ jail }) => jail.readsBans),
      failures,
    };
  };

  /** What waits for a command longer than that does not count, as its jail might spare whom it is about. */
  const end = async ({ guard, failures }: Running, ms: number): Promise<void> => {
    const settled = order.settled();
    await within(ms, settled);
    failures.stop();
    await settled;
    await guard.close();
  };

  const carriedOut = (decision: BanDecision, detection: Detection | undefined): void => {
    acts.carriedOut(decision, detection);
    if (running === undefined) return;
    const { ban } = decision;
    if (decision.kind !== 'ban' || ban.observe || running.banReaders.length === 0) return;
    for (const reader of running.banReaders) {
      const text = reader.jail.readsBans === 'journal' ? banLineOfJournal(ban, process.pid, hostname()) : banLineOfFile(ban, process.pid);
      const line = { text, atMs: reader.jail.readsBans === 'journal' ? ban.sinceMs : undefined };
      running.lines.take(recordOfBan(text, ban, nowMs()), [reader], nowMs(), () => undefined, line);
    }
  };

  return {
    inputs: () => running?.inputs.inputs ?? [],
    owns: (source) => running?.inputs.readersOf(source) !== undefined,
    sieveOf: (source) => followingSieve(() => running?.sieves.get(source) ?? everything),
    take: (record, done) => {
      const all = running?.inputs.readersOf(record.source);
      if (running === undefined || all === undefined) return done();
      const { readers, lines } = running;
      lines.take(
        record,
        all.flatMap((jail) => (reads(jail, record) ? (readers.get(jail) ?? []) : [])),
        nowMs(),
        done,
      );
    },
    carriedOut,
    byHand: (ban, already) => {
      if (already) return acts.prolonged(ban);
      const { jail, subject, address = splitPrefix(subject).address } = ban;
      carriedOut({ kind: 'ban', jail, subject, address, failures: 0, ban }, undefined);
    },
    cameAgain: acts.cameAgain,
    restored: acts.restored,
    waiting: () => order.waiting(),
    disabled: () => stopped,
    holds: (source) => changing || order.holds(source),
    pause: async () => {
      changing = true;
      deps.held();
      await within(patienceMs.before, order.settled());
    },
    use: (jails) => {
      changing = false;
      const before = running;
      if (before !== undefined || jails.length > 0) {
        running = begin(jails);
        stopped.clear();
        acts.use(jails);
      }
      if (before !== undefined) {
        leaving.add(before);
        void end(before, patienceMs.behind).finally(() => leaving.delete(before));
      }
      deps.held();
    },
    settled: order.settled.bind(order),
    stop: async () => {
      const last = running;
      await Promise.all([...leaving, ...(last === undefined ? [] : [last])].map(async (each) => end(each, patienceMs.end)));
      running = undefined;
      await acts.stop();
    },
  };
}

/** Resolves with the promise, or after so many ms. */
async function within(ms: number, promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}

const everything = passEverything();

function sievesOf(inputs: ForeignInputs, filters: ReadonlyMap<ForeignJail, ForeignFilter>): ReadonlyMap<string, Sieve> {
  const sieves = new Map<string, Sieve>();
  for (const input of inputs.inputs) {
    // The needles are UTF-8.
    if (input.kind === 'file' && input.encoding !== undefined) continue;
    const needles = (inputs.readersOf(input.name) ?? []).map((jail) => {
      const filter = filters.get(jail);
      return filter === undefined ? [] : foreignNeedles(filter);
    });
    const all = needles.filter((each) => each !== undefined);
    if (all.length === needles.length) sieves.set(input.name, createSieve(all.flat(), 0));
  }
  return sieves;
}

/** The source that evidence of such failures names. */
const ownBans = 'sluice';

function recordOfBan(text: string, ban: Ban, receivedMs: number): LogRecord {
  return {
    facility: undefined,
    severity: undefined,
    stamp: { ms: ban.sinceMs, zoned: true, fraction: true },
    hostname: undefined,
    appName: 'fail2ban.actions',
    procId: undefined,
    msgId: undefined,
    structuredData: undefined,
    text,
    repeats: 1,
    source: ownBans,
    origin: { kind: 'file', path: '', inode: 0n, offsetBytes: 0, head: '' },
    trust: 'full',
    receivedMs,
    trusted: undefined,
    catchingUp: true,
  };
}
