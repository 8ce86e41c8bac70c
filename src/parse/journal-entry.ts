import type { Message, Stamp, TrustedFields, UnparsedReason } from '../model/record.ts';

/** What one line of `journalctl -o json` holds. */
export type JournalEntry =
  | {
      readonly kind: 'entry';
      readonly message: Message;
      readonly trusted: TrustedFields;
      readonly cursor: string;
      /** When journald took the entry, microseconds since the epoch. */
      readonly realtimeUs: number;
      /** journald's own notice that it threw messages away for their rate. */
      readonly dropped: Dropped | undefined;
    }
  /** `cursor`: reading goes on behind the entry all the same. */
  | { readonly kind: 'unparsed'; readonly reason: UnparsedReason; readonly cursor: string | undefined };

/** Whose messages they were stands in the fields OBJECT_*; undefined where journald did not know. */
export interface Dropped {
  readonly count: number;
  readonly unit: string | undefined;
  readonly slice: string | undefined;
}

/** SD_MESSAGE_JOURNAL_DROPPED, sd-messages(3). */
export const droppedMessageId = 'a596d6fe7bfa4994828e72309e95d61e';

/** Fields that journald itself sets and no client can (systemd.journal-fields(7), "Trusted journal fields"), as far as filters ask for them. */
export const trustedNames = [
  '_TRANSPORT',
  '_UID',
  '_GID',
  '_PID',
  '_COMM',
  '_EXE',
  '_HOSTNAME',
  '_SYSTEMD_UNIT',
  '_SYSTEMD_SLICE',
] as const;

/** What an entry is made of beside the trusted fields: ask journalctl for no more, it costs time. */
export const messageNames = [
  'MESSAGE',
  'MESSAGE_ID',
  'N_DROPPED',
  'OBJECT_SYSTEMD_UNIT',
  'OBJECT_SYSTEMD_SLICE',
  'PRIORITY',
  'SYSLOG_FACILITY',
  'SYSLOG_IDENTIFIER',
  'SYSLOG_PID',
  '_SOURCE_REALTIME_TIMESTAMP',
] as const;

/**
 * Reads one line of `journalctl --output=json`: an object whose values are strings; arrays of numbers 0 to 255 where the bytes
 * are not printable text; arrays of these two where the sender gave a field several times; null where journalctl left a long value out.
 *
 * @param names the fields to keep as trusted; each starts with `_`
 * @see journalctl(1), option --output, "json"; https://systemd.io/JOURNAL_EXPORT_FORMATS/, "Journal JSON Format"
 */
export function parseJournalEntry(line: string, names: readonly string[] = trustedNames): JournalEntry {
  const fields = parseObject(line);
  if (fields === undefined) return { kind: 'unparsed', reason: 'json', cursor: undefined };

  const cursor = plain(fields['__CURSOR']);
  const realtimeUs = microseconds(fields['__REALTIME_TIMESTAMP']);
  // Every entry has both. Without a cursor there would be no going on behind it.
  if (cursor === undefined || realtimeUs === undefined) return { kind: 'unparsed', reason: 'header', cursor };

  const trusted = new Map<string, string>();
  for (const name of names) {
    // journald sets each of them once. One that came twice is a forgery of a remote sender: it fits no filter.
    const value = plain(fields[name]);
    if (value !== undefined) trusted.set(name, value);
  }
  const body = text(fields['MESSAGE']);
  if (body === undefined) return { kind: 'unparsed', reason: 'no_message', cursor };

  const message: Message = {
    facility: smallNumber(fields['SYSLOG_FACILITY'], 23),
    severity: smallNumber(fields['PRIORITY'], 7),
    stamp: stamp(microseconds(fields['_SOURCE_REALTIME_TIMESTAMP']) ?? realtimeUs),
    hostname: plain(fields['_HOSTNAME']),
    appName: text(fields['SYSLOG_IDENTIFIER']) ?? text(fields['_COMM']),
    procId: text(fields['SYSLOG_PID']) ?? plain(fields['_PID']),
    msgId: undefined,
    structuredData: undefined,
    text: withoutTail(body),
    repeats: 1,
  };
  return { kind: 'entry', message, trusted, cursor, realtimeUs, dropped: droppedCount(fields) };
}

/**
 * The names in it come from outside, but only names that are written in this file or begin with `_` and a capital are ever looked up, which
 * no prototype has. A Map instead would cost as much as the parsing.
 */
type Fields = Readonly<Record<string, unknown>>;

function parseObject(line: string): Fields | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function plain(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/**
 * A field of the sender's as text. Where it was given several times, the first that is text counts: the journal does not keep the
 * order in which the sender gave them, so none is more right than another, and joining them would make a line that nobody wrote.
 */
function text(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const items: readonly unknown[] = value;
  // An empty field comes as "", never as [].
  if (items.length === 0) return undefined;
  if (items.every(isByte)) return Buffer.from(items).toString('utf8');
  for (const item of items) {
    if (typeof item === 'string') return item;
    if (Array.isArray(item) && item.length > 0 && item.every(isByte)) return Buffer.from(item).toString('utf8');
  }
  return undefined;
}

function isByte(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 255;
}

/** Digits as journald writes them; 16 of them reach to the year 2286 and are exact as a number. */
function microseconds(value: unknown): number | undefined {
  return typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : undefined;
}

function stamp(us: number): Stamp {
  return { ms: us / 1000, zoned: true, fraction: true };
}

function smallNumber(value: unknown, largest: number): number | undefined {
  return typeof value === 'string' && /^\d{1,2}$/.test(value) && Number(value) <= largest ? Number(value) : undefined;
}

/** Without final LF, CR, NUL: the same message must read the same by every way. */
function withoutTail(text: string): string {
  let end = text.length;
  while (end > 0 && '\n\r\0'.includes(text.charAt(end - 1))) end--;
  return end === text.length ? text : text.slice(0, end);
}

/** MESSAGE_ID and N_DROPPED are fields that any client may send; the transport `driver` is journald talking itself. */
function droppedCount(fields: Fields): Dropped | undefined {
  if (fields['MESSAGE_ID'] !== droppedMessageId || fields['_TRANSPORT'] !== 'driver') return undefined;
  const digits = fields['N_DROPPED'];
  const count = typeof digits === 'string' && /^\d{1,15}$/.test(digits) ? Number(digits) : 1;
  return { count, unit: plain(fields['OBJECT_SYSTEMD_UNIT']), slice: plain(fields['OBJECT_SYSTEMD_SLICE']) };
}
