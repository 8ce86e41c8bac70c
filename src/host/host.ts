import { readdir } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { arch } from 'node:process';
import { type Address, parseAddress, prefixOf } from '../model/address.ts';
import type { Protection, ProtectionReason } from '../model/protection.ts';
import { readHead, readTail } from './bounded-file.ts';
import { parseLogindSession } from './logind-session.ts';
import { parseIpv6Routes, parseRoutes } from './proc-net.ts';
import { parseResolvers } from './resolv-conf.ts';
import { rememberSessions, type Session } from './session.ts';
import { readSshSessions } from './ssh-sessions.ts';
import { parseUtmp, sessionsOfUtmp, sessionsOfWtmp, utmpLayoutOf, type UtmpRecord } from './utmp.ts';

/** Where this host says what it is. */
export interface HostPaths {
  readonly proc: string;
  readonly resolvConf: readonly string[];
  readonly utmp: string;
  readonly wtmp: string;
  readonly sessions: string;
}

const systemPaths: HostPaths = {
  proc: '/proc',
  // The second has the servers behind the stub that the first may name.
  resolvConf: ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'],
  utmp: '/run/utmp',
  wtmp: '/var/log/wtmp',
  sessions: '/run/systemd/sessions',
};

/** What this host must never ban. */
export interface HostFacts {
  readonly ownAddresses: ReadonlySet<Address>;
  /** Own addresses, gateways, resolvers, sessions. */
  readonly protections: readonly Protection[];
  /** Of the last hour, for the next reading. */
  readonly sessions: readonly Session[];
  /** What could not be read, one sentence each; the facts of the last reading stand for it. */
  readonly problems: readonly string[];
}

/**
 * Reads what must never be banned on this host: own addresses, gateways, resolvers, and where people are logged in from, now or within the
 * hour. Nothing is looked up and no program is run. What is not there says nothing; what cannot be read is a problem, and what was
 * read last stays.
 *
 * @param previous the last reading: it knows sessions that have ended since, and stands for what cannot be read now
 */
export async function readHost({
  previous,
  nowMs = Date.now(),
  paths = systemPaths,
  sshPorts = [22],
}: {
  readonly previous?: HostFacts;
  readonly nowMs?: number;
  readonly paths?: HostPaths;
  readonly sshPorts?: readonly number[];
} = {}): Promise<HostFacts> {
  const problems: string[] = [];
  /** One kind of protection; on failure what it was before. */
  const attempt = async (
    what: string,
    reason: ProtectionReason,
    read: () => Promise<readonly Protection[]>,
  ): Promise<readonly Protection[]> => {
    try {
      return await read();
    } catch (error) {
      problems.push(`Cannot read the ${what}: ${error instanceof Error ? error.message : String(error)}.`);
      return previous?.protections.filter((known) => known.reason === reason) ?? [];
    }
  };
  const attemptSessions = async (what: string, read: () => Promise<readonly Session[]>): Promise<readonly Session[]> => {
    let sessions: readonly Session[] = [];
    await attempt(what, 'session', async () => {
      sessions = await read();
      return [];
    });
    return sessions;
  };

  const [own, gateways, resolvers, ...found] = await Promise.all([
    attempt('own addresses', 'own address', async () => ownAddresses()),
    attempt('gateways', 'gateway', () => readGateways(paths.proc)),
    attempt('resolvers', 'resolver', () => readResolvers(paths.resolvConf)),
    attemptSessions('sessions in utmp', () => readUtmp(paths.utmp, nowMs)),
    attemptSessions('sessions in wtmp', () => readWtmp(paths.wtmp, nowMs)),
    attemptSessions('sessions of systemd', () => readLogind(paths.sessions, nowMs)),
    attemptSessions('sessions of sshd', () => readSshSessions({ proc: paths.proc, ports: sshPorts, nowMs })),
  ]);
  const sessions = rememberSessions(previous?.sessions ?? [], found.flat(), nowMs);
  const protections = [...own, ...gateways, ...resolvers, ...sessions.map(({ address, user }) => protection(address, 'session', user))];
  const addresses = own.map(({ prefix }) => parseAddress(prefix.replace(/\/.*$/, ''))).filter((address) => address !== undefined);
  return { ownAddresses: new Set(addresses), protections, sessions, problems };
}

function protection(address: Address, reason: ProtectionReason, detail: string): Protection {
  return { prefix: prefixOf(address, wholeAddress), reason, detail };
}

/** Beyond any family's length: the one address. */
const wholeAddress = 128;

/** Addresses of interfaces that are up. Zones are left off: bans know none either. */
function ownAddresses(): readonly Protection[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).flatMap(({ address: text }) => {
      const address = parseAddress(text.replace(/%.*$/, ''));
      return address === undefined ? [] : [protection(address, 'own address', name)];
    }),
  );
}

async function readGateways(proc: string): Promise<readonly Protection[]> {
  const routes = (await readHead(`${proc}/net/route`, maxRouteBytes))?.toString('latin1') ?? '';
  const ipv6Routes = (await readHead(`${proc}/net/ipv6_route`, maxRouteBytes))?.toString('latin1') ?? '';
  const gateways = new Map([...parseRoutes(routes), ...parseIpv6Routes(ipv6Routes)].map((gateway) => [gateway.address, gateway.interface]));
  return [...gateways].slice(0, maxGateways).map(([address, name]) => protection(address, 'gateway', name));
}

async function readResolvers(paths: readonly string[]): Promise<readonly Protection[]> {
  const resolvers: Protection[] = [];
  for (const path of paths) {
    const text = (await readHead(path, maxResolvConfBytes))?.toString('latin1') ?? '';
    for (const address of parseResolvers(text)) resolvers.push(protection(address, 'resolver', path));
  }
  return resolvers;
}

async function readUtmp(path: string, nowMs: number): Promise<readonly Session[]> {
  return sessionsOfUtmp(await readRecords(path), nowMs);
}

async function readWtmp(path: string, nowMs: number): Promise<readonly Session[]> {
  return sessionsOfWtmp(await readRecords(path), nowMs);
}

/** The last records of utmp or wtmp. */
async function readRecords(path: string): Promise<readonly UtmpRecord[]> {
  const tail = await readTail(path, maxUtmpBytes, (sizeBytes) => utmpLayoutOf(sizeBytes, arch).recordBytes);
  return tail === undefined ? [] : parseUtmp(tail.bytes, utmpLayoutOf(tail.sizeBytes, arch));
}

async function readLogind(directory: string, nowMs: number): Promise<readonly Session[]> {
  const names = await readdir(directory).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  const sessions: Session[] = [];
  // A name with a dot is a pipe or a file being written.
  for (const name of names.filter((each) => /^\w+$/.test(each)).slice(0, maxSessionFiles)) {
    const text = (await readHead(`${directory}/${name}`, maxSessionBytes))?.toString('utf8');
    const session = text === undefined ? undefined : parseLogindSession(text, nowMs);
    if (session !== undefined) sessions.push(session);
  }
  return sessions;
}

/** A full table of the Internet is in no mail server's kernel; what lies beyond this is left out. */
const maxRouteBytes = 4 * 1024 * 1024;
const maxGateways = 1_000;
const maxResolvConfBytes = 64 * 1024;
/** Some 2,700 records. */
const maxUtmpBytes = 1024 * 1024;
const maxSessionFiles = 5_000;
const maxSessionBytes = 16 * 1024;
