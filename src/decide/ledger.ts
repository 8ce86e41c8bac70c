import { covers, isSingle, type Address, type Prefix } from '../model/address.ts';
import { maskBits } from '../model/address-bits.ts';
import type { Ban, BanOrigin, Decision, UnbanReason } from '../model/decision.ts';
import { type ActiveBan, BanBook } from './ban-book.ts';
import { BanHistory } from './ban-history.ts';
import { banCount, banDurationMs, weightAfter } from './bantime.ts';
import type { Breaker } from './breaker.ts';
import { Evidence } from './evidence.ts';
import type { HashSeed } from './half-sip-hash.ts';
import type { JailSlot } from './jail-index.ts';
import { laneOf, lengthOf, newKey, readSubjectPrefix, setLane, type SubjectKey, subjectOf } from './subject-key.ts';
import { WindowStore } from './window-store.ts';

export interface LedgerLimits {
  readonly seed: HashSeed;
  readonly maxSubjects: number;
  readonly maxFailures: number;
  readonly maxBans: number;
  readonly maxHistory: number;
  readonly evidenceBytes: number;
}

/** One failure of one subject in one jail. */
export interface Failure {
  readonly subject: Prefix;
  readonly address: Address;
  readonly atMs: number;
  readonly nowMs: number;
  readonly weight: number;
}

/**
 * Windows, bans, history and evidence that belong together. There are two: for records that are believed, and for those of low trust,
 * which only lead to would-be bans. Nothing of the second can push out, hide or shorten anything of the first.
 */
export class Ledger {
  readonly windows: WindowStore;
  readonly book: BanBook;
  readonly history: BanHistory;
  readonly evidence: Evidence;
  /** Every ban of this ledger only would be. */
  readonly #wouldBe: boolean;
  readonly #kernelTouched: (slotLane: number, subject: Prefix) => void;
  readonly #breaker: Breaker | undefined;
  readonly #scratch = newKey();

  /**
   * @param kernelTouched a real ban began or ended, in the jail with that lane
   * @param breaker is asked before a jail bans; undefined: nobody is
   */
  constructor(limits: LedgerLimits, wouldBe: boolean, kernelTouched: (lane: number, subject: Prefix) => void, breaker?: Breaker) {
    this.windows = new WindowStore(limits);
    this.book = new BanBook(limits.seed, limits.maxBans);
    this.history = new BanHistory(limits.seed, limits.maxHistory);
    this.evidence = new Evidence(limits.evidenceBytes);
    this.#wouldBe = wouldBe;
    this.#kernelTouched = kernelTouched;
    this.#breaker = breaker;
  }

  /**
   * Counts one failure. A failure that a ban has covered opens no window, whether that ban is still in force or its end has
   * been noted: so the outcome does not hang on when `expire` was called.
   *
   * A ban that would be over already is not made and leaves no trace: no history, and the failures stay in their window, so that the first
   * ban that does reach into the present is made.
   */
  count(key: SubjectKey, { jail, lane, otherLanes }: JailSlot, failure: Failure, out: Decision[]): 'counted' | 'ignored' {
    const { subject, address, atMs, nowMs, weight } = failure;
    setLane(key, lane);
    const active = this.book.get(key);
    if (active !== undefined) {
      if (atMs < active.untilMs) return ignore(out, jail.name, subject, 'banned', 'a ban is in force');
      this.end(active, active.untilMs, 'expired', out);
      setLane(key, lane);
    }
    const past = this.history.get(key);
    // An end that lies ahead of now tells only that the clock was set back.
    if (past !== undefined && atMs < past.endedMs && past.endedMs <= nowMs)
      return ignore(out, jail.name, subject, 'banned', 'older than the end of the last ban');

    let count = banCount(past, atMs, jail.bantime.forgetMs);
    if (otherLanes !== undefined) count += this.#earlierBans(key, otherLanes);
    setLane(key, lane);
    const failures = this.windows.add(key, { atMs, weight: weight * weightAfter(jail, count - 1), nowMs });
    if (failures < jail.maxretry) {
      out.push({ kind: 'watch', jail: jail.name, subject, failures });
      return 'counted';
    }
    const untilMs = atMs + banDurationMs(jail.bantime, count);
    if (untilMs <= nowMs) {
      ignore(out, jail.name, subject, 'stale', 'the ban would be over already');
      return 'counted';
    }
    const observe = jail.observe || this.#wouldBe;
    const trip = observe ? undefined : this.#breaker?.refuses({ subject, address }, nowMs);
    if (trip !== undefined) {
      ignore(out, jail.name, subject, 'breaker', trip.detail);
      return 'counted';
    }
    this.windows.forget(key);
    const ban: Ban = { jail: jail.name, subject, sinceMs: atMs, untilMs, count, origin: 'jail', observe, address };
    this.enter(lane, ban, failures, nowMs, out);
    out.push({ kind: 'ban', jail: jail.name, subject, address, failures, ban });
    return 'counted';
  }

  /**
   * Puts a ban into force, in place of one of the same jail and subject; makes room if there is none.
   *
   * @param known the store has it already, and nobody is told that it touches the kernel: whoever restores says what the kernel has
   */
  enter(lane: number, ban: Ban, failures: number | undefined, nowMs: number, out: Decision[], known = false): void {
    const key = this.keyOf(lane, ban.subject);
    // The store has one for each key.
    const old = known ? undefined : this.book.get(key);
    const inTheWay = old === undefined ? this.book.inTheWay(ban.observe) : undefined;
    if (inTheWay !== undefined) this.end(inTheWay, nowMs, 'evicted', out);
    this.book.put(inTheWay === undefined ? key : this.keyOf(lane, ban.subject), { lane, ban, failures }, known);
    if (known) return;
    if (!ban.observe || old?.ban.observe === false) this.#kernelTouched(lane, ban.subject);
  }

