import type { Address, Prefix } from '../model/address.ts';
import type { IgnoreReason } from '../model/decision.ts';
import type { LostReason, SourceError } from '../model/source.ts';
import type { BanEntry } from './ban-entry.ts';
import type { EventSource } from './event.ts';
import type { Instant } from './instant.ts';
import type { Target } from './target.ts';

/**
 * What goes over the control socket: HTTP, JSON, versioned paths. The same documents are what `--json` prints, so they hold nothing
 * that JSON cannot: an instant is RFC 3339 text in UTC, a length of time is a number of ms with the unit in its name, and `null` stands
 * where either is "never ends".
 *
 *     GET  /v1/ping                    Pong
 *     GET  /v1/status                  Status
 *     GET  /v1/jails/NAME              JailStatus
 *     GET  /v1/bans[?jail=NAME]        BanList, sent piece by piece, each ban on a line of its own
 *     GET  /v1/explain?address=A       Explanation
 *     GET  /v1/events[?last=N][&follow=1]   one DaemonEvent a line
 *     GET  /v1/metrics                 text, the Prometheus format
 *     GET  /v1/config                  ConfigInForce
 *     POST /v1/ban      BanRequest     BanReply
 *     POST /v1/unban    UnbanRequest   UnbanReply
 *     POST /v1/allow    AllowRequest   AllowReply
 *     POST /v1/disallow DisallowRequest DisallowReply
 *     POST /v1/reload   ReloadRequest  ReloadReply
 *     POST /v1/confirm                 ConfirmReply
 *     POST /v1/reset-breaker           BreakerReply
 *
 * Anything that cannot be answered is a Refusal with a status of 400 and above.
 */

export interface Pong {
  readonly version: string;
  readonly pid: number;
  readonly started: Instant;
}

export interface Status extends Pong {
  /** Whether bans reach the kernel, and why not or by whose word: `no CAP_NET_ADMIN`, `enforce.mode in /etc/sluice/sluice.yaml:3`. */
  readonly mode: { readonly enforce: 'nftables' | 'observe'; readonly because: string };
  /** As /-/ready answers. */
  readonly ready: boolean;
  /** What is wrong now and what mends it, one sentence each, the worst first: nft failing since, a jail disabled, the disk full. */
  readonly problems: readonly string[];
  /** `file` null: built-in defaults. */
  readonly config: { readonly file: string | null; readonly loaded: Instant };
  readonly sources: readonly SourceStatus[];
  readonly jails: readonly JailSummary[];
}

/** Counts are since the start of the daemon. Of errors and losses only those that happened need to be there. */
export interface SourceStatus {
  readonly name: string;
  readonly kind: 'syslog' | 'journal' | 'file';
  readonly up: boolean;
  /** Why it is not up and what mends it, or where it listens or reads: `udp://127.0.0.1:5514`. */
  readonly detail: string;
  readonly records: number;
  readonly lastRecord: Instant | null;
  /** Receive time minus event time of the last record. */
  readonly lagMs: number | null;
  readonly errors: Readonly<Partial<Record<SourceError, number>>>;
  readonly lost: Readonly<Partial<Record<LostReason, number>>>;
  /** Open connections; null where there are none to count. */
  readonly connections: number | null;
}

/** Counts are since the start of the daemon, `bansNow` and `tracked` are now. */
export interface JailSummary {
  readonly name: string;
  readonly observe: boolean;
  /** Why the jail does nothing: too many slow patterns, a broken foreign filter. null: it works. */
  readonly disabled: string | null;
  readonly matches: number;
  readonly failures: number;
  /** Subjects with an open window. */
  readonly tracked: number;
  /** With `observe`: what would be banned. */
  readonly bansNow: number;
  readonly bansTotal: number;
  /** Bans that were in force when the daemon started; they are not in `bansTotal`. */
  readonly restored: number;
}

