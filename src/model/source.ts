import type { Prefix } from './address.ts';
import type { LogRecord } from './record.ts';

/** Why input was not matched: a closed set, the label of sluice_source_errors_total. */
export type SourceError = 'framing' | 'oversize' | 'decode' | 'time' | 'denied_peer' | 'connection_limit' | 'restart' | 'own_host' | 'io';

/** What is known to be lost: a closed set, the label of sluice_source_lost_records_total. */
export type LostReason = 'udp_kernel' | 'suppressed' | 'cursor_gap' | 'overflow';

/**
 * What a source tells its owner, at once and in order. The owner handles a record wholly before `record` returns: matching and
 * deciding are synchronous, so there is no queue between a socket and a decision, and a busy pipeline simply reads more slowly.
 */
export interface Sink {
  readonly record: (record: LogRecord) => void;
  /** Bytes and physical records read, also those that did not parse. */
  readonly read: (records: number, bytes: number) => void;
  /** Counted by reason; `detail` is for the log, from trusted text and escaped quotations only. */
  readonly error: (reason: SourceError, detail: string) => void;
  readonly lost: (reason: LostReason, count: number, detail: string) => void;
  /** `detail` says why not, and what mends it. */
  readonly up: (up: boolean, detail: string) => void;
  readonly connections: (open: number) => void;
}

/** A running source. */
export interface Source {
  readonly name: string;
  readonly kind: 'syslog' | 'journal' | 'file';
  /** Stops taking new input; what the kernel holds stays there. Idempotent. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Ends it, after what was read already has gone to the sink. */
  readonly stop: () => Promise<void>;
}

export interface SyslogSettings {
  readonly kind: 'syslog';
  readonly name: string;
  readonly transport: 'udp' | 'tcp';
  readonly host: string;
  /** 0: any free port (tests). */
  readonly port: number;
  /** Who may send; everybody else is refused and counted. */
  readonly peers: readonly Prefix[];
  /** Loopback senders are believed if the sending socket belongs to one of these: root, `syslog`, and those listed. */
  readonly trustedUids: readonly number[];
  /** IANA name for stamps without a zone, or `local`. */
  readonly timezone: string;
  /** Alert when nothing came for so long; 0: never. */
  readonly silenceMs: number;
}

export interface JournalSettings {
  readonly kind: 'journal';
  readonly name: string;
  /** Groups of matches, joined by `+`: `FIELD=value`, within a group same field OR, different fields AND. */
  readonly matches: readonly (readonly string[])[];
  /** Another journal than the system's: `--directory`. */
  readonly directory: string | undefined;
  /** A journal namespace (`--namespace`); journald(8). */
  readonly namespace: string | undefined;
  readonly silenceMs: number;
  /** Whatever fields the matches name are kept among the trusted ones, though any client may set those without `_`: fail2ban's jails match by them. */
  readonly keepNamed?: boolean;
}

export interface FileSettings {
  readonly kind: 'file';
  readonly name: string;
  /** A path, or a glob: `/var/log/mail.log`, `/var/log/mail/*.log`. */
  readonly path: string;
  readonly timezone: string;
  /** The lines have no syslog header: they all belong to this program. */
  readonly program: string | undefined;
  readonly silenceMs: number;
  /** A label of TextDecoder; absent: UTF-8. */
  readonly encoding?: string;
}

/** Where to begin when there is no cursor. `sinceMs`: ms since the epoch. */
export type StartAt = { readonly kind: 'start' } | { readonly kind: 'end' } | { readonly kind: 'since'; readonly sinceMs: number };
