import { readFileSync } from 'node:fs';
import type { Trust } from '../model/record.ts';
import {
  boundSockets,
  connectedSockets,
  type Endpoint,
  type FindConnected,
  readSocketTables,
  readSocketTablesSync,
  type SocketTables,
} from './socket-owner.ts';
import { isOwnAddress } from './syslog-peers.ts';

const root = 0;

/** Whose sockets on this host are believed: root's, the user `syslog`'s (Debian's and Ubuntu's rsyslogd), and those listed. */
export function believedUids(listed: readonly number[]): ReadonlySet<number> {
  const syslog = uidOf('syslog', readPasswd());
  return new Set([root, ...(syslog === undefined ? [] : [syslog]), ...listed]);
}

/** @param passwd the text of passwd(5) */
export function uidOf(user: string, passwd: string): number | undefined {
  for (const line of passwd.split('\n')) {
    const [name, , uid] = line.split(':');
    if (name === user && uid !== undefined && /^\d+$/.test(uid)) return Number(uid);
  }
  return undefined;
}

function readPasswd(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8');
  } catch {
    return '';
  }
}

/**
 * Whether the other end of a TCP connection is believed: a process on this host if its socket belongs to a believed user, everybody else because
 * he is listed. A socket on this host that nobody has open any more is nobody's.
 *
 * Not blocking: on a host with many connections the kernel's list is long. Questions that come meanwhile share the next reading, never the
 * running one, which may have passed their place in the list already.
 */
export function createConnectionTrust(believed: ReadonlySet<number>): (sender: Endpoint, receiver: Endpoint) => Promise<Trust> {
  let running: Promise<unknown> = Promise.resolve();
  let next: Promise<FindConnected> | undefined;
  const read = (): Promise<FindConnected> => {
    next ??= running.then(() => {
      const reading = readSocketTables('tcp');
      running = reading.catch(() => undefined);
      next = undefined;
      return reading.then(connectedSockets);
    });
    return next;
  };
  return async (sender, receiver) => {
    const find = await read().catch(() => undefined);
    if (find === undefined) return isOwnAddress(sender.address) ? 'low' : 'full';
    const row = find(sender, receiver);
    // The list before the addresses: a process here can also bind addresses that no interface has (127.1.2.3, `ip route add local`).
    if (row === undefined) return sender.address === receiver.address || isOwnAddress(sender.address) ? 'low' : 'full';
    return row.inode !== 0 && believed.has(row.uid) ? 'full' : 'low';
  };
}

/** How old a reading may be for a sender that it names, and for one that it does not; in ms. */
const validMs = 10;
const validWithoutMs = 1;
/** At most this part of the time is spent on reading: a local user who opens thousands of sockets makes the list longer, not us slower. */
const busyPart = 0.05;

/**
 * Asks whose socket a datagram from this host came from. Blocks for one reading of the kernel's list, and remembers that for 10 ms.
 *
 * A port can change hands, and the answer says who has it now, not who had it when the datagram was sent. So everybody who can send
 * from the port must be believed, and the answer is kept for a moment only. TCP has no such gap.
 *
 * @param clockMs a clock that never goes back, in ms
 * @param read for tests
 */
export function createDatagramTrust(
  believed: ReadonlySet<number>,
  clockMs: () => number = () => performance.now(),
  read: () => SocketTables = () => readSocketTablesSync('udp'),
): (sender: Endpoint) => Trust {
  let readAtMs = -Infinity;
  let costMs = 0;
  let tables: SocketTables = { ipv4: '', ipv6: '' };
  let answers = new Map<string, Trust | undefined>();

  const answer = (sender: Endpoint, key: string): Trust | undefined => {
    if (answers.has(key)) return answers.get(key);
    const rows = boundSockets(tables, sender).filter(({ inode }) => inode !== 0);
    const trust = rows.length === 0 ? undefined : rows.every(({ uid }) => believed.has(uid)) ? 'full' : 'low';
    answers.set(key, trust);
    return trust;
  };

  return (sender) => {
    const key = `${sender.address} ${sender.port}`;
    const nowMs = clockMs();
    const known = answer(sender, key);
    const keepMs = Math.max(known === undefined ? validWithoutMs : validMs, costMs / busyPart);
    if (nowMs - readAtMs < keepMs) return known ?? 'low';
    try {
      tables = read();
    } catch {
      tables = { ipv4: '', ipv6: '' };
    }
    answers = new Map();
    readAtMs = clockMs();
    costMs = readAtMs - nowMs;
    return answer(sender, key) ?? 'low';
  };
}
