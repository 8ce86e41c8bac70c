import type { Prefix } from '../model/address.ts';
import type { Jail } from '../model/decision.ts';
import type { Increment, TextMistake } from '../model/foreign-dialect.ts';
import type { ForeignJail } from '../model/foreign-jail.ts';
import type { FileSettings, JournalSettings, SyslogSettings } from '../model/source.ts';

/** Where a value was written. Lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Where reading begins when there is no cursor. `agoMs`: so long before now. */
export type Begin = { readonly kind: 'start' } | { readonly kind: 'end' } | { readonly kind: 'ago'; readonly agoMs: number };

/** By which way this host's own lines come. The other ways are read only for what this one does not have. */
export type Own = 'journal' | 'files' | 'syslog';

/** The journal's matches are not here: they come from the filters of the enabled jails. */
export type JournalSource = Omit<JournalSettings, 'matches'> & { readonly from: Begin };

export type FileSource = FileSettings & { readonly from: Begin };

export interface Listen {
  /** An address, never a name. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** Bounds on what outsiders can make us hold. */
export interface Limits {
  /** The longest message that is taken whole; what is longer is cut and counted. */
  readonly messageBytes: number;
  /** Open TCP connections of one syslog listener. */
  readonly connections: number;
  /** Subjects with an open window, all jails together. */
  readonly subjects: number;
  /** Last lines kept for `explain`, all subjects together. */
  readonly evidenceBytes: number;
}

export type Bantime = Jail['bantime'];

/** A jail with `fail2ban:`. */
export interface WrittenForeignJail extends ForeignJail {
  /** What `jail.bantime` was made of. */
  readonly increment: Increment | undefined;
  /** Where a part of one of its texts was written, by offsets in the text. */
  readonly within: (part: Pick<TextMistake, 'option' | 'index' | 'start' | 'end'>) => Place & { readonly length: number };
}

/** The configuration in force: every default filled in, every reference resolved, nothing left to check. Durations in ms. */
export interface Config {
  readonly sources: {
    readonly own: Own;
    readonly syslog: readonly SyslogSettings[];
    /** undefined: the journal is not read. */
    readonly journal: JournalSource | undefined;
    readonly files: readonly FileSource[];
    /** How far in the past a stamp without a zone is believed. */
    readonly maxSkewMs: number;
  };
  readonly enforce: {
    readonly mode: 'nftables' | 'observe';
    /** Elements that one set in the kernel may hold. */
    readonly setSize: number;
  };
  /** undefined: no metrics are served. */
  readonly metrics: Listen | undefined;
  /** Numbers of jails also under the names that exporters for fail2ban use. */
  readonly fail2banNames: boolean;
  readonly control: {
    readonly socket: string;
    /** Group that may use the socket; undefined: the group of the process. */
    readonly group: string | undefined;
  };
  readonly state: { readonly path: string };
  readonly allowlist: readonly { readonly prefix: Prefix; readonly place: Place }[];
  /** For `ban ADDRESS` without a jail, and for whatever a jail does not say. */
  readonly defaults: {
    readonly maxretry: number;
    readonly findtimeMs: number;
    readonly bantime: Bantime;
    readonly prefix: Jail['prefix'];
  };
  /** The enabled jails, in the order of the files. At least one, here or in `foreignJails`, unless fail2ban's own are read. */
  readonly jails: readonly Jail[];
  /** Enabled jails in fail2ban's dialect, from this configuration. None of them is in `jails`. */
  readonly foreignJails: readonly WrittenForeignJail[];
  /** The directory of fail2ban whose enabled jails run beside these; undefined: none. */
  readonly fail2ban: string | undefined;
  readonly limits: Limits;
  /** When new bans stop. */
  readonly breaker: {
    /** 0 to 1. */
    readonly share: number;
    readonly least: number;
    readonly withinMs: number;
    /** undefined: any number of bans. */
    readonly rate: { readonly bans: number; readonly withinMs: number } | undefined;
  };
}
