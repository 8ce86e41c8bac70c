import type { KernelChange } from '../model/decision.ts';
import { backoffMs } from './backoff.ts';
import { hasPlace, type Layout, type Place, placeOf } from './layout.ts';
import { type Edit, timeoutSeconds } from './nft-script.ts';

/** One element to be written or removed. */
export interface Entry {
  readonly key: string;
  readonly place: Place;
  readonly change: KernelChange;
  /** An element may be there already. */
  readonly renew: boolean;
  /** Number of the call that asked for it; the earliest, where several became one. */
  readonly since: number;
  /** Written again from what we know, after a start or a loss: nobody has decided it now. */
  readonly restored: boolean;
}

/** What is to be written next. Bounded by distinct subjects: of several changes to one element only the last is kept. */
export interface ChangeQueue {
  /** A removal is always kept: there is one at most for an element that we wrote. A put that finds the queue full is lost. */
  readonly add: (change: KernelChange, since: number) => void;
  /**
   * Written when nothing newer waits; what is decided for an element meanwhile goes before. Taken one by one as they are written, because a
   * million at once hold up everybody for seconds. `renew`: their times may differ from those in the kernel.
   * After a start they do not, and writing 100,000 elements as renewals takes five times as long.
   */
  readonly restore: (changes: Iterable<KernelChange>, renew: boolean) => void;
  /**
   * At most `limit` entries: what was decided, then what is restored, then what did not fit before and may be tried again. `held`: what was
   * parked instead, because its set is full.
   */
  readonly take: (limit: number, nowMs: number) => { readonly batch: readonly Entry[]; readonly held: readonly Entry[] };
  /** They were not written. `unknown`: perhaps they were. `last`: behind everything else. */
  readonly giveBack: (entries: readonly Entry[], how?: { readonly unknown?: boolean; readonly last?: boolean }) => void;
  /** The set is full: keep these, and whatever comes for it, until there may be room. */
  readonly park: (set: string, entries: readonly Entry[], nowMs: number) => void;
  /** The set has taken elements, or (`freed`) some were removed. @param triedMs when the transaction was made up */
  readonly wrote: (set: string, freed: boolean, triedMs: number) => void;
  /** When parked entries may be tried again, ms; Infinity: there are none. */
  readonly retryAtMs: () => number;
  readonly parked: (set: string) => number;
  /** `since` of the oldest change that waits; Infinity: none. */
  readonly oldest: () => number;
  /** How many changes wait, those for full sets too; without what is only written again. */
  readonly waiting: () => number;
  /** Whether anything that is only written again is still to be taken. */
  readonly restoring: () => boolean;
  /** Puts that found no room here since this was last asked, and might now. */
  readonly lost: () => number;
}

interface FullSet {
  readonly entries: Map<string, Entry>;
  retryAtMs: number;
  attempts: number;
  /** Puts that were not even parked. */
  lost: number;
}

/** What is written again, and how far that is. */
interface Backlog {
  next: KernelChange;
  readonly rest: Iterator<KernelChange>;
  readonly renew: boolean;
  /**
   * What waits, or was decided anew or given back since this began: that goes before, and is right. An element twice in one transaction could not be told
   * apart when it is given back. What begins later, after a loss, has to write it again.
   */
  readonly overridden: Set<string>;
}

