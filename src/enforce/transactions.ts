import { setTimeout as delay } from 'node:timers/promises';
import type { KernelChange } from '../model/decision.ts';
import { backoffMs } from './backoff.ts';
import { createChangeQueue, type Entry } from './change-queue.ts';
import { createKernelTable, type KernelTable, problemOf } from './kernel-table.ts';
import { emptyLayout, type Layout, placeOf, withPlace } from './layout.ts';
import { adviceFor } from './nft-advice.ts';
import type { NftChild, Ran } from './nft-child.ts';
import type { NftProblem } from './nft-error.ts';
import { createPace } from './pace.ts';
import { prepare, type Prepared } from './prepared.ts';
import { createWaiters, type Settled } from './waiters.ts';

export interface TransactionOptions {
  readonly child: NftChild;
  readonly currentState: () => Iterable<KernelChange>;
  readonly setSize: number;
  readonly batchElements: number;
  readonly maxWaiting: number;
}

export interface TransactionHooks {
  /** In the kernel now; the objects that were given to apply, without those that a later change to the same element replaced. */
  readonly committed: (changes: readonly KernelChange[], tookMs: number) => void;
  readonly transaction: (result: 'ok' | 'error' | 'timeout', tookMs: number, elements: number) => void;
  /** After a start or a loss: everything is in the kernel again. */
  readonly restored: (elements: number, tookMs: number) => void;
  /** The kernel does not take this one element; it is left out, the rest of the batch is written. */
  readonly refused: (change: KernelChange, why: string) => void;
  /** The set has no room; so many elements wait for some. Each failed attempt says so again. */
  readonly full: (set: string, waiting: number) => void;
  /** Whether bans reach the kernel. Said on a change only; `why` says what to do. */
  readonly up: (up: boolean, why: string) => void;
}

/** Keeps the kernel equal to what was asked for: one nft at a time, everything asked meanwhile goes into the next. */
export interface Transactions {
  readonly layout: () => Layout;
  /**
   * Makes the table for the first time; what it shall hold is written as soon as that is known.
   *
   * @param complete resolves when currentState can be asked, with a layout that has all its sets
   */
  readonly start: (layout: Layout, complete: (layout: Layout) => Promise<Layout>) => void;
  /** The table is to be as this layout says, whether or not it differs from the last. */
  readonly shape: (layout: Layout) => void;
  readonly add: (changes: readonly KernelChange[]) => void;
  /** @param restored wait for what is restored, too */
  readonly settled: (restored: boolean) => Promise<Settled>;
  /** Counts the times the table was made; undefined while it is about to be. */
  readonly shaped: () => number | undefined;
  readonly renewed: KernelTable['renewed'];
  /** Nothing is being restored, and nft answers. */
  readonly resting: () => boolean;
  /** How many changes wait for nft. */
  readonly waiting: () => number;
  /** Writes what waits, if nft answers. */
  readonly stop: () => Promise<void>;
}

/** Single elements that are taken out of a batch, one transaction each, before the rest waits. */
const maxRepairs = 20;
/** Attempts at once for a problem that the attempt itself mends. */
const maxHaste = 4;
const mendable: ReadonlySet<NftProblem['kind']> = new Set(['missing', 'changed', 'busy', 'too_long']);
/** How long stopping waits for what is still to be written, ms. */
const stopMs = 5_000;