export interface JailStatus extends JailSummary {
  /** `file:line` of the jail; null: it is written nowhere (`manual`). */
  readonly from: string | null;
  readonly filters: readonly string[];
  readonly maxretry: number;
  readonly findtimeMs: number;
  readonly bantime: {
    readonly firstMs: number | null;
    readonly factor: number;
    readonly maxMs: number | null;
    readonly forgetMs: number | null;
  };
  readonly prefix: { readonly ipv4: number; readonly ipv6: number };
  /** `all`, or as it is written: `tcp 25, 465, 587`. */
  readonly ports: string;
  readonly patterns: readonly { readonly filter: string; readonly pattern: string; readonly matches: number }[];
  readonly ignored: Readonly<Partial<Record<IgnoreReason, number>>>;
  /** What is read for this jail: fail2ban's "Journal matches" and "File list". */
  readonly journal: readonly string[];
  readonly files: readonly string[];
}

export interface BanList {
  readonly bans: readonly BanEntry[];
}

/** One line that counted against a subject. `line` is log text as it came: whoever shows it escapes it. */
export interface Evidence {
  readonly time: Instant;
  readonly source: string;
  readonly filter: string;
  readonly pattern: string;
  readonly line: string;
  /** The jails in which it counted. */
  readonly jails: readonly string[];
}

/** What is known of one address: everything that concerns it or a subject that holds it. */
export interface Explanation {
  /** Canonical form of what was asked. */
  readonly address: Address;
  /** Never banned, and why: `loopback`, `logged in from there (session 12)`, `allowlist /etc/sluice/sluice.yaml:14`. */
  readonly protected: string | null;
  /** In force now, those of observing jails too. */
  readonly bans: readonly (BanEntry & {
    /** Failures that led to it; null for bans by hand or from an import. */
    readonly failures: number | null;
    readonly maxretry: number | null;
    readonly findtimeMs: number | null;
  })[];
  /** Failures that count and have not led to a ban. */
  readonly windows: readonly {
    readonly jail: string;
    readonly subject: Prefix;
    readonly failures: number;
    readonly maxretry: number;
    readonly findtimeMs: number;
    readonly first: Instant;
    readonly last: Instant;
    readonly observe: boolean;
  }[];
  /** Bans that ended and are not forgotten. */
  readonly history: readonly { readonly jail: string; readonly subject: Prefix; readonly count: number; readonly ended: Instant }[];
  /** Oldest first. */
  readonly evidence: readonly Evidence[];
  /** What the kernel says, asked now; null: not asked (observe), or it did not answer: `kernelDetail` says why. */
  readonly kernel: readonly { readonly set: string; readonly element: string }[] | null;
  readonly kernelDetail: string;
}

/** The configuration in force, leaf by leaf in the order of the documentation. */
export interface ConfigInForce {
  readonly file: string | null;
  readonly values: readonly ConfigValue[];
}

export interface ConfigValue {
  /** `['jails', 'postfix-relay', 'maxretry']`; a number is an index in a list. */
  readonly path: readonly (string | number)[];
  /** A scalar, or a list or mapping without anything in it; durations as people write them. */
  readonly value: string | number | boolean | null | readonly never[];
  /** `file:line`; null: built-in default. */
  readonly from: string | null;
}

/** Body of POST /v1/ban. */
export interface BanRequest {
  /** Addresses and networks as text, at most `maxTargets`. */
  readonly targets: readonly string[];
  /** Absent: jail `manual`, all ports. */
  readonly jail?: string;
  /** Absent: as long as the jail would. null: permanent. */
  readonly forMs?: number | null;
}

/** Per target, in the order asked. `subject` is what the jail bans: an IPv6 address becomes its /64. */
export type BanResult =
  | { readonly target: string; readonly outcome: 'banned'; readonly ban: BanEntry }
  /** It was banned already; `ban` is what is in force now, prolonged if that was asked. */
  | { readonly target: string; readonly outcome: 'already'; readonly ban: BanEntry }
  /** A never-banned address, with the reason; or the ban could not be made. */
  | { readonly target: string; readonly outcome: 'refused'; readonly because: string };

export interface BanReply {
  readonly results: readonly BanResult[];
}

/** Body of POST /v1/unban: one of the two. */
export type UnbanRequest = { readonly targets: readonly string[] } | { readonly all: true };

export interface UnbanReply {
  /** Per target, in the order asked; for `all` one with the target `all`. `lifted` names at most 100 bans, `count` is how many there were. */
  readonly results: readonly {
    readonly target: string;
    readonly count: number;
    readonly lifted: readonly { readonly jail: string; readonly subject: Prefix }[];
  }[];
}

