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
  const fields = new Fields([...messageNames, ...names]);
  return (bytes, start, end) =>
    fields.read(bytes, start, end) ? entryOf(fields, names) : { kind: 'unparsed', reason: 'decode', cursor: undefined };
}

function entryOf(fields: Fields, names: readonly string[]): JournalEntry {
  const plain = (name: string): string | undefined => {
    const field = fields.of(name);
    return field?.plain === true ? field.text : undefined;
  };
  const text = (name: string): string | undefined => fields.of(name)?.text;
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
   * The first value; undefined: this entry has none. Where the sender gave a field several times, the journal does not keep their order, so none
   * is more right than another, and joining them would make a line that nobody wrote.
   */
  text: string | undefined;
  /** Given once, as printable text. */
  plain: boolean;
  /** The last short value in ASCII. */
  known: string;
}

const lengthBytes = 8;
/** As long as a unit's name may be, or so; a message is seldom said twice. */
const mostKnownLength = 64;

/**
 * The fields of one entry at a time. The entry is looked through as a string of its bytes, because a search in that is cheaper than one in a
 * Buffer; what is kept is made of the bytes, so that it does not keep the whole entry. Most fields say what they said in the entry before: those are
 * not made again.
 */
class Fields {
  readonly #byName: ReadonlyMap<string, Field>;

  constructor(names: readonly string[]) {
    this.#byName = new Map(names.map((name) => [name, { text: undefined, plain: false, known: '' }]));
  }

  of(name: string): Field | undefined {
    return this.#byName.get(name);
  }

  /** @returns false if the bytes are no entry */
  read(bytes: Buffer, start: number, end: number): boolean {
    for (const field of this.#byName.values()) field.text = undefined;
    const entry = bytes.toString('latin1', start, end);
    // The next `=`, looked for again only when it was passed: entries may have thousands of fields without one.
    let equals = -1;
    for (let at = 0; at < entry.length; ) {
      const lineEnd = entry.indexOf('\n', at);
      if (lineEnd === at) return true;
      if (lineEnd === -1) return false;
      if (equals < at) equals = indexOrEnd(entry, '=', at);
      const isText = equals < lineEnd;
      const nameEnd = isText ? equals : lineEnd;
      const valueStart = nameEnd + 1 + (isText ? 0 : lengthBytes);
      if (valueStart >= entry.length) return false;
      const valueEnd = isText ? lineEnd : valueStart + Number(bytes.readBigUInt64LE(start + nameEnd + 1));
      if (entry.charAt(valueEnd) !== '\n') return false;
      const field = this.#byName.get(entry.slice(at, nameEnd));
      if (field?.text !== undefined) field.plain = false;
      else if (field !== undefined) {
        const value = entry.slice(valueStart, valueEnd);
        if (value !== field.known) {
          const text = bytes.toString('utf8', start + valueStart, start + valueEnd);
          if (value === text && text.length <= mostKnownLength) field.known = text;
          field.text = text;
        } else field.text = field.known;
        field.plain = isText;
      }
      at = valueEnd + 1;
    }
    return false;
  }
}

function indexOrEnd(text: string, wanted: string, from: number): number {
  const found = text.indexOf(wanted, from);
  return found === -1 ? text.length : found;
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
