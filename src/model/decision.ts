import type { Address, Prefix } from './address.ts';
import type { Ports } from './filter.ts';

/** Who asked for a ban. */
export type BanOrigin = 'jail' | 'manual' | 'import';

/** Policy of one jail, durations in ms. `permanent` is Infinity. */
export interface Jail {
  readonly name: string;
  /** `filter` or `filter/pattern`. */
  readonly filters: readonly string[];
  readonly maxretry: number;
  readonly findtimeMs: number;
  /** A failure of exactly findtime ago counts too: so fail2ban reads it. */
  readonly wholeFindtime?: boolean;
  /** The n-th ban lasts min(maxMs, firstMs * factor^(n-1)); a ban within forgetMs of the end of the last one is a return. */
  readonly bantime: {
    readonly firstMs: number;
    readonly factor: number;
    readonly maxMs: number;
    readonly forgetMs: number;
    /** Takes the place of first, factor and max: the length of a ban after so many earlier ones, ms. fail2ban's formulas. */
    readonly lengthMs?: (earlier: number) => number;
    /** What lengthMs was made of: equal texts, equal lengths. */
    readonly lengthText?: string;
    /** Earlier bans in all jails count, not only in this one. */
    readonly overall?: boolean;
    /** A failure after n earlier bans counts for min(2^(n-1) + 1, maxretry): fail2ban's increment. */
    readonly heavierReturns?: boolean;
  };
  readonly prefix: { readonly ipv4: number; readonly ipv6: number };
  readonly ports: Ports;
  /** Decide, count, show, touch nothing. */
  readonly observe: boolean;
  /** false: its bans are carried out by commands of its own, and none of our sets holds them. */
  readonly closes?: boolean;
}

/** A ban in force, or one that would be (`observe`). A jail has at most one for a subject. */
export interface Ban {
  readonly jail: string;
  readonly subject: Prefix;
  readonly sinceMs: number;
  /** Infinity: permanent. */
  readonly untilMs: number;
  /** 1 for the first, 2 for a return within forget, ... */
  readonly count: number;
  readonly origin: BanOrigin;
  readonly observe: boolean;
  /** Whose failure led to it, so that a prefix can be narrowed to him; absent: by hand, or the ban is older than this process. */
  readonly address?: Address;
}

/** Closed set: the label of sluice_jail_ignored_total. `breaker`: new bans have stopped; the failure counts all the same. */
export type IgnoreReason = 'protected' | 'banned' | 'stale' | 'duplicate' | 'breaker';

/** Closed set: the label of sluice_unbans_total. */
export type UnbanReason = 'expired' | 'manual' | 'allowlist' | 'evicted' | 'jail_removed';

/** What one detection led to in one jail; `unban`: a ban ended, for whatever reason. */
export type Decision =
  | { readonly kind: 'watch'; readonly jail: string; readonly subject: Prefix; readonly failures: number }
  | { readonly kind: 'ignore'; readonly jail: string; readonly subject: Prefix; readonly because: IgnoreReason; readonly detail: string }
  | {
      readonly kind: 'ban';
      readonly jail: string;
      readonly subject: Prefix;
      readonly address: Address;
      readonly failures: number;
      readonly ban: Ban;
    }
  | { readonly kind: 'unban'; readonly jail: string; readonly subject: Prefix; readonly because: UnbanReason; readonly ban: Ban };

/**
 * What must change in the kernel. It sees one element for (list of ports, subject), until the latest `untilMs` of all jails with that list;
 * observe bans never appear. `mayExist`: an element may be there already, so that it is a renewal.
 */
export type KernelChange =
  | {
      readonly kind: 'put';
      readonly ports: Ports;
      readonly subject: Prefix;
      readonly untilMs: number;
      readonly mayExist: boolean;
      /** When what led to it was written, if that is known: the latency is measured from there. */
      readonly since?: { readonly ms: number; readonly start: 'stamp' | 'received' } | undefined;
    }
  | { readonly kind: 'remove'; readonly ports: Ports; readonly subject: Prefix };
