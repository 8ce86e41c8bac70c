import type { Address } from './address.ts';

/** One offence that a filter recognised in one record. A filter gives at most one for a record. */
export interface Detection {
  readonly filter: string;
  readonly pattern: string;
  readonly address: Address;
  /** The offence names a network of so many bits, whatever the jail bans else. Only fail2ban's `<SUBNET>` does. */
  readonly length?: number;
  readonly captures: ReadonlyMap<string, string>;
  /** Tells of an event that was counted already: shown, never a failure. */
  readonly follows: boolean;
}

/** Why a pattern that fitted led to no detection. */
export type NoDetection =
  | { readonly kind: 'except'; readonly filter: string; readonly pattern: string }
  | { readonly kind: 'no_address'; readonly filter: string; readonly pattern: string };

/** What all filters made of one record. Both lists are empty for most. */
export interface Recognised {
  readonly detections: readonly Detection[];
  readonly none: readonly NoDetection[];
  /** Clients that proved to be welcome (`success:` of a rule file); absent: none. */
  readonly successes?: readonly Address[];
}
