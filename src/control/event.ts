import type { Address, Prefix } from '../model/address.ts';
import type { IgnoreReason, UnbanReason } from '../model/decision.ts';
import type { BanEntry } from './ban-entry.ts';
import type { Instant } from './instant.ts';

/** What happened, for people who watch. Log text in it is as it came: whoever shows it escapes it. */
export type DaemonEvent = { readonly time: Instant } & (
  | Failure
  | {
      readonly kind: 'ignored';
      readonly jail: string;
      readonly subject: Prefix;
      readonly because: IgnoreReason;
      readonly detail: string;
    }
  /** Address and failures are null where nobody failed: by hand, from an import. */
  | { readonly kind: 'ban'; readonly ban: BanEntry; readonly address: Address | null; readonly failures: number | null }
  | { readonly kind: 'unban'; readonly jail: string; readonly subject: Prefix; readonly because: UnbanReason }
  | { readonly kind: 'allow'; readonly prefix: Prefix; readonly until: Instant | null }
  | { readonly kind: 'source'; readonly source: string; readonly up: boolean; readonly detail: string }
  | { readonly kind: 'lost'; readonly source: string; readonly count: number; readonly detail: string }
  /** What concerns the daemon as a whole: started, reloaded, nft fails, healed, a jail disabled. */
  | { readonly kind: 'notice'; readonly level: 'info' | 'warning' | 'error'; readonly message: string }
  /** The listener was too slow: so many events were not sent to it here. Made by the control server. */
  | { readonly kind: 'missed'; readonly count: number }
);

/** One failure that counted, the last one before a ban included. */
export interface Failure {
  readonly kind: 'failure';
  readonly jail: string;
  readonly subject: Prefix;
  readonly address: Address;
  readonly failures: number;
  readonly maxretry: number;
  readonly source: string;
  readonly filter: string;
  readonly pattern: string;
  readonly line: string;
}

/** Recent events, and those to come. */
export interface EventSource {
  /** The last `count`, oldest first. */
  readonly recent: (count: number) => readonly DaemonEvent[];
  /** Calls the listener with each event, at once: it must only put it aside. @returns ends it. */
  readonly subscribe: (listener: (event: DaemonEvent) => void) => () => void;
}
