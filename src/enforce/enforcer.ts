import type { Address, Prefix } from '../model/address.ts';
import type { KernelChange } from '../model/decision.ts';
import type { Ports } from '../model/filter.ts';
import { createDropCounts, type DropCount } from './drop-counts.ts';
import { createElementCounts } from './element-counts.ts';
import { auditSets, eitherOf, readSets } from './kernel-audit.ts';
import { compareListing, type Drift } from './kernel-listing.ts';
import { type LookedUp, lookUp } from './kernel-lookup.ts';
import { listTable } from './kernel-table.ts';
import { countBySet, type Layout, layoutOf, placeOf, withPlaces } from './layout.ts';
import { startNftChild } from './nft-child.ts';
import { shapeOf } from './nft-script.ts';
import { createSocketKiller } from './socket-kill.ts';
import { createTransactions, type TransactionHooks } from './transactions.ts';
import type { Settled } from './waiters.ts';

export interface EnforcerOptions {
  /** Absolute path of nft. */
  readonly nft: string;
  /** Every element that should be in the kernel now, as puts, observe bans left out; asked at a start and after a loss. */
  readonly currentState: () => Iterable<KernelChange>;
  /** Where the directory for nft's batch files is made; undefined: a tmpfs place. */
  readonly directory?: string | undefined;
  /** Absolute path of ss, which ends sessions that a banned host has open; undefined: they are left to their timeouts. */
  readonly ss?: string | undefined;
  /** Elements that one set takes. An empty set of a million costs 0.5 MB. */
  readonly setSize?: number;
  /** Elements in one transaction: 5,000 hold up others for 30 ms, 100,000 for 300 ms. */
  readonly batchElements?: number;
  /** An nft that takes longer is ended; ms. */
  readonly timeoutMs?: number;
  /** How often the table is looked at, ms. One look takes nft 3 ms. */
  readonly pollMs?: number;
  /** How often elements are compared, ms, and after each start. */
  readonly auditMs?: number;
  /** With more elements in all, they are not compared: reading a set is quadratic, and we stand still for 1 us an element. */
  readonly auditElements?: number;
  /** Changes that may wait while nft does not answer; beyond, they are written from currentState when it does again. */
  readonly maxWaiting?: number;
}

export interface EnforcerHooks extends TransactionHooks {
  /** The kernel's table is not as it should be; it is mended at once. */
  readonly drift: (found: readonly Drift[]) => void;
  /** After each comparison of elements: what differed, mostly nothing. Called before `drift`. */
  readonly audited?: (found: readonly Drift[]) => void;
  /** This kernel cannot end sessions: said once. `why` is a sentence. */
  readonly unable?: (why: string) => void;
}

export interface Wanted {
  /** Every distinct list of ports of the jails that act. */
  readonly lists: readonly Ports[];
  /** Prefix lengths that the jails ban, beside single addresses. */
  readonly lengths: { readonly ipv4: readonly number[]; readonly ipv6: readonly number[] };
  /** Whether currentState may have others, by hand or from before a reload: then all of it is looked at. Asked when it is complete; unset: it may. */
  readonly others?: () => boolean;
  /** Never dropped by the kernel, whatever is banned. */
  readonly allow: readonly Prefix[];
}

export interface Enforcer {
  /**
   * Makes the table, and writes currentState once that is complete. Sets that are there keep what they hold.
   *
   * @param complete until it resolves, currentState is not asked; unset: at once
   * @returns when all is in the kernel, or why not yet
   */
  readonly start: (wanted: Wanted, complete?: Promise<void>) => Promise<Settled>;
  /** After a reload: sets that no jail uses any more are removed, with what they hold; the others keep it. */
  readonly configure: (wanted: Wanted) => Promise<Settled>;
  /** Never waits. What is decided while a transaction is on its way goes into the next one. */
  readonly apply: (changes: readonly KernelChange[]) => void;
  /** When everything applied so far is in the kernel, or why it is not yet. */
  readonly settled: () => Promise<Settled>;
  /** Cheap if nothing has changed. */
  readonly setAllow: (allow: readonly Prefix[]) => void;
  /** What the kernel holds on an address, asked now; 4 ms. */
  readonly lookUp: (address: Address) => Promise<LookedUp>;
  /** Dropped since the start, by set. As of the last look, at most pollMs ago. */
  readonly packets: () => ReadonlyMap<string, DropCount>;
  /** Elements by set, from currentState; of more than 20,000 what was counted last, because they are counted a piece at a time. */
  readonly elements: () => ReadonlyMap<string, number>;
  readonly setSize: number;
  /** Changes that wait for nft, and how many may: what comes beyond is written from currentState later. */
  readonly waiting: () => number;
  readonly maxWaiting: number;
  /** Writes what waits, if nft answers, and ends the children. Bans stay in force. */
  readonly stop: () => Promise<void>;
}

