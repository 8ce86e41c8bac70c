import { type Address, parseAddress } from '../model/address.ts';
import { type Session, sessionMemoryMs } from './session.ts';

/** The form of a record. glibc has 32-bit times for the sake of old files on x86-64 and some others, 64-bit times on arm64. */
export interface UtmpLayout {
  readonly recordBytes: number;
  readonly timeOffset: number;
  readonly timeBytes: 4 | 8;
  readonly addressOffset: number;
}

/** @see glibc bits/types/struct_utmp.h, `__WORDSIZE_TIME64_COMPAT32` */
export const utmpLayouts = {
  short: { recordBytes: 384, timeOffset: 340, timeBytes: 4, addressOffset: 348 },
  long: { recordBytes: 400, timeOffset: 344, timeBytes: 8, addressOffset: 360 },
} as const satisfies Record<string, UtmpLayout>;

/** The architecture's usual layout, unless the file's size says that it must be the other. */
export function utmpLayoutOf(sizeBytes: number, architecture: string): UtmpLayout {
  const { short, long } = utmpLayouts;
  const [usual, other] = architecture === 'arm64' ? [long, short] : [short, long];
  return sizeBytes % usual.recordBytes !== 0 && sizeBytes % other.recordBytes === 0 ? other : usual;
}

/** One record of utmp(5) or wtmp. */
export interface UtmpRecord {
  readonly kind: 'boot' | 'login' | 'logout' | 'other';
  readonly line: string;
  readonly user: string;
  /** From ut_addr_v6; else ut_host where that is an address itself. A name is never looked up. */
  readonly address: Address | undefined;
  readonly atMs: number;
}

/** ut_type: BOOT_TIME, USER_PROCESS, DEAD_PROCESS. */
const kinds: ReadonlyMap<number, UtmpRecord['kind']> = new Map([
  [2, 'boot'],
  [7, 'login'],
  [8, 'logout'],
]);
const lineField = { offset: 8, bytes: 32 } as const;
const userField = { offset: 44, bytes: 32 } as const;
const hostField = { offset: 76, bytes: 256 } as const;

/** Whole records only; a rest at the end is left out. */
export function parseUtmp(bytes: Buffer, layout: UtmpLayout): readonly UtmpRecord[] {
  const records: UtmpRecord[] = [];
  for (let offset = 0; offset + layout.recordBytes <= bytes.length; offset += layout.recordBytes) {
    const record = bytes.subarray(offset, offset + layout.recordBytes);
    const seconds = layout.timeBytes === 4 ? record.readUInt32LE(layout.timeOffset) : Number(record.readBigInt64LE(layout.timeOffset));
    records.push({
      kind: kinds.get(record.readInt16LE(0)) ?? 'other',
      line: textOf(record, lineField),
      user: textOf(record, userField),
      address: addressOf(record.subarray(layout.addressOffset, layout.addressOffset + 16)) ?? parseAddress(textOf(record, hostField)),
      atMs: seconds * 1_000,
    });
  }
  return records;
}

/** utmp: who is logged in now. */
export function sessionsOfUtmp(records: readonly UtmpRecord[], nowMs: number): readonly Session[] {
  return records.flatMap(({ kind, address, user }) =>
    kind === 'login' && address !== undefined ? [{ address, user, seenMs: nowMs }] : [],
  );
}

/**
 * wtmp, oldest first: who logged in or out within the hour. A login further back without a logout says nothing here: the session
 * may have ended without a record. utmp and systemd know who is in now.
 */
export function sessionsOfWtmp(records: readonly UtmpRecord[], nowMs: number): readonly Session[] {
  const sessions: Session[] = [];
  /** Who is in on which line, as the records go by. */
  const open = new Map<string, Session>();
  const note = (session: Session | undefined, seenMs: number) => {
    if (session !== undefined && nowMs - seenMs <= sessionMemoryMs) sessions.push({ ...session, seenMs });
  };
  for (const { kind, line, user, address, atMs } of records) {
    if (kind === 'logout') {
      note(open.get(line), atMs);
      open.delete(line);
    }
    if (kind === 'boot') {
      // Whoever was in was so until the machine went down, which was before it came up.
      for (const session of open.values()) note(session, atMs);
      open.clear();
    }
    if (kind !== 'login') continue;
    const session = address === undefined ? undefined : { address, user, seenMs: atMs };
    // Whoever was on this line before is gone, nobody knows since when.
    if (session === undefined) open.delete(line);
    else open.set(line, session);
    note(session, atMs);
  }
  return sessions;
}

function textOf(record: Buffer, { offset, bytes }: { readonly offset: number; readonly bytes: number }): string {
  const field = record.subarray(offset, offset + bytes);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end === -1 ? bytes : end);
}

/** ut_addr_v6, network byte order: IPv4 in the first four bytes with zeros behind it; all zero: none. */
function addressOf(bytes: Buffer): Address | undefined {
  if (bytes.every((byte) => byte === 0)) return undefined;
  if (bytes.subarray(4).every((byte) => byte === 0)) return parseAddress(bytes.subarray(0, 4).join('.'));
  return parseAddress(bytes.toString('hex').replace(/(....)(?=.)/g, '$1:'));
}
