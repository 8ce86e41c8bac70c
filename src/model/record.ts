import type { Address } from './address.ts';

/** Where a record came from; also what must be stored to resume after a restart. */
export type Origin =
  | {
      readonly kind: 'journal';
      readonly cursor: string;
      /** When journald took it, ms since the epoch: where to go on if the cursor itself cannot be found again. */
      readonly realtimeMs: number;
    }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly inode: bigint;
      /** Just behind this line's LF. */
      readonly offsetBytes: number;
      /** Tells a file from a later one with the same inode number: see src/receive/file-head.ts. */
      readonly head: string;
    }
  | { readonly kind: 'syslog'; readonly transport: 'udp' | 'tcp'; readonly peer: Address };

/**
 * When a message was written, as its own stamp says.
 *
 * `zoned`: the stamp named its zone, so that it can be believed across hosts. `fraction`: it has fractions of a second, so that
 * latency can be measured from it.
 */
export interface Stamp {
  /** ms since the epoch, with fractions where the stamp has microseconds. */
  readonly ms: number;
  readonly zoned: boolean;
  readonly fraction: boolean;
}

/** `low`: counted and shown, would-be bans only. See "Trust" in ARCHITECTURE.md. */
export type Trust = 'full' | 'low';

/** What journald itself says of the sender (systemd.journal-fields(7), trusted fields): `_SYSTEMD_UNIT`, `_SYSTEMD_SLICE`, `_UID`, `_COMM`, ... */
export type TrustedFields = ReadonlyMap<string, string>;

/** What a syslog line, a journal entry and a line of a file have in common once they are parsed. Nothing in it is checked against reality. */
export interface Message {
  /** 0 to 23, RFC 5424 section 6.2.1; undefined where the form has none. */
  readonly facility: number | undefined;
  /** 0 to 7. */
  readonly severity: number | undefined;
  readonly stamp: Stamp | undefined;
  readonly hostname: string | undefined;
  /** The whole tag without its pid, `postfix/submission/smtpd`; in RFC 5424 form often cut at the slash by the sender. */
  readonly appName: string | undefined;
  readonly procId: string | undefined;
  readonly msgId: string | undefined;
  /** RFC 5424 STRUCTURED-DATA as it was sent, without parsing its values; undefined for `-` and other forms. */
  readonly structuredData: string | undefined;
  /** The text behind `program[pid]: `, without final LF, CR, NUL. */
  readonly text: string;
  /** How often this was said: 1, or n for a `message repeated n times: [ ... ]` that was unwrapped, at most 1000. */
  readonly repeats: number;
}

/** One log message with its way here: what `match` and `decide` work on. */
export interface LogRecord extends Message {
  /** The source's name, from the configuration. */
  readonly source: string;
  readonly origin: Origin;
  readonly trust: Trust;
  /** ms since the epoch. */
  readonly receivedMs: number;
  /** Only from the journal. */
  readonly trusted: TrustedFields | undefined;
  /** A line of a file, read before the end of that file was reached for the first time: its stamp may be old and is believed. */
  readonly catchingUp: boolean;
}

/** Why a frame could not be made into a Message: a closed set, it is a metric label. */
export type UnparsedReason = 'empty' | 'priority' | 'header' | 'decode' | 'no_message';

export type Parsed =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'unparsed'; readonly reason: UnparsedReason };
