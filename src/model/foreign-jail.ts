import type { Prefix } from './address.ts';
import type { Jail } from './decision.ts';
import type { FilterTexts } from './foreign-filter.ts';

/**
 * A jail whose filter is written in fail2ban's dialect, whichever file said so. It decides with the same parts as a native one (`jail`); the rest is
 * what only such a jail has: where it reads, whom it spares, what else it runs.
 */
export interface ForeignJail {
  /** The policy. `filters` holds one name, foreignFilterName(name); `closes: false` if no action of it is about the packet filter. */
  readonly jail: Jail;
  readonly texts: FilterTexts;
  readonly reading: ForeignReading;
  readonly ignore: ForeignIgnore;
  /** What is run beside the kernel's sets, in the order in which it was written. */
  readonly actions: readonly ForeignAction[];
  /** Lines handed to actions for one ban, at most. */
  readonly maxmatches: number;
  /** It reads what fail2ban logs of bans (recidive), in this form: our bans are its input. undefined: it does not. */
  readonly readsBans: 'file' | 'journal' | undefined;
  /** Where it is written. */
  readonly file: string;
  readonly line: number;
}

export type ForeignReading =
  | {
      readonly kind: 'files';
      /** Paths or globs; `tail`: from the end, when nothing is known of the file. */
      readonly paths: readonly { readonly pattern: string; readonly from: 'head' | 'tail' }[];
      /** As fail2ban names it: `auto`, `utf-8`, `latin-1`, ... */
      readonly encoding: string;
    }
  | {
      readonly kind: 'journal';
      /** One of them must fit; within one, the same field twice means either, different fields mean both. Empty: every entry. */
      readonly matches: readonly (readonly string[])[];
      readonly directory: string | undefined;
      readonly namespace: string | undefined;
    };

/** Whom a jail spares, beside everybody who is never banned. */
export interface ForeignIgnore {
  readonly entries: readonly ForeignIgnoreEntry[];
  /** The host's own addresses; they are never banned in any case. */
  readonly self: boolean;
  /** A shell command with fail2ban's tags that ends with 0 if the subject is to be ignored. */
  readonly command: string | undefined;
  /** `key="<ip>",max-count=100,max-time=5m`. */
  readonly cache: string | undefined;
}

export type ForeignIgnoreEntry =
  | { readonly kind: 'network'; readonly prefix: Prefix }
  /** Whatever it resolves to. */
  | { readonly kind: 'name'; readonly written: string }
  /** One entry a line, read again when it changes. */
  | { readonly kind: 'file'; readonly path: string };

/** Commands of fail2ban that a jail runs when bans begin and end. Tags that belong to the ban (`<ip>`, `<matches>`) are still in them. */
export interface ForeignAction {
  /** Unique within the jail. */
  readonly name: string;
  /** `mail-whois`, as the jail wrote it. */
  readonly file: string;
  /** `actionban`, `actionunban`, `actionstart`, ... */
  readonly commands: ReadonlyMap<string, string>;
  readonly startOnDemand: boolean;
  readonly repairOnUnban: boolean;
  readonly notRestored: boolean;
  /** Values for the tags that are left; `key?family=inet6` is the one for that family. */
  readonly parameters: ReadonlyMap<string, string>;
  /** How long one command may run, ms. */
  readonly timeoutMs: number;
}

/** The filter of a foreign jail is its own: the same file with other options is another filter. */
export function foreignFilterName(jail: string): string {
  return `fail2ban:${jail}`;
}

/** What the expressions of such a filter are called, from 0. */
export function foreignPatternName(failRegex: number): string {
  return `failregex-${failRegex + 1}`;
}
