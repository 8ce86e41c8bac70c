import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isSingle, parseAddress, type Prefix, prefixOf, splitPrefix } from '../model/address.ts';
import type { Ports } from '../model/filter.ts';
import { groupName, portRanges } from './layout.ts';
import type { NftChild } from './nft-child.ts';

/** @returns the absolute path of ss, undefined if there is none */
export function findSs(): string | undefined {
  return ['/usr/bin/ss', '/bin/ss', '/usr/sbin/ss', '/sbin/ss'].find((path) => existsSync(path));
}

/**
 * Ends TCP sessions that a banned host has open: a drop rule leaves the server's socket waiting until its own timeout, minutes or hours, and a
 * worker with it. Needs CAP_NET_ADMIN and a kernel with INET_DIAG_DESTROY; where it is not there, that is said once and no more is tried.
 */
export interface SocketKiller {
  /** Never waits, never stands in the way of a ban. Beyond `maxWaiting` subjects the sessions of further ones are left to their timeouts. */
  readonly end: (subjects: readonly { readonly ports: Ports; readonly subject: Prefix }[]) => void;
  readonly left: () => number;
  /** When nothing waits. */
  readonly idle: () => Promise<void>;
}

export interface SocketKillerHooks {
  /** This kernel, or this ss, cannot. `why` is a sentence. */
  readonly unable: (why: string) => void;
}

const maxWaiting = 10_000;
/** Subjects in one ss: each is a condition that the kernel evaluates for each socket. */
const maxAtOnce = 50;
/** The first goes at once. What comes in a stream shares an ss: one for each nft would cost as much as the nft. */
const everyMs = 100;
/** Some 2,000 sessions. */
const maxListBytes = 262_144;

export function createSocketKiller(child: NftChild, hooks: SocketKillerHooks): SocketKiller {
  const waiting = new Map<string, { readonly ports: Ports; readonly subject: Prefix }>();
  let able = true;
  let working: Promise<void> | undefined;
  let left = 0;
  let ranMs = -Infinity;

  /** Of more subjects than fit, nearly all have no session: one ss says so of all, where each fifty would take one. */
  const leaveOutAbsent = async (): Promise<void> => {
    const asked = [...waiting];
    const ran = await child.run({ program: 'ss', args: ['-H', '-n', '-t', 'state', 'connected'], maxOutputBytes: maxListBytes });
    if (ran.kind !== 'exit' || ran.code !== 0 || ran.cut) return;
    const present = connectedSubjects(ran.stdout, new Set(asked.map(([, { subject }]) => splitPrefix(subject).length)));
    for (const [key, { subject }] of asked) if (!present.has(subject)) waiting.delete(key);
  };

  const work = async (): Promise<void> => {
    while (waiting.size > 0) {
      await delay(Math.max(0, ranMs + everyMs - performance.now()), undefined, { ref: false });
      ranMs = performance.now();
      if (waiting.size > maxAtOnce) await leaveOutAbsent();
      const group = takeAlike(waiting);
      const [first] = group;
      if (first === undefined) break;
      const ports = first.ports.kind === 'all' ? await listeningPorts(child) : portRanges(first.ports.ports);
      if (ports.length === 0) continue;
      const ran = await child.run({
        program: 'ss',
        args: [
          '-K',
          '-H',
          '-n',
          '-t',
          'state',
          'connected',
          ...sessionFilter(
            group.map(({ subject }) => subject),
            ports,
          ),
        ],
      });
      if (ran.kind !== 'exit') continue;
      if (ran.code === 127 || ran.code === 126) unable('ss is not installed (package iproute2)');
      else if (/RTNETLINK answers|Operation not (?:supported|permitted)/.test(ran.stderr))
        unable(
          `ss -K is refused ("${ran.stderr.split('\n', 1)[0] ?? ''}"): the kernel lacks INET_DIAG_DESTROY, or this process CAP_NET_ADMIN`,
        );
    }
  };

  const start = (): void => {
    if (waiting.size === 0 || working !== undefined) return;
    working = work().finally(() => {
      working = undefined;
      start();
    });
  };

  const unable = (why: string): void => {
    able = false;
    waiting.clear();
    hooks.unable(`sessions that a banned host has open end by their own timeouts: ${why}`);
  };

  return {
    end: (subjects) => {
      if (!able) return;
      for (const { ports, subject } of subjects) {
        if (ports.kind === 'list' && ports.protocol === 'udp') continue;
        if (waiting.size < maxWaiting) waiting.set(`${groupName(ports)} ${subject}`, { ports, subject });
        else left++;
      }
      start();
    },
    left: () => left,
    idle: () => working ?? Promise.resolve(),
  };
}

/** The oldest, and others with the same ports. */
function takeAlike(waiting: Map<string, { readonly ports: Ports; readonly subject: Prefix }>): { ports: Ports; subject: Prefix }[] {
  const group: { ports: Ports; subject: Prefix }[] = [];
  let alike: string | undefined;
  for (const [key, value] of waiting) {
    const ports = groupName(value.ports);
    alike ??= ports;
    if (ports !== alike) continue;
    waiting.delete(key);
    if (group.push(value) >= maxAtOnce) break;
  }
  return group;
}

/** What holds a peer of a listed session, of these prefix lengths. */
function connectedSubjects(listed: string, lengths: ReadonlySet<number>): ReadonlySet<Prefix> {
  const found = new Set<Prefix>();
  for (const line of listed.split('\n')) {
    const peer = line.trim().split(/\s+/)[4] ?? '';
    const address = parseAddress(peer.replace(/:\d+$/, '').replaceAll(/[[\]]|%.*/g, ''));
    if (address !== undefined) for (const length of lengths) found.add(prefixOf(address, length));
  }
  return found;
}

/** A filter of ss(8), as separate words: `( dst A or dst B ) and ( sport = :25 or ( sport >= :1000 and sport <= :2000 ) )`. */
export function sessionFilter(subjects: readonly Prefix[], ports: readonly string[]): string[] {
  const destinations = subjects.map((subject) => ['dst', hostCondition(subject)]);
  const sources = ports.map((range) => {
    const [first, last] = range.split('-');
    return last === undefined ? ['sport', '=', `:${first}`] : ['(', 'sport', '>=', `:${first}`, 'and', 'sport', '<=', `:${last}`, ')'];
  });
  return ['(', ...anyOf(destinations), ')', 'and', '(', ...anyOf(sources), ')'];
}

/** In brackets, because ss takes what follows the last colon for a port. */
function hostCondition(subject: Prefix): string {
  const { address, length } = splitPrefix(subject);
  const host = isSingle(subject) ? address : `${address}/${length}`;
  return address.includes(':') ? `[${host}]` : host;
}

function anyOf(conditions: readonly (readonly string[])[]): string[] {
  return conditions.flatMap((condition, index) => (index === 0 ? condition : ['or', ...condition]));
}

/** For a ban on all ports: our own connections to the host go on, and their local ports are not listened on. */
async function listeningPorts(child: NftChild): Promise<string[]> {
  const ran = await child.run({ program: 'ss', args: ['-H', '-n', '-l', '-t'], maxOutputBytes: maxListBytes });
  if (ran.kind !== 'exit') return [];
  const ports = ran.stdout.matchAll(/^LISTEN +\d+ +\d+ +\S*:(\d+) /gm).map(([, port]) => Number(port));
  return portRanges([...ports]).slice(0, maxPortRanges);
}

const maxPortRanges = 100;
