/**
 * What a pattern found in one message. Offsets do not survive: captures are copies, because V8's sliced strings would keep the whole
 * line (and its chunk) alive.
 */
export interface PatternMatch {
  /** Text of the `{addr}` hole, not yet canonical; undefined for a pattern without one (`address: remember.X`). */
  readonly address: string | undefined;
  readonly captures: ReadonlyMap<string, string>;
}

/** One compiled pattern, whichever front end made it: the native language, `regex:`, later fail2ban's failregex. */
export interface Pattern {
  readonly name: string;
  /** Literal texts of which every matching message holds at least one; empty: nothing can be required. The sieve looks for these. */
  readonly literals: readonly string[];
  /**
   * Source of a linear regular expression, without groups that capture: the beginning of every matching message fits it. Absent: a match may
   * begin with anything. Patterns of one program are turned away together by it.
   */
  readonly head?: string;
  /** Literals all of which a message of fewer than `belowBytes` bytes holds if it matches. A longer one may have been cut. */
  readonly telling?: { readonly literals: readonly string[]; readonly belowBytes: number };
  /** The pattern tells of an event that another pattern has counted already: recognised, shown, never a failure. */
  readonly follows: boolean;
  /** Whose address is banned: the pattern's own, or what `remember.NAME` kept under the same queue id. */
  readonly address: { readonly kind: 'own' } | { readonly kind: 'remembered'; readonly name: string };
  /** @param text the message, already cut to its first 8 KiB. Linear in its length. */
  readonly match: (text: string) => PatternMatch | undefined;
}

/** `remember: { client: '{qid}: client={client}' }`: keeps the address under the key for a later pattern that names it. */
export interface Memory {
  readonly name: string;
  /** The hole whose text joins the two lines: `qid`. */
  readonly key: string;
  readonly pattern: Pattern;
}

/** A transport protocol and ports, or everything. Port names are resolved when the file is read. */
export type Ports =
  | { readonly kind: 'all' }
  | { readonly kind: 'list'; readonly protocol: 'tcp' | 'udp' | 'both'; readonly ports: readonly number[] };

/** One rule file. */
export interface Filter {
  readonly name: string;
  readonly about: string;
  /** `A/B`: last part B behind any first part, and the bare tag A. See programMatches. */
  readonly programs: readonly string[];
  /** journalctl matches in the trusted fields, `FIELD=value`: same field OR, different fields AND. Empty: not read from the journal. */
  readonly journal: readonly string[];
  /** A jail's default. */
  readonly ports: Ports;
  readonly patterns: readonly Pattern[];
  readonly except: readonly Pattern[];
  readonly remember: readonly Memory[];
  /** What tells of a client that is welcome: for the breaker (decide/breaker.ts), never a failure. */
  readonly success?: readonly Pattern[];
}
