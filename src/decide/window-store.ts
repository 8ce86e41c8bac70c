import { FloatColumn, WordColumn } from './columns.ts';
import { FailureLists } from './failure-lists.ts';
import type { HashSeed } from './half-sip-hash.ts';
import { KeyTable } from './key-table.ts';
import { RowChanges } from './row-changes.ts';
import { laneOf, newKey, type SubjectKey } from './subject-key.ts';

/** What counts in one lane: `maxretry` failures within `findtimeMs`. */
export interface WindowPolicy {
  readonly maxretry: number;
  readonly findtimeMs: number;
}

export interface WindowLimits {
  readonly seed: HashSeed;
  /** Most subjects with an open window, all lanes together. */
  readonly maxSubjects: number;
  /** Most failures held, all together; 16 bytes each. */
  readonly maxFailures: number;
}

/**
 * Recent failures of each (lane, subject): exact sliding windows.
 *
 * **What counts.** For a failure at time t, the failures f with 0 <= t - f < findtime, itself included. A later failure does not count
 * for an earlier one that arrives after it, and no failure is counted again when an earlier one arrives: only the failure at hand can
 * complete a window, so that a ban always begins at the time of the record that led to it. A late failure does count for every failure
 * at hand after it.
 *
 * **What is held**, with R = maxretry: of the failures sorted by time, the newest that weigh 2R together. That is exact for every failure
 * overtaken by failures that weigh at most R (later ones that arrived first): they are the newest and therefore held, so what is held at
 * or before t weighs all there is, or at least 2R - R = R, and R is enough for a ban. What is dropped never matters later: newer ones
 * outweigh it then too, because nothing leaves a list but its oldest, or all at once. A failure overtaken by more than R counts perhaps too
 * few, never too many. In order, nothing is ever overtaken. (To be exact for any lateness would mean to hold everything for ever.)
 *
 * **When a window goes**: with a ban; for want of room (`evictions`); in `sweep`, once its newest failure is findtime old and nothing
 * arrived for as long. Two clocks, because a source that catches up brings failures that are old already: between two of its records
 * less time passes than between their stamps. A failure that arrives more than findtime late, into silence, may count too few.
 *
 * Memory: 48 to 56 bytes a subject and 16 a failure.
 */
export class WindowStore {
  readonly #table: KeyTable;
  readonly #changes: RowChanges;
  readonly #lists = new FailureLists();
  readonly #head = new WordColumn();
  readonly #touchedMs = new FloatColumn();
  readonly #limits: WindowLimits;
  readonly #policies: WindowPolicy[] = [];
  readonly #evictions: number[] = [];
  #sweepHand = 0;
  #evictHand = 0;

  constructor(limits: WindowLimits) {
    this.#limits = limits;
    this.#table = new KeyTable(limits.seed);
    this.#changes = new RowChanges(this.#table, limits.maxSubjects);
  }

  /** What counts in a lane from now on; windows that are open stay. Needed before the first failure of the lane. */
  setPolicy(lane: number, policy: WindowPolicy): void {
    this.#policies[lane] = policy;
  }

  /** Subjects with an open window. */
  get size(): number {
    return this.#table.size;
  }

  sizeOf(lane: number): number {
    return this.#table.sizeOf(lane);
  }

  /** Windows thrown out for want of room, since the start. */
  evictionsOf(lane: number): number {
    return this.#evictions[lane] ?? 0;
  }

