import { covers, type Prefix } from '../model/address.ts';
import { mappedBits, maskBits } from '../model/address-bits.ts';
import type { Ban } from '../model/decision.ts';
import { type Due, DueHeap } from './due-heap.ts';
import type { HashSeed } from './half-sip-hash.ts';
import { KeyTable } from './key-table.ts';
import { RowChanges } from './row-changes.ts';
import { lengthOf, newKey, readSubjectPrefix, setLane, type SubjectKey, wholeAddress } from './subject-key.ts';

/** A ban in force with what only this process knows of it. */
export interface ActiveBan extends Due {
  readonly lane: number;
  readonly ban: Ban;
  /** Failures that led to it; undefined: by hand, imported, or from before a restart. */
  readonly failures: number | undefined;
}

/**
 * The bans in force, at most one for each (lane, subject): by key, by end, by address.
 *
 * Bans that only would be (`observe`) have a bound of their own, so that trying a jail pushes out no real ban.
 */
export class BanBook {
  readonly #table: KeyTable;
  readonly #changes: RowChanges;
  readonly #bans: (ActiveBan | undefined)[] = [];
  readonly #enforced = new DueHeap<ActiveBan>();
  readonly #observed = new DueHeap<ActiveBan>();
  readonly #limit: number;
  readonly #scratch = newKey();

  /** @param limit most bans, real and would-be each */
  constructor(seed: HashSeed, limit: number) {
    this.#table = new KeyTable(seed);
    this.#changes = new RowChanges(this.#table, 2 * limit);
    this.#limit = limit;
  }

  get size(): number {
    return this.#table.size;
  }

  sizeOf(lane: number): number {
    return this.#table.sizeOf(lane);
  }

  get(key: SubjectKey): ActiveBan | undefined {
    const row = this.#table.find(key);
    return row === -1 ? undefined : this.#bans[row];
  }

  /** Room for so many more. */
  reserve(bans: number): void {
    this.#table.reserve(bans);
  }

  /**
   * Whether any ban may be of a network of another length. Looks at no ban: mapped, a /24 is as long as a /120, so that true may mean no more than that
   * somebody's jails have one of the two.
   */
  hasOthersThan({ ipv4, ipv6 }: { readonly ipv4: readonly number[]; readonly ipv6: readonly number[] }): boolean {
    const isOne = (length: number): boolean =>
      length === wholeAddress || (ipv6.includes(length) && (length < mappedBits || ipv4.includes(length - mappedBits)));
    for (let length = 0; length <= wholeAddress; length++) if (this.#table.hasLength(length) && !isOne(length)) return true;
    return false;
  }

  /** The ban that must end before one more of this kind fits: the one that would end first anyway. undefined: there is room. */
  inTheWay(observe: boolean): ActiveBan | undefined {
    const heap = this.#heapOf(observe);
    return heap.size < this.#limit ? undefined : heap.first();
  }

  /** Enters a ban, in place of one under the same key. @param known the store has it already */
  put(
    key: SubjectKey,
    { lane, ban, failures }: { readonly lane: number; readonly ban: Ban; readonly failures: number | undefined },
    known = false,
  ): void {
    const hash = this.#table.hashOf(key);
    let row = this.#table.find(key, hash);
    const old = row === -1 ? undefined : this.#bans[row];
    if (old !== undefined) this.#heapOf(old.ban.observe).remove(old);
    if (row === -1) row = this.#table.add(key, hash);
    const active: ActiveBan = { lane, ban, failures, untilMs: ban.untilMs, heapIndex: 0 };
    this.#bans[row] = active;
    this.#heapOf(active.ban.observe).add(active);
    if (known) this.#changes.known(row);
    else this.#changes.changed(row);
  }

  remove({ ban, lane }: ActiveBan): void {
    const key = this.#scratch;
    readSubjectPrefix(key, ban.subject);
    setLane(key, lane);
    const row = this.#table.find(key);
    const active = row === -1 ? undefined : this.#bans[row];
    if (active === undefined) return;
    this.#heapOf(active.ban.observe).remove(active);
    this.#changes.gone(row);
    this.#bans[row] = undefined;
    this.#table.remove(row);
  }

  /** A ban that is over, the earliest first. It stays until it is removed. */
  firstDue(nowMs: number): ActiveBan | undefined {
    for (const heap of [this.#enforced, this.#observed]) {
      const first = heap.first();
      if (first !== undefined && first.untilMs <= nowMs) return first;
    }
    return undefined;
  }

  /** Every ban of these lanes whose subject holds the whole prefix. Costs a few look-ups for each lane and prefix length in use. */
  covering(prefix: Prefix, lanes: Iterable<number>): readonly ActiveBan[] {
    const key = this.#scratch;
    const found: ActiveBan[] = [];
    for (const lane of lanes) {
      readSubjectPrefix(key, prefix);
      for (let length = lengthOf(key); length >= 0; length--) {
        if (!this.#table.hasLength(length)) continue;
        maskBits(key, length);
        key[4] = length;
        setLane(key, lane);
        const active = this.get(key);
        // Below 96 bits an IPv4 address would find networks of IPv6.
        if (active !== undefined && covers(active.ban.subject, prefix)) found.push(active);
      }
    }
    return found;
  }

  /** Every ban whose subject lies within the prefix, itself included. Looks at all bans. */
  within(prefix: Prefix): readonly ActiveBan[] {
    return this.list().filter(({ ban }) => covers(prefix, ban.subject));
  }

  /** A copy, for callers that change the book meanwhile. */
  list(): readonly ActiveBan[] {
    return this.#bans.filter((active) => active !== undefined);
  }

  /** Live, without a copy. */
  *all(): Generator<ActiveBan, void, void> {
    for (const active of this.#bans) if (active !== undefined) yield active;
  }

  /** Every ban that changed since the last call; undefined: it is gone. */
  takeChanges(hand: (key: SubjectKey, ban: Ban | undefined) => void): void {
    this.#changes.take((key, row) => hand(key, this.#bans[row]?.ban));
  }

  #heapOf(observe: boolean): DueHeap<ActiveBan> {
    return observe ? this.#observed : this.#enforced;
  }
}
