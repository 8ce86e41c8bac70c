import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkPair } from '../test/support/netns.ts';
import { until } from './process.ts';

/** Debian's fail2ban-server with one jail, in the `host` namespace, with nothing of its own outside of a private directory. */
export interface MeasuredFail2ban {
  readonly pid: number;
  /** What it has logged. */
  readonly log: () => string;
  readonly stop: () => Promise<void>;
}

export function hasFail2ban(): boolean {
  try {
    execFileSync('fail2ban-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

interface BenchJail {
  readonly log: string;
  readonly maxretry: number;
  /** `polling`, or `auto`: pyinotify where Debian's python3-pyinotify is installed. */
  readonly backend: string;
}

/** One jail with Debian's filter and action. @returns its directory, as /etc/fail2ban would be */
export function writeConfiguration(network: NetworkPair, { log, maxretry, backend }: BenchJail): string {
  const directory = join(network.directory, 'fail2ban');
  mkdirSync(directory);
  for (const part of ['filter.d', 'action.d', 'paths-common.conf', 'paths-debian.conf'])
    symlinkSync(`/etc/fail2ban/${part}`, join(directory, part));
  const own = (name: string): string => join(directory, name);
  writeFileSync(
    own('fail2ban.conf'),
    `[Definition]
loglevel = INFO
logtarget = ${own('fail2ban.log')}
syslogsocket = auto
socket = ${own('sock')}
pidfile = ${own('pid')}
dbfile = ${own('db.sqlite3')}
dbpurgeage = 1d
dbmaxmatches = 10
allowipv6 = auto
`,
  );
  writeFileSync(
    own('jail.conf'),
    `[bench]
enabled = true
filter = postfix[mode=aggressive]
logpath = ${log}
backend = ${backend}
maxretry = ${maxretry}
findtime = 1h
bantime = 1h
banaction = nftables[type=allports]
action = %(banaction)s
`,
  );
  return directory;
}

export async function startFail2ban(network: NetworkPair, jail: BenchJail): Promise<MeasuredFail2ban> {
  const directory = writeConfiguration(network, jail);
  const own = (name: string): string => join(directory, name);
  const server = spawn(
    'ip',
    ['netns', 'exec', network.host.name, 'fail2ban-server', '-f', '-c', directory, '-s', own('sock'), '-p', own('pid'), 'start'],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const ended = once(server, 'exit');
  if (server.pid === undefined) throw new Error('fail2ban-server was not started');
  const read = (): string => {
    try {
      return readFileSync(own('fail2ban.log'), 'utf8');
    } catch {
      return ''; // not there yet
    }
  };
  await until('fail2ban-server has started its jail', 30_000, () => read().includes("Jail 'bench' started"));
  return {
    pid: server.pid,
    log: read,
    stop: async () => {
      server.kill();
      const killer = setTimeout(() => server.kill('SIGKILL'), 10_000); // it takes back its bans one by one
      await ended;
      clearTimeout(killer);
    },
  };
}
