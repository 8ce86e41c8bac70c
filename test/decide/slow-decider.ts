import { type Address, covers, familyOf, isSingle, type Prefix, prefixOf } from '../../src/model/address.ts';
import type { Ban, Decision, IgnoreReason, Jail, UnbanReason } from '../../src/model/decision.ts';
import type { Detection } from '../../src/model/detection.ts';
import type { Protection } from '../../src/model/protection.ts';
import type { Trust } from '../../src/model/record.ts';

/** What happened, without the wording of details. */
export type Outcome =
  | { readonly kind: 'watch'; readonly jail: string; readonly subject: Prefix; readonly failures: number }
  | { readonly kind: 'ignore'; readonly jail: string; readonly subject: Prefix; readonly because: IgnoreReason }
  | {
      readonly kind: 'ban';
      readonly jail: string;
      readonly subject: Prefix;
      readonly address: Address;
      readonly failures: number;
      readonly ban: Ban;
    }
  | { readonly kind: 'unban'; readonly jail: string; readonly subject: Prefix; readonly because: UnbanReason; readonly ban: Ban };

export function outcomeOf(decision: Decision): Outcome {
  if (decision.kind !== 'ignore') return decision;
  const { kind, jail, subject, because } = decision;
  return { kind, jail, subject, because };
}

interface Failed {
  readonly trust: Trust;
  readonly jail: string;
  readonly subject: Prefix;
  readonly atMs: number;
  readonly nowMs: number;
}

interface Entry {
  readonly trust: Trust;
  readonly ban: Ban;
  readonly failures: number | undefined;
}

/**
 * What the decider must do, slow and obvious: plain arrays, everything looked through every time, text instead of bits. It has no bounds
 * but the one that is part of the definition of a window: failures of twice maxretry are held.
 */
export class SlowDecider {
  jails: readonly Jail[];
  failures: Failed[] = [];
  bans: Entry[] = [];
  past: { readonly trust: Trust; readonly jail: string; readonly subject: Prefix; readonly count: number; readonly endedMs: number }[] = [];
  listed: readonly Protection[] = [];
  allowed: { readonly prefix: Prefix; readonly untilMs: number }[] = [];

  constructor(jails: readonly Jail[]) {
    this.jails = jails;
  }

  decide(
    detections: readonly Detection[],
    record: { readonly atMs: number; readonly nowMs: number; readonly trust: Trust; readonly weight: number },
  ): Outcome[] {
    const counted = new Set<string>();
    return detections.flatMap((detection) =>
      this.jails
        .filter(({ filters }) => filters.includes(detection.filter) || filters.includes(`${detection.filter}/${detection.pattern}`))
        .flatMap((jail): Outcome[] => {
          const { address } = detection;
          const { kind, subject } = this.subjectOf(jail, address);
          if (kind === 'protected') return [{ kind: 'ignore', jail: jail.name, subject, because: 'protected' }];
          if (detection.follows || counted.has(jail.name)) return [{ kind: 'ignore', jail: jail.name, subject, because: 'duplicate' }];
          counted.add(jail.name);
          return this.#fail(jail, subject, address, record);
        }),
    );
  }