  /** A ban by hand. One in force is prolonged, never shortened: `unban` is for that. */
  banByHand(
    slot: JailSlot,
    request: {
      readonly subject: Prefix;
      readonly address: Address | undefined;
      readonly forMs: number | undefined;
      readonly nowMs: number;
      readonly origin: BanOrigin;
    },
    out: Decision[],
  ): { readonly ban: Ban; readonly already: boolean } {
    const { jail, lane } = slot;
    const { subject, address, nowMs, origin } = request;
    const key = this.keyOf(lane, subject);
    const active = this.book.get(key);
    if (active !== undefined && active.untilMs <= nowMs) {
      this.end(active, active.untilMs, 'expired', out);
    } else if (active !== undefined) {
      const untilMs = Math.max(active.untilMs, nowMs + (request.forMs ?? banDurationMs(jail.bantime, active.ban.count)));
      const ban: Ban = { ...active.ban, untilMs };
      if (untilMs > active.untilMs) this.enter(lane, ban, active.failures, nowMs, out);
      return { ban, already: true };
    }
    const past = this.history.get(this.keyOf(lane, subject));
    const count = banCount(past, nowMs, jail.bantime.forgetMs);
    const untilMs = nowMs + (request.forMs ?? banDurationMs(jail.bantime, count));
    const observe = jail.observe || this.#wouldBe;
    const ban: Ban = {
      jail: jail.name,
      subject,
      sinceMs: nowMs,
      untilMs,
      count,
      origin,
      observe,
      ...(address === undefined ? {} : { address }),
    };
    this.windows.forget(this.keyOf(lane, subject));
    this.enter(lane, ban, undefined, nowMs, out);
    return { ban, already: false };
  }

  /** Bans of the subject in other jails, those in force among them. Leaves another lane in the key. */
  #earlierBans(key: SubjectKey, lanes: readonly number[]): number {
    let bans = 0;
    for (const lane of lanes) {
      setLane(key, lane);
      bans += this.book.get(key)?.ban.count ?? this.history.get(key)?.count ?? 0;
    }
    return bans;
  }

  /** Ends a ban and remembers that it was. @param endedMs no later than its own end */
  end(active: ActiveBan, endedMs: number, because: UnbanReason, out: Decision[]): void {
    const { ban, lane } = active;
    this.book.remove(active);
    this.history.put(this.keyOf(lane, ban.subject), { count: ban.count, endedMs: Math.min(endedMs, ban.untilMs) });
    if (!ban.observe) this.#kernelTouched(lane, ban.subject);
    out.push({ kind: 'unban', jail: ban.jail, subject: ban.subject, because, ban });
  }

  /** Ends what is over, the earliest first, at most `budget` bans; the rest the next time. */
  expire(nowMs: number, budget: number, out: Decision[]): void {
    for (let left = budget; left > 0; left--) {
      const due = this.book.firstDue(nowMs);
      if (due === undefined) return;
      this.end(due, due.untilMs, 'expired', out);
    }
  }

  /** Bans whose subject holds the prefix, and bans within it. */
  overlapping(prefix: Prefix, lanes: Iterable<number>): readonly ActiveBan[] {
    const covering = this.book.covering(prefix, lanes);
    if (isSingle(prefix)) return covering;
    return [...covering.filter(({ ban }) => ban.subject !== prefix), ...this.book.within(prefix)];
  }

  /** Forgets the windows of subjects that hold the prefix (with `holding`) or lie within it. */
  forgetWindows(prefix: Prefix, lanes: readonly number[], holding: boolean): void {
    if (!isSingle(prefix)) {
      this.windows.forgetWhere((key) => {
        const subject = subjectOf(key);
        return covers(prefix, subject) || (holding && covers(subject, prefix));
      });
      return;
    }
    for (const key of this.keysHolding(prefix, lanes, (length) => this.windows.hasLength(length))) {
      if (holding || lengthOf(key) === lengthOf(this.keyOf(0, prefix))) this.windows.forget(key);
    }
  }

  /** Forgets windows and history of jails that are gone. Looks at all of them. */
  forgetLanes(lanes: ReadonlySet<number>): void {
    this.windows.forgetWhere((key) => lanes.has(laneOf(key)));
    this.history.forgetWhere((key) => lanes.has(laneOf(key)));
  }

  /** Keys of the subjects that would hold the prefix, of the lengths that occur. The key is good until the next one. */
  *keysHolding(prefix: Prefix, lanes: readonly number[], hasLength: (length: number) => boolean): Generator<SubjectKey, void, void> {
    const key = newKey();
    readSubjectPrefix(key, prefix);
    const shortest = prefix.includes(':') ? 0 : ipv4Offset;
    for (let length = lengthOf(key); length >= shortest; length--) {
      if (!hasLength(length)) continue;
      maskBits(key, length);
      key[key.length - 1] = length;
      for (const lane of lanes) {
        setLane(key, lane);
        yield key;
      }
    }
  }

  keyOf(lane: number, subject: Prefix): SubjectKey {
    readSubjectPrefix(this.#scratch, subject);
    setLane(this.#scratch, lane);
    return this.#scratch;
  }
}

/** Mapped lengths of IPv4 begin here. */
const ipv4Offset = 96;

function ignore(out: Decision[], jail: string, subject: Prefix, because: 'banned' | 'stale' | 'breaker', detail: string): 'ignored' {
  out.push({ kind: 'ignore', jail, subject, because, detail });
  return 'ignored';
}