  /**
   * Counts a failure.
   * @param weight how many failures it stands for, at least 1
   * @param nowMs the clock, not the record's time
   * @returns how many failures count at `atMs`
   */
  add(key: SubjectKey, { atMs, weight, nowMs }: { readonly atMs: number; readonly weight: number; readonly nowMs: number }): number {
    const { maxretry, findtimeMs } = this.#policyOf(laneOf(key));
    let row = this.#table.find(key);
    if (row === -1) {
      while (this.#table.size >= this.#limits.maxSubjects || this.#full()) this.#evict(-1, nowMs);
      row = this.#table.add(key);
      this.#head.set(row, 0);
    } else {
      while (this.#full() && this.#table.size > 1) this.#evict(row, nowMs);
    }
    const head = this.#head.get(row);
    const count = this.#lists.count(head, atMs, findtimeMs) + weight;
    const newHead = this.#lists.insert(head, { atMs, weight, maxWeight: 2 * maxretry });
    this.#lists.trim(newHead, 2 * maxretry);
    this.#head.set(row, newHead);
    this.#touchedMs.set(row, nowMs);
    this.#changes.changed(row);
    return count;
  }

  /** The held failures, ms since the epoch, sorted; empty: no open window. */
  read(key: SubjectKey): readonly number[] {
    const row = this.#table.find(key);
    return row === -1 ? [] : this.#lists.read(this.#head.get(row));
  }

  /** @returns whether there was an open window. */
  forget(key: SubjectKey): boolean {
    const row = this.#table.find(key);
    if (row === -1) return false;
    this.#remove(row);
    return true;
  }

  /** Forgets every window for which `test` is true. Looks at all of them: for what people do by hand. */
  forgetWhere(test: (key: SubjectKey) => boolean): void {
    const key = newKey();
    for (let row = 0; row < this.#table.end; row++) {
      if (this.#table.has(row) && test(this.#table.readKey(row, key))) this.#remove(row);
    }
  }

  /** Whether any subject has this mapped prefix length. */
  hasLength(length: number): boolean {
    return this.#table.hasLength(length);
  }

  /**
   * Forgets windows that cannot count any more, and goes on there the next time.
   * @param effort how many windows to look at; one that goes counts as `removalEffort`, which is what it costs
   * @returns how many went
   */
  sweep(nowMs: number, effort: number): number {
    let removed = 0;
    for (let left = effort, looked = 0; left > 0 && looked < this.#table.end; left--, looked++) {
      if (this.#sweepHand >= this.#table.end) this.#sweepHand = 0;
      const row = this.#sweepHand++;
      if (!this.#table.has(row) || !this.#expired(row, nowMs)) continue;
      this.#remove(row);
      removed++;
      left -= removalEffort - 1;
    }
    return removed;
  }

  /** Puts back what a checkpoint has kept. There must be room: what does not fit is not put back. */
  restore(key: SubjectKey, failuresMs: readonly number[], nowMs: number): boolean {
    if (failuresMs.length === 0 || this.#table.size >= this.#limits.maxSubjects || this.#full() || this.#table.find(key) !== -1)
      return false;
    const row = this.#table.add(key);
    let head = 0;
    // As it was: if maxretry is less than it was then, the next failure trims it.
    for (const atMs of failuresMs) head = this.#lists.insert(head, { atMs, weight: 1, maxWeight: failuresMs.length });
    this.#head.set(row, head);
    this.#touchedMs.set(row, nowMs);
    this.#changes.known(row);
    return true;
  }

  /** Every window that changed since the last call; an empty list: it is gone. */
  takeChanges(hand: (key: SubjectKey, failuresMs: readonly number[]) => void): void {
    this.#changes.take((key, row) => hand(key, row === -1 ? [] : this.#lists.read(this.#head.get(row))));
  }

  /** Every open window. The key is good until the next one. */
  forEach(hand: (key: SubjectKey, failuresMs: readonly number[]) => void): void {
    const key = newKey();
    for (let row = 0; row < this.#table.end; row++) {
      if (this.#table.has(row)) hand(this.#table.readKey(row, key), this.#lists.read(this.#head.get(row)));
    }
  }

  #policyOf(lane: number): WindowPolicy {
    const policy = this.#policies[lane];
    if (policy === undefined) throw new Error(`lane ${lane} has no policy`);
    return policy;
  }

  #full(): boolean {
    return this.#lists.used >= this.#limits.maxFailures;
  }

  #expired(row: number, nowMs: number): boolean {
    const { findtimeMs } = this.#policyOf(this.#table.laneAt(row));
    return this.#newestMs(row) + findtimeMs <= nowMs && this.#touchedMs.get(row) + findtimeMs <= nowMs;
  }

  #newestMs(row: number): number {
    return this.#lists.atMs(this.#head.get(row));
  }

  #remove(row: number): void {
    this.#changes.gone(row);
    this.#lists.free(this.#head.get(row));
    this.#table.remove(row);
  }

  /**
   * Makes room: of the next few windows the one that matters least goes. Expired before open, then fewest failures, then the longest ago.
   * So a flood of new subjects pushes out its own like, not the windows of hosts that failed repeatedly.
   */
  #evict(keptRow: number, nowMs: number): void {
    let worst = -1;
    let worstFailures = 0;
    for (let looked = 0, seen = 0; seen < evictionSample && looked < this.#table.end; looked++) {
      if (this.#evictHand >= this.#table.end) this.#evictHand = 0;
      const row = this.#evictHand++;
      if (row === keptRow || !this.#table.has(row)) continue;
      seen++;
      const failures = this.#expired(row, nowMs) ? 0 : this.#failures(row);
      if (worst !== -1 && (failures > worstFailures || (failures === worstFailures && this.#newestMs(row) >= this.#newestMs(worst))))
        continue;
      worst = row;
      worstFailures = failures;
    }
    if (worst === -1) throw new Error('no window to evict'); // a limit of no subjects, or none but the kept one
    const lane = this.#table.laneAt(worst);
    this.#evictions[lane] = this.evictionsOf(lane) + 1;
    this.#remove(worst);
  }

  /** Up to `evictionSample`: more failures than that are not told apart. */
  #failures(row: number): number {
    let total = 0;
    for (let cell = this.#head.get(row); cell !== 0 && total < evictionSample; cell = this.#lists.next(cell))
      total += this.#lists.weight(cell);
    return Math.min(total, evictionSample);
  }
}

const evictionSample = 16;
/** Removing a window costs as much as looking at so many. */
export const removalEffort = 20;