  expire(nowMs: number): Outcome[] {
    const out = this.bans.filter(({ ban }) => ban.untilMs <= nowMs).flatMap((entry) => this.#end(entry, entry.ban.untilMs, 'expired'));
    this.failures = this.failures.filter((one) => {
      const findtimeMs = this.#jail(one.jail).findtimeMs;
      const same = this.#windowOf(one.trust, one.jail, one.subject);
      const latest = Math.max(...same.flatMap(({ atMs, nowMs: arrivedMs }) => [atMs, arrivedMs]));
      return latest + findtimeMs > nowMs;
    });
    this.past = this.past.filter(({ jail, endedMs }) => nowMs - endedMs <= this.#jail(jail).bantime.forgetMs);
    this.allowed = this.allowed.filter(({ untilMs }) => untilMs > nowMs);
    return out;
  }

  ban(request: {
    readonly address: Address;
    readonly jail: string;
    readonly forMs: number | undefined;
    readonly nowMs: number;
  }): Ban | 'refused' {
    const { address, nowMs } = request;
    const jail = this.#jail(request.jail);
    const judged = this.subjectOf(jail, address);
    if (judged.kind === 'protected') return 'refused';
    const { subject } = judged;
    const active = this.#active('full', jail.name, subject);
    if (active !== undefined && active.ban.untilMs > nowMs) {
      const untilMs = Math.max(active.ban.untilMs, nowMs + (request.forMs ?? durationMs(jail, active.ban.count)));
      const ban = { ...active.ban, untilMs };
      this.bans = this.bans.map((entry) => (entry === active ? { ...entry, ban } : entry));
      return ban;
    }
    if (active !== undefined) this.#end(active, active.ban.untilMs, 'expired');
    const count = this.#count('full', jail, subject, nowMs);
    const untilMs = nowMs + (request.forMs ?? durationMs(jail, count));
    const { name, observe } = jail;
    const ban: Ban = { jail: name, subject, sinceMs: nowMs, untilMs, count, origin: 'manual', observe, address };
    this.#forgetWindow('full', jail.name, subject);
    this.bans.push({ trust: 'full', ban, failures: undefined });
    return ban;
  }

  unban(prefix: Prefix, nowMs: number): Outcome[] {
    const meets = (subject: Prefix) => covers(prefix, subject) || covers(subject, prefix);
    this.failures = this.failures.filter(({ subject }) => !meets(subject));
    return this.bans.filter(({ ban }) => meets(ban.subject)).flatMap((entry) => this.#end(entry, nowMs, 'manual'));
  }

  allow(prefix: Prefix, untilMs: number, nowMs: number): Outcome[] {
    const out = this.#nowProtected(prefix, nowMs, () => {
      this.allowed = [...this.allowed.filter((entry) => entry.prefix !== prefix), { prefix, untilMs }];
    });
    this.failures = this.failures.filter(({ subject }) => !covers(prefix, subject));
    return out;
  }

  disallow(prefix: Prefix): void {
    this.allowed = this.allowed.filter((entry) => entry.prefix !== prefix);
  }

  protect(protection: Protection | undefined, nowMs: number): Outcome[] {
    if (protection === undefined) {
      this.listed = [];
      return [];
    }
    return this.#nowProtected(protection.prefix, nowMs, () => {
      this.listed = [protection];
    });
  }

  reload(jails: readonly Jail[], nowMs: number): Outcome[] {
    const stays = (name: string) => jails.some((jail) => jail.name === name);
    const out = this.bans.filter(({ ban }) => !stays(ban.jail)).flatMap((entry) => this.#end(entry, nowMs, 'jail_removed'));
    this.jails = jails;
    this.failures = this.failures.filter(({ jail }) => stays(jail));
    this.past = this.past.filter(({ jail }) => stays(jail));
    this.bans = this.bans.map((entry) => ({
      ...entry,
      ban: { ...entry.ban, observe: entry.trust === 'low' || this.#jail(entry.ban.jail).observe },
    }));
    return out;
  }

  /** What a restart leaves: nothing of low trust. A window's clock begins anew. */
  restart(nowMs: number): Outcome[] {
    this.failures = this.failures.filter(({ trust }) => trust === 'full').map((one) => ({ ...one, nowMs }));
    this.bans = this.bans.filter(({ trust }) => trust === 'full').map((entry) => ({ ...entry, failures: undefined }));
    this.past = this.past.filter(({ trust }) => trust === 'full');
    return this.bans.filter(({ ban }) => ban.untilMs <= nowMs).flatMap((entry) => this.#end(entry, entry.ban.untilMs, 'expired'));
  }

  /** (ports, subject) -> the latest end of all real bans in force. */
  kernel(nowMs: number, portsOf: (jail: Jail) => string): Map<string, number> {
    const elements = new Map<string, number>();
    for (const { ban } of this.bans) {
      if (ban.observe || ban.untilMs <= nowMs) continue;
      const name = `${portsOf(this.#jail(ban.jail))} ${ban.subject}`;
      elements.set(name, Math.max(ban.untilMs, elements.get(name) ?? 0));
    }
    return elements;
  }

  subjectOf(
    jail: Jail,
    address: Address,
  ): { readonly kind: 'free'; readonly subject: Prefix } | { readonly kind: 'protected'; readonly subject: Prefix } {
    const single = prefixOf(address, 128);
    if (this.#protections().some(({ prefix }) => covers(prefix, address))) return { kind: 'protected', subject: single };
    const wide = prefixOf(address, jail.prefix[familyOf(address)]);
    return { kind: 'free', subject: this.#protections().some(({ prefix }) => covers(wide, prefix)) ? single : wide };
  }

  #fail(
    jail: Jail,
    subject: Prefix,
    address: Address,
    { atMs, nowMs, trust, weight }: { readonly atMs: number; readonly nowMs: number; readonly trust: Trust; readonly weight: number },
  ): Outcome[] {
    const out: Outcome[] = [];
    const active = this.#active(trust, jail.name, subject);
    if (active !== undefined && atMs < active.ban.untilMs) return [{ kind: 'ignore', jail: jail.name, subject, because: 'banned' }];
    if (active !== undefined) out.push(...this.#end(active, active.ban.untilMs, 'expired'));
    const last = this.#last(trust, jail.name, subject);
    if (last !== undefined && atMs < last.endedMs && last.endedMs <= nowMs)
      return [...out, { kind: 'ignore', jail: jail.name, subject, because: 'banned' }];

    const count =
      weight + this.#windowOf(trust, jail.name, subject).filter((one) => one.atMs <= atMs && atMs - one.atMs < jail.findtimeMs).length;
    for (let n = 0; n < weight; n++) this.failures.push({ trust, jail: jail.name, subject, atMs, nowMs });
    this.#hold(trust, jail, subject, nowMs);
    if (count < jail.maxretry) return [...out, { kind: 'watch', jail: jail.name, subject, failures: count }];

    const nth = this.#count(trust, jail, subject, atMs);
    const untilMs = atMs + durationMs(jail, nth);
    if (untilMs <= nowMs) return [...out, { kind: 'ignore', jail: jail.name, subject, because: 'stale' }];
    this.#forgetWindow(trust, jail.name, subject);
    const observe = jail.observe || trust === 'low';
    const ban: Ban = { jail: jail.name, subject, sinceMs: atMs, untilMs, count: nth, origin: 'jail', observe, address };
    this.bans.push({ trust, ban, failures: count });
    return [...out, { kind: 'ban', jail: jail.name, subject, address, failures: count, ban }];
  }

  /** Keeps the newest failures of twice maxretry; failures at one instant go together. */
  #hold(trust: Trust, { name, maxretry }: Jail, subject: Prefix, nowMs: number): void {
    const sorted = this.#windowOf(trust, name, subject).toSorted((a, b) => b.atMs - a.atMs);
    this.#forgetWindow(trust, name, subject);
    const kept: Failed[] = [];
    for (const times of Map.groupBy(sorted, ({ atMs }) => atMs).values()) {
      if (kept.length >= 2 * maxretry) break;
      kept.push(...times.slice(0, 2 * maxretry).map((one) => ({ ...one, nowMs })));
    }
    this.failures.push(...kept);
  }

  #nowProtected(prefix: Prefix, nowMs: number, change: () => void): Outcome[] {
    const known = this.#protections().some((one) => one.prefix === prefix);
    change();
    if (known) return [];
    const inTheWay = this.bans.filter(({ ban }) => covers(prefix, ban.subject) || covers(ban.subject, prefix));
    return inTheWay.flatMap((entry): Outcome[] => {
      const { ban, trust, failures } = entry;
      const out = this.#end(entry, nowMs, 'allowlist');
      const { address } = ban;
      const lifted = address === undefined || isSingle(ban.subject) || ban.untilMs <= nowMs;
      if (lifted || this.#protections().some((one) => covers(one.prefix, address))) return out;
      const subject = prefixOf(address, 128);
      const other = this.#active(trust, ban.jail, subject);
      if (other !== undefined && other.ban.untilMs >= ban.untilMs) return out;
      const narrowed = { ...ban, subject };
      this.bans = [...this.bans.filter((one) => one !== other), { trust, ban: narrowed, failures }];
      return [...out, { kind: 'ban', jail: ban.jail, subject, address, failures: failures ?? 0, ban: narrowed }];
    });
  }

  #end(entry: Entry, endedMs: number, because: UnbanReason): Outcome[] {
    const { trust, ban } = entry;
    const { jail, subject, count } = ban;
    this.bans = this.bans.filter((one) => one !== entry);
    this.past = this.past.filter((one) => one.trust !== trust || one.jail !== jail || one.subject !== subject);
    this.past.push({ trust, jail, subject, count, endedMs: Math.min(endedMs, ban.untilMs) });
    return [{ kind: 'unban', jail, subject, because, ban }];
  }

  #protections(): readonly Protection[] {
    return [...this.listed, ...this.allowed.map(({ prefix }) => ({ prefix, reason: 'allowlist' as const, detail: '' }))];
  }

  #jail(name: string): Jail {
    const jail = this.jails.find((one) => one.name === name);
    if (jail === undefined) throw new Error(`no jail ${name}`);
    return jail;
  }

  #windowOf(trust: Trust, jail: string, subject: Prefix): readonly Failed[] {
    return this.failures.filter((one) => one.trust === trust && one.jail === jail && one.subject === subject);
  }

  #forgetWindow(trust: Trust, jail: string, subject: Prefix): void {
    const gone = new Set(this.#windowOf(trust, jail, subject));
    this.failures = this.failures.filter((one) => !gone.has(one));
  }

  #active(trust: Trust, jail: string, subject: Prefix): Entry | undefined {
    return this.bans.find((entry) => entry.trust === trust && entry.ban.jail === jail && entry.ban.subject === subject);
  }

  #last(trust: Trust, jail: string, subject: Prefix): { readonly count: number; readonly endedMs: number } | undefined {
    return this.past.find((one) => one.trust === trust && one.jail === jail && one.subject === subject);
  }

  #count(trust: Trust, jail: Jail, subject: Prefix, atMs: number): number {
    const last = this.#last(trust, jail.name, subject);
    return last !== undefined && atMs - last.endedMs <= jail.bantime.forgetMs ? last.count + 1 : 1;
  }
}

function durationMs({ bantime }: Jail, count: number): number {
  let lasts = bantime.firstMs;
  for (let n = 1; n < count; n++) lasts *= bantime.factor;
  return Math.min(lasts, bantime.maxMs);
}