/** Starts the children that run nft: call it before anything large is loaded. */
export function createEnforcer(options: EnforcerOptions, hooks: EnforcerHooks): Enforcer {
  const { nft, ss, directory, currentState, timeoutMs = 10_000, pollMs = 500, auditMs = 60_000, auditElements = 20_000 } = options;
  const { setSize = 1_000_000, batchElements = 5_000, maxWaiting = 100_000 } = options;
  const child = startNftChild({ nft, directory, timeoutMs });
  // Looking does not stand in the way of banning.
  const looking = startNftChild({ nft, ss: ss ?? '/bin/false', directory, timeoutMs });
  const sessions = ss === undefined ? undefined : createSocketKiller(looking, { unable: (why) => hooks.unable?.(why) });
  const transactions = createTransactions(
    { child, currentState, setSize, batchElements, maxWaiting },
    {
      ...hooks,
      committed: (changes, tookMs) => {
        hooks.committed(changes, tookMs);
        sessions?.end(changes.filter(({ kind }) => kind === 'put'));
      },
    },
  );
  const drops = createDropCounts();
  const elements = createElementCounts(transactions.layout, currentState);
  let timer: NodeJS.Timeout | undefined;
  let auditTimer: NodeJS.Timeout | undefined;
  /** Elements that were decided upon while an audit reads. */
  let touched: Set<string> | undefined;
  let stopped = false;

  const look = async (): Promise<void> => {
    const before = transactions.shaped();
    const listed = await listTable(looking);
    if (stopped) return;
    timer = setTimeout(() => void look(), pollMs);
    if (listed.kind !== 'listing') return;
    drops.take(listed.listing.counters);
    // While the table was being changed by ourselves, it may have shown either form.
    if (before === undefined || transactions.shaped() !== before) return;
    const found = compareListing(shapeOf(transactions.layout()), listed.listing);
    for (const name of transactions.renewed(listed.listing))
      found.push({ kind: 'missing', what: 'element', name, count: countBySet(transactions.layout(), currentState()).get(name) ?? 0 });
    if (found.length === 0) return;
    hooks.drift(found);
    transactions.shape(transactions.layout());
  };

  const audit = async (): Promise<void> => {
    if (stopped) return;
    const before = transactions.shaped();
    if (before !== undefined && transactions.resting() && !hasMoreThan(auditElements, currentState())) {
      touched = new Set();
      // What is on its way now is not missing.
      await transactions.settled(false);
      const layout = transactions.layout();
      let held = await readSets(looking, layout, auditElements);
      // A listing may lack elements while the kernel resizes the set: only what two listings lack is missing.
      if (auditSets(held, layout, currentState(), touched, Date.now()).drift.length > 0)
        held = eitherOf(held, await readSets(looking, layout, auditElements));
      const since = touched;
      touched = undefined;
      if (transactions.shaped() === before && transactions.resting() && layout === transactions.layout()) {
        const { drift, mending, allowDiffers } = auditSets(held, layout, currentState(), since, Date.now());
        hooks.audited?.(drift);
        if (drift.length > 0) hooks.drift(drift);
        transactions.add(mending);
        if (allowDiffers) transactions.shape(layout);
      }
    }
    if (!stopped) auditTimer = setTimeout(() => void audit(), auditMs);
  };

  const withOthers = (layout: Layout, others = (): boolean => true): Layout => (others() ? withPlaces(layout, currentState()) : layout);

  return {
    setSize,
    waiting: transactions.waiting,
    maxWaiting,
    start: ({ lists, lengths, others, allow }, complete) => {
      timer = setTimeout(() => void look(), pollMs);
      transactions.start(layoutOf(lists, lengths, allow), async (layout) => {
        await complete;
        return withOthers(layout, others);
      });
      const settled = transactions.settled(true);
      void settled.then(audit);
      return settled;
    },
    configure: ({ lists, lengths, others, allow }) => {
      transactions.shape(withOthers(layoutOf(lists, lengths, allow), others));
      return transactions.settled(true);
    },
    apply: (changes) => {
      if (touched !== undefined) {
        for (const { ports, subject } of changes) {
          const { set, address } = placeOf(ports, subject);
          touched.add(`${set} ${address}`);
        }
      }
      transactions.add(changes);
    },
    settled: () => transactions.settled(false),
    setAllow: (allow) => {
      const layout = transactions.layout();
      if (allow.length === layout.allow.length && allow.every((prefix, index) => prefix === layout.allow[index])) return;
      transactions.shape({ ...layout, allow });
    },
    lookUp: (address) => lookUp(looking, transactions.layout(), address),
    packets: drops.totals,
    elements: elements.bySet,
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      clearTimeout(auditTimer);
      elements.stop();
      await Promise.all([transactions.stop(), looking.stop()]);
    },
  };
}

function hasMoreThan(limit: number, elements: Iterable<unknown>): boolean {
  let count = 0;
  for (const _ of elements) if (++count > limit) return true;
  return false;
}