/** Body of POST /v1/allow. A later entry for the same prefix replaces the earlier. */
export interface AllowRequest {
  readonly targets: readonly string[];
  /** Absent or null: until taken back. */
  readonly forMs?: number | null;
}

export interface AllowReply {
  readonly results: readonly {
    readonly target: string;
    readonly prefix: Prefix;
    readonly until: Instant | null;
    readonly count: number;
    readonly lifted: readonly { readonly jail: string; readonly subject: Prefix }[];
  }[];
}

/** Body of POST /v1/disallow: takes back what `allow` stored for exactly these; what the configuration allows stays. */
export interface DisallowRequest {
  readonly targets: readonly string[];
}

export interface DisallowReply {
  readonly results: readonly { readonly target: string; readonly prefix: Prefix; readonly removed: boolean }[];
}

/** Body of POST /v1/reload; may be missing. */
export interface ReloadRequest {
  /** Goes back to the configuration before after so long, unless it is confirmed. Absent: it stays. */
  readonly confirmMs?: number;
}

/** `confirmed` false: nothing waited to be confirmed. */
export interface ConfirmReply {
  readonly confirmed: boolean;
}

/** Why new bans had stopped; null: they had not. */
export interface BreakerReply {
  readonly was: { readonly since: Instant; readonly detail: string } | null;
}

export type ReloadReply =
  /** `changes`: one sentence each: `jail ssh is new`, `jail old is gone: 3 bans lifted`. Empty: nothing differs. */
  | {
      readonly outcome: 'reloaded';
      readonly changes: readonly string[];
      readonly warnings: readonly string[];
      /** When the configuration before comes back, unless this one is confirmed. Absent: never. */
      readonly goesBack?: Instant;
    }
  /** Nothing was changed. Each mistake as formatDiagnostic writes it: place, line, caret, help. */
  | { readonly outcome: 'refused'; readonly mistakes: readonly string[] };

/** Why a request could not be answered; the body of every reply with a status of 400 and above is `{ error: Refusal }`. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly message: string;
}

export type RefusalCode = 'usage' | 'unknown_jail' | 'unknown_path' | 'method' | 'too_large' | 'busy' | 'failed';

/** Thrown by a DaemonApi method for what the asker can understand and mend; any other error is answered as `failed`, with its message. */
export class RefusalError extends Error {
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RefusalError';
    this.code = code;
  }
}

/** Most targets in one request; the command line sends more in several. */
export const maxTargets = 1_000;

/**
 * What the daemon must be able to say and do for the control socket. Methods that look answer from memory, at once (`explain` asks the
 * kernel). Methods that act resolve when store and kernel both have it. All targets come parsed, at least one and at most maxTargets.
 */
export interface DaemonApi {
  readonly ping: () => Pong;
  readonly status: () => Status;
  /** undefined: there is no such jail. `manual` is one. */
  readonly jail: (name: string) => JailStatus | undefined;
  readonly jailNames: () => readonly string[];
  /** Taken piece by piece between other work, so an iterator over live maps is right: nothing needs to be copied. */
  readonly bans: (jail: string | undefined) => Iterable<BanEntry>;
  readonly explain: (address: Address) => Promise<Explanation>;
  /** Of src/control/event-feed.ts. */
  readonly events: EventSource;
  readonly metrics: () => Promise<string>;
  readonly config: () => ConfigInForce;
  /** @param forMs undefined: as long as the jail would; Infinity: permanent. */
  readonly ban: (request: {
    readonly targets: readonly Target[];
    readonly jail: string | undefined;
    readonly forMs: number | undefined;
  }) => Promise<BanReply>;
  /** A target that is a network ends the bans within it too. */
  readonly unban: (request: { readonly targets: readonly Target[] } | { readonly all: true }) => Promise<UnbanReply>;
  /** @param forMs Infinity: until taken back. An address is that one address, in IPv6 too. */
  readonly allow: (request: { readonly prefixes: readonly Prefix[]; readonly forMs: number }) => Promise<AllowReply>;
  /** Takes back an `allow` of exactly that prefix. */
  readonly disallow: (request: { readonly prefixes: readonly Prefix[] }) => Promise<DisallowReply>;
  readonly reload: (request: ReloadRequest) => Promise<ReloadReply>;
  readonly confirm: () => ConfirmReply;
  /** Bans may be made again. */
  readonly resetBreaker: () => BreakerReply;
}
