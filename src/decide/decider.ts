import { type Address, type Prefix, prefixOf } from '../model/address.ts';
import type { AllowEntry, Checkpoint, StoredState } from '../model/checkpoint.ts';
import type { Ban, Decision, Jail, KernelChange } from '../model/decision.ts';
import type { Detection } from '../model/detection.ts';
import type { Protection } from '../model/protection.ts';
import type { Trust } from '../model/record.ts';
import { Allowlist } from './allowlist.ts';
import type { ActiveBan } from './ban-book.ts';
import { Breaker, type BreakerSettings } from './breaker.ts';
import { banByHand, type BanOutcome, type BanRequest, manualJail } from './by-hand.ts';
import { CheckpointParts } from './checkpoint-parts.ts';
import { type AddressExplanation, explain } from './explanation.ts';
import { giveWay, giveWayTo } from './giving-way.ts';
import type { HashSeed } from './half-sip-hash.ts';
import { JailIndex, type JailSlot } from './jail-index.ts';
import { KernelView } from './kernel-view.ts';
import { Ledger } from './ledger.ts';
import { NeverBanned } from './never-banned.ts';
import { type KernelElement, kernelElements, latestUntilMs } from './real-bans.ts';
import { RecordCounter, type RecordFacts } from './record-counter.ts';
import { wholeAddress } from './subject-key.ts';

export interface DeciderLimits {
  /** Secret and random: from `crypto.getRandomValues`. */
  readonly seed: HashSeed;
  /** Subjects with an open window, all jails together. Records of low trust have a quarter of it beside that. */
  readonly maxSubjects: number;
  /** Bans in force: real ones, would-be ones, and would-be ones by low trust each. */
  readonly maxBans: number;
  /** Ended bans that are remembered for growing ban times. */
  readonly maxHistory: number;
  /** The last lines of all subjects. Low trust has a quarter of it beside that. */
  readonly evidenceBytes: number;
  /** Absent: bans never stop (replay). */
  readonly breaker?: BreakerSettings;
}

/** Bans ended by one call of `expire`, some 20 ms; the rest the next time. The kernel ends them on time in any case. */
const expireBudget = 5_000;
/** Windows and history entries looked at by one call of `expire`, some 5 ms. */
const sweepEffort = 50_000;
const lowTrustShare = 4;
/** Failures held for each subject on average, at most. */
const failuresPerSubject = 8;

/**
 * Decides what each detection leads to, in every jail that names its filter, and keeps what must be known for it: windows, bans, history,
 * evidence, the never-banned list. Pure: time comes in with every call, nothing happens by itself, and what happened is returned.
 *
 * Whatever a call changed in the bans is also waiting in `takeKernelChanges` and `takeChanges`.
 */
export class Decider {
  readonly #ledgers: Readonly<Record<Trust, Ledger>>;
  readonly #kernel: KernelView;
  readonly #checkpoint: CheckpointParts;
  readonly #lanes = new Map<string, number>();
  readonly #allowlist = new Allowlist();
  readonly #manual: Jail;
  #index: JailIndex;
  #listed: readonly Protection[] = [];
  #neverBanned = new NeverBanned([]);
  readonly #counter = new RecordCounter();
  /** What stops new bans of jails when they look like a mistake. */
  readonly breaker: Breaker | undefined;

  /** @param manual how long bans by hand last, and with which prefix, where the request does not say; whether they only would be */
  constructor(jails: readonly Jail[], limits: DeciderLimits, manual: Pick<Jail, 'bantime' | 'prefix'> & Partial<Pick<Jail, 'observe'>>) {
    const { seed, maxSubjects, maxBans, maxHistory, evidenceBytes } = limits;
    const full = { seed, maxSubjects, maxFailures: maxSubjects * failuresPerSubject, maxBans, maxHistory, evidenceBytes };
    const low = {
      ...full,
      maxSubjects: Math.ceil(maxSubjects / lowTrustShare),
      maxFailures: maxSubjects * 2,
      evidenceBytes: evidenceBytes / lowTrustShare,
    };
    const touched = (lane: number, subject: Prefix) => {
      const slot = this.#index.inLane(lane);
      if (slot !== undefined) this.#kernel.touch(slot.portsKey, slot.jail.ports, subject);
    };
    this.breaker = limits.breaker === undefined ? undefined : new Breaker(limits.breaker);
    this.#ledgers = { full: new Ledger(full, false, touched, this.breaker), low: new Ledger(low, true, touched) };
    this.#kernel = new KernelView((portsKey, subject) => latestUntilMs(this.#ledgers.full, this.#index, portsKey, subject));
    this.#manual = { observe: false, ...manual, name: manualJail, filters: [], maxretry: 1, findtimeMs: 1, ports: { kind: 'all' } };
    this.#index = this.#indexOf(jails);
    this.#checkpoint = new CheckpointParts(this.#ledgers.full, this.#allowlist, this.#lanes);
  }