/** @param maxWaiting puts that may wait, and as many that may be parked */
export function createChangeQueue(maxWaiting: number): ChangeQueue {
  let pending = new Map<string, Entry>();
  const backlog: Backlog[] = [];
  const full = new Map<string, FullSet>();
  let lost = 0;
  let sorted = true;

  const hold = (set: FullSet, entry: Entry): void => {
    if (set.entries.has(entry.key) || parkedInAll() < maxWaiting) set.entries.set(entry.key, entry);
    else set.lost++;
  };

  /** There is room in it again. */
  const release = (name: string): void => {
    lost += full.get(name)?.lost ?? 0;
    full.delete(name);
  };

  const parkedInAll = (): number => [...full.values()].reduce((sum, { entries }) => sum + entries.size, 0);

  return {
    add: (change, since) => {
      const place = placeOf(change.ports, change.subject);
      const key = `${place.set} ${place.address}`;
      const older = pending.get(key);
      if (older === undefined && change.kind === 'put' && pending.size >= maxWaiting) {
        lost++;
        return;
      }
      for (const { overridden } of backlog) overridden.add(key);
      const asked = change.kind === 'put' && change.mayExist;
      const renew = older === undefined ? asked : older.change.kind === 'remove' || older.renew || (older.restored && asked);
      pending.set(key, { key, place, change, renew, since: older?.since ?? since, restored: false });
    },

    restore: (changes, renew) => {
      const rest = changes[Symbol.iterator]();
      const first = rest.next();
      if (first.done !== true) backlog.push({ next: first.value, rest, renew, overridden: new Set(pending.keys()) });
    },

    take: (limit, nowMs) => {
      const batch: Entry[] = [];
      const held: Entry[] = [];
      for (const [key, entry] of pending) {
        if (batch.length >= limit) break;
        pending.delete(key);
        const set = full.get(entry.place.set);
        // Whatever waited there for this element is out of date.
        set?.entries.delete(key);
        if (set === undefined || entry.change.kind === 'remove') batch.push(entry);
        else {
          hold(set, entry);
          held.push(entry);
        }
      }
      if (pending.size === 0) sorted = true;
      while (batch.length < limit) {
        const [oldest] = backlog;
        if (oldest === undefined) break;
        const { next: change, renew, overridden } = oldest;
        const following = oldest.rest.next();
        if (following.done === true) backlog.shift();
        else oldest.next = following.value;
        const place = placeOf(change.ports, change.subject);
        const entry = { key: `${place.set} ${place.address}`, place, change, renew, since: Infinity, restored: true };
        if (overridden.has(entry.key)) continue;
        const set = full.get(place.set);
        if (set === undefined) batch.push(entry);
        else {
          hold(set, entry);
          held.push(entry);
        }
      }
      for (const [name, set] of full) {
        if (set.retryAtMs > nowMs) continue;
        if (set.entries.size === 0) release(name);
        for (const [key, entry] of set.entries) {
          if (batch.length >= limit) break;
          set.entries.delete(key);
          batch.push(entry);
        }
      }
      return { batch, held };
    },

    giveBack: (entries, { unknown = false, last = false } = {}) => {
      const returned = new Map<string, Entry>();
      for (const entry of entries) {
        const newer = pending.get(entry.key);
        // What is only written again may have been there all the time: whoever decided anew knows whether it may.
        const asked = newer !== undefined && (entry.change.kind === 'remove' || (entry.restored && newer.renew));
        const renew = unknown || entry.renew || asked;
        for (const { overridden } of backlog) overridden.add(entry.key);
        returned.set(entry.key, { ...(newer ?? entry), renew, since: Math.min(entry.since, newer?.since ?? Infinity) });
        pending.delete(entry.key);
      }
      sorted &&= !last && !entries.some(({ restored }) => restored);
      pending = new Map(last ? [...pending, ...returned] : [...returned, ...pending]);
    },

    park: (name, entries, nowMs) => {
      const set = full.get(name) ?? { entries: new Map<string, Entry>(), retryAtMs: 0, attempts: 0, lost: 0 };
      full.set(name, set);
      set.attempts++;
      set.retryAtMs = nowMs + backoffMs(set.attempts + 2); // 0.8 s first: only an element that runs out makes room
      for (const entry of entries) hold(set, entry);
    },

    wrote: (name, freed, triedMs) => {
      const set = full.get(name);
      // What stood before the first that did not fit tells nothing of the room that is left.
      if (set === undefined || (!freed && set.retryAtMs > triedMs)) return;
      set.attempts = 0;
      set.retryAtMs = triedMs;
      if (set.entries.size === 0) release(name);
    },

    retryAtMs: () => Math.min(Infinity, ...[...full.values()].map(({ retryAtMs }) => retryAtMs)),
    parked: (name) => full.get(name)?.entries.size ?? 0,
    oldest: () =>
      sorted
        ? (pending.values().next().value?.since ?? Infinity)
        : pending.values().reduce((oldest, { since }) => Math.min(oldest, since), Infinity),
    waiting: () => pending.size + parkedInAll(),
    // Entries that were given back are among what waits; after a failure alone.
    restoring: () => backlog.length > 0 || (!sorted && pending.values().some(({ restored }) => restored)),
    lost: () => {
      const before = lost;
      lost = 0;
      return before;
    },
  };
}

/** @returns undefined if nothing is to be written: the ban is over already, or its set is gone */
export function editOf({ place, change, renew }: Entry, nowMs: number, layout: Layout): Edit | undefined {
  const { set, address } = place;
  if (!hasPlace(layout, place)) return undefined;
  if (change.kind === 'remove') return { kind: 'remove', set, address };
  const timeoutS = timeoutSeconds(change.untilMs, nowMs);
  if (timeoutS === 0) return renew ? { kind: 'remove', set, address } : undefined;
  return { kind: 'put', set, address, timeoutS, renew };
}