export function createTransactions(options: TransactionOptions, hooks: TransactionHooks): Transactions {
  const { child, currentState, setSize, batchElements, maxWaiting } = options;
  const table = createKernelTable(child, setSize);
  const queue = createChangeQueue(maxWaiting);
  const waiters = createWaiters();
  const pace = createPace();

  let layout: Layout = emptyLayout;
  let started = false;
  let stopping = false;
  let running = false;
  let pumping: Promise<void> | undefined;
  let wantEnsure = false;
  let ensures = 0;
  let restoreAll = false;
  let restoring: { readonly sinceMs: number; elements: number } | undefined;
  let calls = 0;
  let ceiling = batchElements;
  let limit = batchElements;
  let retry: readonly Entry[] = [];
  /** Of what is written again, the next transaction. */
  let ahead: Prepared | undefined;
  let repairs = 0;
  let hasty = 0;
  let failures = 0;
  let down: string | undefined;
  let up = false;
  let wake: (() => void) | undefined;
  let retryTimer: NodeJS.Timeout | undefined;

  let complete = async (known: Layout): Promise<Layout> => known;

  const run = (): void => {
    if (!started || stopping || running) return;
    running = true;
    pumping = pump();
  };

  const pump = async (): Promise<void> => {
    clearTimeout(retryTimer);
    for (;;) {
      if (stopping && failures > 0) break;
      if (wantEnsure) {
        // Its sets may go.
        giveBackAhead();
        await ensure();
        continue;
      }
      if (gathering()) {
        await pace.rest();
        if (wantEnsure) continue;
      }
      const prepared = retry.length > 0 ? prepare(retry, Date.now(), layout) : (ahead ?? prepare(take(), Date.now(), layout));
      if (prepared.batch.length === 0) break;
      if (retry.length > 0) retry = [];
      else ahead = undefined;
      await commit(prepared);
    }
    running = false;
    waiters.reached(queue.oldest());
    // All that was to be restored may be parked, or decided anew: then nothing was written that would tell.
    settleRestored();
    const retryAtMs = queue.retryAtMs();
    if (retryAtMs !== Infinity && !stopping) retryTimer = setTimeout(run, Math.max(10, retryAtMs - Date.now()));
  };

  /** Whether more may come that can share a transaction with what waits. */
  const gathering = (): boolean => {
    const waiting = queue.waiting();
    return waiting > 0 && waiting < limit && retry.length === 0 && !stopping && !queue.restoring();
  };

  const take = (): readonly Entry[] => {
    if (restoreAll && queue.oldest() === Infinity && !queue.restoring()) {
      restoreAll = false;
      queue.restore(currentState(), true);
    }
    const { batch, held } = queue.take(limit, Date.now());
    if (held.length > 0) waiters.fail(held, 'the set in the kernel is full');
    if (queue.lost() > 0) restoreAll = true;
    return batch;
  };

  const ensure = async (): Promise<void> => {
    const wanted = layout;
    const first = ensures === 0;
    restoring ??= { sinceMs: performance.now(), elements: 0 };
    const ensured = await table.ensure(wanted, (ran) => counted(ran, 0));
    if (ensured.kind === 'problem') return failed(ensured.problem);
    if (first) {
      const asked = layout;
      const grown = await complete(asked);
      // Another one is wanted by now, or this one has not all sets: once more.
      if (layout !== asked) return;
      if (grown !== asked) {
        layout = grown;
        return;
      }
    }
    ensures++;
    wantEnsure = layout !== wanted;
    works();
    const { emptied } = ensured;
    const isLost = ({ ports, subject }: KernelChange): boolean => first || emptied.has(placeOf(ports, subject).set);
    // What was full has room.
    for (const set of emptied) queue.wrote(set, true, Date.now());
    if (first || emptied.size > 0) queue.restore(Iterator.from(currentState()).filter(isLost), false);
    settleRestored();
  };

  const commit = async ({ entries, over, script: { text, editAt }, nowMs }: Prepared): Promise<void> => {
    if (entries.length === 0) return written(over, nowMs, 0);
    const beganMs = performance.now();
    const running = child.run({ program: 'nft', args: ['-f', '-'], input: text });
    // While nft is at work. What is decided meanwhile waits for one transaction more.
    if (queue.restoring() && queue.waiting() === 0 && ahead === undefined) {
      const batch = take();
      if (batch.length > 0) ahead = prepare(batch, Date.now(), layout);
    }
    const ran = await running;
    counted(ran, entries.length);
    const problem = problemOf(ran);
    if (problem === undefined) {
      works();
      limit = Math.min(ceiling, limit * 2);
      pace.wrote(entries.length, beganMs);
      return written([...over, ...entries], nowMs, ran.tookMs);
    }
    const at = problem.line === undefined ? undefined : editAt(problem.line);
    const offender = at === undefined ? undefined : entries[at];
    if (at !== undefined && offender !== undefined && ++repairs <= maxRepairs) {
      const left = leaveOut(problem, entries, at, offender);
      if (left !== undefined) {
        retry = [...over, ...entries.filter((entry) => !left.has(entry))];
        return;
      }
    }
    repairs = 0;
    giveBackAhead();
    if (problem.kind === 'missing') wantEnsure = true;
    if (problem.kind === 'too_long' || problem.kind === 'other') limit = Math.max(1, Math.floor(entries.length / 2));
    // The socket's buffer stays as it is; whatever else it was may pass.
    if (problem.kind === 'too_long') ceiling = limit;
    // What fails alone, for a reason that nft does not place, goes behind the others.
    queue.giveBack([...over, ...entries], { unknown: problem.kind === 'timeout', last: entries.length === 1 });
    await failed(problem);
  };

  /** One element is why the batch was refused. @returns what the batch can do without; undefined: the element is not the reason */
  const leaveOut = (problem: NftProblem, entries: readonly Entry[], at: number, offender: Entry): ReadonlySet<Entry> | undefined => {
    const { set, address } = offender.place;
    if (problem.kind === 'element' || problem.kind === 'other') {
      hooks.refused(offender.change, problem.text);
      waiters.fail([offender], `the kernel does not take ${address}: ${problem.text}`);
      return new Set([offender]);
    }
    if (problem.kind !== 'full') return undefined;
    if (offender.change.kind === 'remove') {
      // The add of `add; delete` found no room, so the element is not there, as it should be.
      if (!offender.restored) hooks.committed([offender.change], 0);
      return new Set([offender]);
    }
    // What stands before it has room. The rest of the set waits, and whatever comes for it.
    const waiting = entries.filter((entry, index) => index >= at && entry.place.set === set && entry.change.kind === 'put');
    queue.park(set, waiting, Date.now());
    waiters.fail(waiting, `the set ${set} in the kernel is full`);
    hooks.full(set, queue.parked(set));
    return new Set(waiting);
  };

  const written = (entries: readonly Entry[], triedMs: number, tookMs: number): void => {
    repairs = 0;
    for (const set of new Set(entries.map(({ place }) => place.set))) {
      const freed = entries.some(({ place, change }) => place.set === set && change.kind === 'remove');
      queue.wrote(set, freed, triedMs);
    }
    const decided = entries.filter(({ restored }) => !restored).map(({ change }) => change);
    if (decided.length > 0) hooks.committed(decided, tookMs);
    if (restoring !== undefined) restoring.elements += entries.length - decided.length;
    waiters.reached(queue.oldest());
    settleRestored();
  };

  const giveBackAhead = (): void => {
    if (ahead !== undefined) queue.giveBack(ahead.batch);
    ahead = undefined;
  };

  const restoresMore = (): boolean => queue.restoring() || ahead !== undefined || retry.length > 0;

  const settleRestored = (): void => {
    if (restoresMore()) return;
    waiters.restored();
    if (restoring !== undefined && !wantEnsure) {
      hooks.restored(restoring.elements, performance.now() - restoring.sinceMs);
      restoring = undefined;
    }
  };

  const counted = (ran: Ran, elements: number): void => {
    hooks.transaction(ran.kind !== 'exit' ? 'timeout' : ran.code === 0 ? 'ok' : 'error', ran.tookMs, elements);
  };

  const works = (): void => {
    failures = 0;
    hasty = 0;
    down = undefined;
    if (!up) hooks.up(true, '');
    up = true;
  };

  /** Tries again at once what mends itself; else waits, longer each time. */
  const failed = async (problem: NftProblem): Promise<void> => {
    if (mendable.has(problem.kind) && ++hasty < maxHaste) return;
    failures++;
    const why = `nft cannot write to table inet sluice: ${problem.text}. ${adviceFor(problem.kind)}`;
    if (down === undefined) hooks.up(false, why);
    up = false;
    down = why;
    waiters.failAll(why);
    if (stopping) return;
    const timer = setTimeout(() => wake?.(), backoffMs(failures));
    await new Promise<void>((resolve) => (wake = resolve));
    clearTimeout(timer);
  };

  const shape = (wanted: Layout): void => {
    layout = wanted;
    started = true;
    wantEnsure = true;
    pace.hurry();
    run();
  };

  return {
    layout: () => layout,
    start: (wanted, whenComplete) => {
      complete = whenComplete;
      shape(wanted);
    },
    shape,
    add: (changes) => {
      if (changes.length === 0) return;
      calls++;
      for (const change of changes) {
        queue.add(change, calls);
        if (change.kind === 'remove') continue;
        const grown = withPlace(layout, change);
        if (grown !== layout) wantEnsure = true;
        layout = grown;
      }
      if (queue.lost() > 0) restoreAll = true;
      // After what is decided in the same turn: a chunk of the log is one transaction.
      if (!running) queueMicrotask(run);
      else if (queue.waiting() >= limit) pace.hurry();
    },
    settled: (restored) => {
      if (down !== undefined) return Promise.resolve({ kind: 'not_yet', why: down });
      const done = waiters.wait(calls, restored);
      pace.hurry();
      queueMicrotask(run);
      return done;
    },
    shaped: () => (wantEnsure ? undefined : ensures),
    renewed: table.renewed,
    waiting: queue.waiting,
    resting: () => down === undefined && !restoresMore() && !restoreAll,
    stop: async () => {
      if (failures === 0) {
        pace.hurry();
        run();
        await Promise.race([pumping, delay(stopMs, undefined, { ref: false })]);
      }
      stopping = true;
      clearTimeout(retryTimer);
      wake?.();
      await child.stop();
      await pumping;
      waiters.failAll('stopped');
    },
  };
}