  /** The jails in force, `manual` among them. */
  get jails(): readonly Jail[] {
    return this.#index.slots.map(({ jail }) => jail);
  }

  /**
   * What the detections of one record lead to, jail by jail. A record is at most one failure in a jail, however many of its
   * filters recognise it: the first counts, the others are ignored as `duplicate`, like those that tell of an event counted already.
   */
  decide(detections: readonly Detection[], record: RecordFacts): Decision[] {
    return this.#counter.count(detections, record, {
      index: this.#index,
      neverBanned: this.#neverBanned,
      ledger: this.#ledgers[record.trust],
    });
  }

  /** Ends what is over and forgets what cannot count any more, a bounded part at a time: call it about once a second, with the clock. */
  expire(nowMs: number): Decision[] {
    const out: Decision[] = [];
    const forgetMsOf = (lane: number) => this.#index.inLane(lane)?.jail.bantime.forgetMs ?? 0;
    for (const ledger of this.#both()) {
      ledger.expire(nowMs, expireBudget, out);
      ledger.windows.sweep(nowMs, sweepEffort);
      ledger.history.sweep(nowMs, sweepEffort, forgetMsOf);
    }
    if (this.#allowlist.expire(nowMs)) this.#neverBanned = this.#listAll();
    return out;
  }

  /** A ban by hand or from an import. */
  ban(request: BanRequest): BanOutcome {
    return banByHand(request, { index: this.#index, neverBanned: this.#neverBanned, ledger: this.#ledgers.full });
  }

  /** Ends every ban that covers the prefix, or lies within it, in every jail, and forgets its windows. History stays: the next ban is a return. */
  unban(prefix: Prefix, nowMs: number): Decision[] {
    const out: Decision[] = [];
    const lanes = this.#allLanes();
    for (const ledger of this.#both()) {
      for (const active of ledger.overlapping(prefix, lanes)) ledger.end(active, nowMs, 'manual', out);
      ledger.forgetWindows(prefix, lanes, true);
    }
    return out;
  }

  /** Ends every ban and forgets every window. */
  unbanAll(nowMs: number): Decision[] {
    const out: Decision[] = [];
    for (const ledger of this.#both()) {
      for (const active of ledger.book.list()) ledger.end(active, nowMs, 'manual', out);
      ledger.windows.forgetWhere(() => true);
    }
    return out;
  }

  /** Never bans the prefix, until that time. Lifts what it covers, narrows bans of networks that hold it, forgets windows within it. */
  allow(entry: AllowEntry, nowMs: number): Decision[] {
    this.#allowlist.add(entry);
    const out = this.#protect(nowMs);
    for (const ledger of this.#both()) ledger.forgetWindows(entry.prefix, this.#allLanes(), false);
    return out;
  }

  /** Takes back an `allow`. @returns whether there was one. */
  disallow(prefix: Prefix): boolean {
    if (!this.#allowlist.remove(prefix)) return false;
    this.#neverBanned = this.#listAll();
    return true;
  }

  /** What people allowed by hand. */
  allowed(): readonly AllowEntry[] {
    return this.#allowlist.entries();
  }

  /** Sets the never-banned list: of the host (read again every 30 s), the syslog peers, the configuration. Loopback and what people allowed are added by themselves. */
  protect(listed: readonly Protection[], nowMs: number): Decision[] {
    // Read every half minute, and nearly always the same.
    if (sameList(listed, this.#listed)) return [];
    this.#listed = listed;
    return this.#protect(nowMs);
  }

  /** The never-banned list in force. */
  get neverBanned(): NeverBanned {
    return this.#neverBanned;
  }

  /**
   * Other jails. Windows and history of jails that remain, remain; bans of removed jails are lifted. A jail that stops observing makes its
   * would-be bans real, one that begins to observe takes its bans out of the kernel; a changed list of ports moves them.
   */
  reload(jails: readonly Jail[], nowMs: number): Decision[] {
    const out: Decision[] = [];
    const before = this.#index;
    const names = new Set([...jails.map(({ name }) => name), manualJail]);
    const removed = new Set(before.slots.filter(({ jail }) => !names.has(jail.name)).map(({ lane }) => lane));
    for (const ledger of this.#both()) {
      if (removed.size === 0) break;
      for (const active of ledger.book.list()) if (removed.has(active.lane)) ledger.end(active, nowMs, 'jail_removed', out);
      ledger.forgetLanes(removed);
    }
    this.#index = this.#indexOf(jails);
    for (const active of this.#ledgers.full.book.list()) this.#adapt(active, before.inLane(active.lane), nowMs, out);
    return out;
  }

  /** What the kernel must be told since the last call. Whoever takes it must see that it gets there, or heal from `kernelElements`. */
  takeKernelChanges(nowMs: number): KernelChange[] {
    return this.#kernel.take(nowMs);
  }

  /** All that must stand in the kernel now, each (ports, subject) once. */
  kernelElements(nowMs: number): Iterable<KernelElement> {
    return kernelElements(this.#ledgers.full, this.#index, nowMs);
  }

  /** Whether there may be real bans of networks of other lengths than these. */
  bansOthersThan(lengths: { readonly ipv4: readonly number[]; readonly ipv6: readonly number[] }): boolean {
    return this.#ledgers.full.book.hasOthersThan(lengths);
  }

  /** Bans in force, would-be bans too, those by low trust last. Live: whoever iterates slowly sees later changes. */
  *bans(jail?: string): Generator<Ban, void, void> {
    for (const ledger of this.#both()) for (const { ban } of ledger.book.all()) if (jail === undefined || ban.jail === jail) yield ban;
  }

  explain(address: Address, nowMs: number): AddressExplanation {
    const protectedBy = this.#neverBanned.reasons(address);
    return explain(prefixOf(address, wholeAddress), { address, nowMs, protectedBy, index: this.#index, ledgers: this.#ledgers });
  }

  /** Of one jail, records of low trust included: subjects with an open window, bans in force, windows lost for want of room. */
  counts(jail: string): { readonly tracked: number; readonly bans: number; readonly evictions: number } {
    const lane = this.#lanes.get(jail) ?? -1;
    const sum = (of: (ledger: Ledger) => number) => this.#both().reduce((total, ledger) => total + of(ledger), 0);
    return {
      tracked: sum(({ windows }) => windows.sizeOf(lane)),
      bans: sum(({ book }) => book.sizeOf(lane)),
      evictions: sum(({ windows }) => windows.evictionsOf(lane)),
    };
  }

  /** What the bounds did to history and evidence since the start, and how much is held. */
  totals(): {
    readonly tracked: number;
    readonly bans: number;
    readonly history: number;
    readonly historyEvicted: number;
    readonly evidenceBytes: number;
    readonly evidenceEvicted: number;
  } {
    const { full, low } = this.#ledgers;
    return {
      tracked: full.windows.size + low.windows.size,
      bans: full.book.size + low.book.size,
      history: full.history.size + low.history.size,
      historyEvicted: full.history.evicted + low.history.evicted,
      evidenceBytes: full.evidence.bytes + low.evidence.bytes,
      evidenceEvicted: full.evidence.evicted + low.evidence.evicted,
    };
  }

  /** What changed since the last call, for one transaction. Records of low trust leave nothing that would survive a restart. */
  takeChanges(): Omit<Checkpoint, 'cursors'> {
    return this.#checkpoint.takeChanges();
  }

  /** Everything that should survive a restart. */
  snapshot(): Omit<StoredState, 'cursors'> {
    return this.#checkpoint.snapshot();
  }

  /**
   * Puts back what the store has, into a new decider, after `protect`. Bans that ended meanwhile become history, those of unknown jails and of
   * never-banned addresses are lifted; all that is told in the decisions, and is in the next `takeChanges`. The first `takeKernelChanges` has
   * every real ban, as a renewal.
   */
  restore(state: Omit<StoredState, 'cursors'>, nowMs: number): Decision[] {
    const restoring = this.restoring(state, nowMs, Infinity);
    for (;;) {
      const step = restoring.next();
      if (step.done === true) return step.value;
    }
  }

  /** The same with pauses: after `bansAtOnce` each, and before the first of them, when the never-banned list is complete. */
  *restoring(state: Omit<StoredState, 'cursors'>, nowMs: number, bansAtOnce: number): Generator<void, Decision[], void> {
    const out: Decision[] = [];
    this.#allowlist.restore(state.allow);
    this.#neverBanned = this.#listAll();
    yield;
    yield* this.#checkpoint.restoring(state, { nowMs, index: this.#index, bansAtOnce }, out);
    const { book } = this.#ledgers.full;
    // What is over has no element any more: it must not be taken for one that can be removed.
    this.#ledgers.full.expire(nowMs, book.size, out);
    for (const { ban, lane } of book.all()) {
      const slot = this.#index.inLane(lane);
      if (slot !== undefined && !ban.observe) this.#kernel.assume(slot.portsKey, slot.jail.ports, ban.subject);
    }
    for (const active of book.list())
      if (this.#neverBanned.whyOverlapping(active.ban.subject)) giveWay(active, this.#ledgers.full, this.#neverBanned, nowMs, out);
    return out;
  }

  #both(): readonly Ledger[] {
    return [this.#ledgers.full, this.#ledgers.low];
  }

  #allLanes(): readonly number[] {
    return this.#index.slots.map(({ lane }) => lane);
  }

  #indexOf(jails: readonly Jail[]): JailIndex {
    const own = jails.some(({ name }) => name === manualJail) ? [] : [this.#manual];
    const index = new JailIndex([...jails, ...own], (name) => {
      const lane = this.#lanes.get(name) ?? this.#lanes.size;
      this.#lanes.set(name, lane);
      return lane;
    });
    for (const { jail, lane } of index.slots) for (const ledger of this.#both()) ledger.windows.setPolicy(lane, windowOf(jail));
    return index;
  }

  /** Makes the never-banned list anew; what it has and the old one had not lifts bans. */
  #protect(nowMs: number): Decision[] {
    const known = new Set(this.#neverBanned.entries.map(({ prefix }) => prefix));
    this.#neverBanned = this.#listAll();
    const added = this.#neverBanned.entries.filter(({ prefix }) => !known.has(prefix));
    const out: Decision[] = [];
    for (const ledger of this.#both()) giveWayTo(added, ledger, { neverBanned: this.#neverBanned, lanes: this.#allLanes(), nowMs }, out);
    return out;
  }

  #listAll(): NeverBanned {
    return new NeverBanned([...this.#listed, ...this.#allowlist.protections()]);
  }

  /** Fits a ban to its jail as it is now. */
  #adapt(active: ActiveBan, before: JailSlot | undefined, nowMs: number, out: Decision[]): void {
    const { ban, lane, failures } = active;
    const after = this.#index.inLane(lane);
    if (before === undefined || after === undefined) return;
    if (ban.observe !== after.jail.observe) this.#ledgers.full.enter(lane, { ...ban, observe: after.jail.observe }, failures, nowMs, out);
    if (before.portsKey === after.portsKey && ban.observe === after.jail.observe) return;
    this.#kernel.touch(before.portsKey, before.jail.ports, ban.subject);
    this.#kernel.touch(after.portsKey, after.jail.ports, ban.subject);
  }
}

/** Stamps of whole seconds meet the end of a window often. */
function windowOf({ maxretry, findtimeMs, wholeFindtime }: Jail): Pick<Jail, 'maxretry' | 'findtimeMs'> {
  return { maxretry, findtimeMs: wholeFindtime === true ? findtimeMs + 1 : findtimeMs };
}

function sameList(one: readonly Protection[], other: readonly Protection[]): boolean {
  const same = (a: Protection, b: Protection | undefined) => a.prefix === b?.prefix && a.reason === b.reason && a.detail === b.detail;
  return one.length === other.length && one.every((entry, index) => same(entry, other[index]));
}
