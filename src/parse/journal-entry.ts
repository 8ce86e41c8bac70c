import type { Message, Stamp, TrustedFields, UnparsedReason } from '../model/record.ts';

/** What one entry of `journalctl --output=export` holds. */
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

/** What an entry is made of beside the trusted fields. */
const messageNames = [
  '__CURSOR',
  '__REALTIME_TIMESTAMP',
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

/** Reads the entry that lies in `bytes` between `start` and `end`, as a JournalFramer gave it. */
export type ParseEntry = (bytes: Buffer, start: number, end: number) => JournalEntry;

/**
 * @param names the fields to keep as trusted
 * @see https://systemd.io/JOURNAL_EXPORT_FORMATS/, "Journal Export Format"
 */
export function createEntryParser(names: readonly string[] = trustedNames): ParseEntry {
  const wanted: ReadonlySet<string> = new Set([...messageNames, ...names]);
  return (bytes, start, end) => {
    const fields = readFields(bytes, start, end, wanted);
    return fields === undefined ? { kind: 'unparsed', reason: 'decode', cursor: undefined } : entryOf(fields, names);
  };
}

function entryOf(fields: Fields, names: readonly string[]): JournalEntry {
  const plain = (name: string): string | undefined => {
    const field = fields.get(name);
    return field?.plain === true ? field.text : undefined;
  };
  const text = (name: string): string | undefined => fields.get(name)?.text;
  const cursor = plain('__CURSOR');
  const realtimeUs = microseconds(plain('__REALTIME_TIMESTAMP'));
  // Every entry has both. Without a cursor there would be no going on behind it.
  if (cursor === undefined || realtimeUs === undefined) return { kind: 'unparsed', reason: 'header', cursor };

  const body = text('MESSAGE');
  if (body === undefined) return { kind: 'unparsed', reason: 'no_message', cursor };

  const trusted = new Map<string, string>();
  for (const name of names) {
    // journald sets each of them once. One that came twice is a forgery of a remote sender: it fits no filter.
    const value = plain(name);
    if (value !== undefined) trusted.set(name, value);
  }
  const message: Message = {
    facility: smallNumber(plain('SYSLOG_FACILITY'), 23),
    severity: smallNumber(plain('PRIORITY'), 7),
    stamp: stamp(microseconds(plain('_SOURCE_REALTIME_TIMESTAMP')) ?? realtimeUs),
    hostname: plain('_HOSTNAME'),
    appName: text('SYSLOG_IDENTIFIER') ?? text('_COMM'),
    procId: text('SYSLOG_PID') ?? plain('_PID'),
    msgId: undefined,
    structuredData: undefined,
    text: withoutTail(body),
    repeats: 1,
  };
  return { kind: 'entry', message, trusted, cursor, realtimeUs, dropped: droppedCount(plain) };
}

interface Field {
  /**
   * The first value. Where the sender gave a field several times, the journal does not keep their order, so none is more right than
   * another, and joining them would make a line that nobody wrote.
   */
  readonly text: string;
  /** Given once, as printable text. */
  readonly plain: boolean;
}

type Fields = ReadonlyMap<string, Field>;

const lineFeed = 0x0a;
const equals = 0x3d;
const lengthBytes = 8;

/** @returns undefined if the bytes are no entry */
function readFields(bytes: Buffer, start: number, end: number, wanted: ReadonlySet<string>): Fields | undefined {
  const fields = new Map<string, Field>();
  for (let at = start; at < end; ) {
    let nameEnd = at;
    while (nameEnd < end && bytes[nameEnd] !== equals && bytes[nameEnd] !== lineFeed) nameEnd += 1;
    if (nameEnd === at && bytes[at] === lineFeed) return fields;
    const isText = bytes[nameEnd] === equals;
    const valueStart = nameEnd + 1 + (isText ? 0 : lengthBytes);
    if (valueStart >= end) return undefined;
    const valueEnd = isText ? bytes.indexOf(lineFeed, valueStart) : valueStart + Number(bytes.readBigUInt64LE(nameEnd + 1));
    if (valueEnd < valueStart || valueEnd >= end || bytes[valueEnd] !== lineFeed) return undefined;
    const name = bytes.toString('latin1', at, nameEnd);
    if (wanted.has(name)) {
      const first = fields.get(name);
      fields.set(
        name,
        first === undefined ? { text: bytes.toString('utf8', valueStart, valueEnd), plain: isText } : { text: first.text, plain: false },
      );
    }
    at = valueEnd + 1;
  }
  return undefined;
}

/** Digits as journald writes them; 16 of them reach to the year 2286 and are exact as a number. */
function microseconds(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,16}$/.test(value) ? Number(value) : undefined;
}

function stamp(us: number): Stamp {
  return { ms: us / 1000, zoned: true, fraction: true };
}

function smallNumber(value: string | undefined, largest: number): number | undefined {
  return value !== undefined && /^\d{1,2}$/.test(value) && Number(value) <= largest ? Number(value) : undefined;
}

/** Without final LF, CR, NUL: the same message must read the same by every way. */
function withoutTail(text: string): string {
  let end = text.length;
  while (end > 0 && '\n\r\0'.includes(text.charAt(end - 1))) end--;
  return end === text.length ? text : text.slice(0, end);
}

/** MESSAGE_ID and N_DROPPED are fields that any client may send; the transport `driver` is journald talking itself. */
function droppedCount(plain: (name: string) => string | undefined): Dropped | undefined {
  if (plain('MESSAGE_ID') !== droppedMessageId || plain('_TRANSPORT') !== 'driver') return undefined;
  const digits = plain('N_DROPPED');
  const count = digits !== undefined && /^\d{1,15}$/.test(digits) ? Number(digits) : 1;
  return { count, unit: plain('OBJECT_SYSTEMD_UNIT'), slice: plain('OBJECT_SYSTEMD_SLICE') };
}
