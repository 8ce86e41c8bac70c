import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { execa } from 'execa';
import { without } from '../environment.ts';
import { runSluice } from '../cli/running-command.ts';
import { createNetworkPair } from '../support/netns.ts';

/**
 * One log, written over half a minute as a server writes it, read by a real fail2ban-server with three stock jails while it grows, and by
 * `sluice replay` with the same configuration afterwards: both ban the same addresses at the same second.
 *
 * Two jails have a findtime shorter than the log. There fail2ban counts by an estimate: a subject whose first failure is older than findtime keeps a share
 * of its count. Where that leads to another ban than exact counting, the estimate is worked out here and must say just that.
 */
const lines = 100_000;
const seconds = 32;
const perTick = 125;
const tickMs = (seconds * 1_000) / (lines / perTick);

const jails = [
  { name: 'postfix', log: 'mail.log', maxretry: 3, findtime: 600 },
  { name: 'sshd', log: 'auth.log', maxretry: 4, findtime: 6 },
  { name: 'dovecot', log: 'mail.log', maxretry: 3, findtime: 10 },
] as const;
type JailName = (typeof jails)[number]['name'];

interface Ban {
  readonly jail: string;
  readonly address: string;
  readonly second: number;
}

/** Park and Miller's generator: the same log every time but for its stamps. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

/** Everybody in this test goes by UTC. */
function stampOf(ms: number): string {
  const date = new Date(ms);
  return `${months[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)} ${date.toISOString().slice(11, 19)}`;
}

function addressOf(jail: JailName, number: number): string {
  const network = jails.findIndex(({ name }) => name === jail) + 1;
  return number % 7 === 0
    ? `2001:db8:${network}::${number.toString(16)}`
    : `${['192.0.2', '198.51.100', '203.0.113'][network - 1]}.${number % 250}`;
}

function failureLine(jail: JailName, address: string): string {
  switch (jail) {
    case 'postfix':
      return `mx postfix/smtpd[99]: NOQUEUE: reject: RCPT from unknown[${address}]: 554 5.7.1 <v@example.com>: Relay access denied; from=<s@example.net> to=<v@example.com> proto=ESMTP helo=<x>`;
    case 'sshd':
      return `mx sshd[${connection++}]: Failed password for root from ${address} port 4711 ssh2`;
    case 'dovecot':
      return `mx dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<u>, method=PLAIN, rip=${address}, lip=192.0.2.1, session=<abc>`;
  }
}

/** sshd's lines are joined by process: each attempt is a connection of its own. */
let connection = 1_000;

interface Entry {
  readonly first: number;
  readonly last: number;
  readonly retry: number;
}

/**
 * What fail2ban may make of the failures of one address: an estimate of the rate, in whole seconds. An entry whose last failure is findtime old is
 * cleared away every five seconds or so, or is still there when the next failure comes: both are gone through.
 *
 * @returns seconds at which it may ban; undefined among them: it may not ban at all
 */
function possibleBans(
  failures: readonly number[],
  policy: { readonly maxretry: number; readonly findtime: number },
  entry?: Entry,
): ReadonlySet<number | undefined> {
  const [at, ...later] = failures;
  if (at === undefined) return new Set([undefined]);
  const { maxretry, findtime } = policy;
  const known = (kept: Entry | undefined): ReadonlySet<number | undefined> => {
    let { first, last, retry } = kept ?? { first: at, last: at, retry: 0 };
    if (at > last && first < at - findtime) {
      retry = Math.round((retry / (at - first)) * findtime);
      first = at - findtime;
    }
    last = Math.max(at, last);
    return retry + 1 >= maxretry ? new Set([at]) : possibleBans(later, policy, { first, last, retry: retry + 1 });
  };
  const kept = known(entry);
  return entry === undefined || entry.last > at - findtime ? kept : new Set([...kept, ...known(undefined)]);
}

/** Exact: maxretry failures of which the first is no more than findtime older than the last. @returns the second of the ban */
function exactBan(
  failures: readonly number[],
  { maxretry, findtime }: { readonly maxretry: number; readonly findtime: number },
): number | undefined {
  return failures.find((at, index) => {
    const first = failures[index - maxretry + 1];
    return first !== undefined && first >= at - findtime;
  });
}

test('a log of 100,000 lines and three stock jails: replay bans whom a real fail2ban-server bans', {
  skip: without('root', 'ip', 'fail2ban-client'),
  timeout: 110_000,
}, async (t) => {
  const network = createNetworkPair();
  t.after(() => network.remove());
  const directory = join(network.directory, 'fail2ban');
  cpSync('/etc/fail2ban', directory, { recursive: true });
  rmSync(join(directory, 'jail.d'), { recursive: true, force: true });
  const logs = join(network.directory, 'log');
  mkdirSync(logs);
  const said = join(network.directory, 'fail2ban.log');
  for (const { log } of jails) writeFileSync(join(logs, log), '');
  writeFileSync(said, '');
  const options = jails.map(
    ({ name, log, maxretry, findtime }) =>
      `[${name}]\nenabled = true\nlogpath = ${join(logs, log)}\nmaxretry = ${maxretry}\nfindtime = ${findtime}\n`,
  );
  // What a ban costs is another matter: none is carried out.
  writeFileSync(join(directory, 'jail.local'), `[DEFAULT]\nbackend = polling\nbantime = 1h\naction =\n${options.join('')}`);
  writeFileSync(join(directory, 'fail2ban.local'), `[Definition]\nlogtarget = ${said}\ndbfile = None\n`);

  const socket = join(network.directory, 'f2b.sock');
  const inside = ['nsenter', `--net=/run/netns/${network.host.name}`];
  const server = execa(
    'nsenter',
    [...inside.slice(1), 'fail2ban-server', '-f', '-x', '-c', directory, '-s', socket, '-p', join(network.directory, 'f2b.pid'), 'start'],
    { reject: false, stdin: 'ignore', stdout: 'ignore', stderr: 'ignore', env: { TZ: 'UTC' } },
  );
  t.after(async () => {
    server.kill('SIGTERM');
    await server;
  });
  const client = async (...words: readonly string[]) =>
    execa('fail2ban-client', ['-s', socket, ...words], { reject: false, stdin: 'ignore', env: { TZ: 'UTC' } });
  const endMs = Date.now() + 30_000;
  while (!(await client('status', 'dovecot')).stdout.includes('Currently banned')) {
    assert.ok(Date.now() < endMs, `fail2ban-server does not start: ${readFileSync(said, 'utf8')}`);
    await pause(100); // it tells nobody
  }

  const random = createRandom(7);
  const failures = new Map<string, number[]>();
  const noteFailure = (jail: JailName, address: string, second: number): void => {
    const key = `${jail} ${address}`;
    failures.set(key, [...(failures.get(key) ?? []), second]);
  };
  let next = Date.now();
  for (let written = 0; written < lines; written += perTick) {
    const nowMs = Date.now();
    const second = Math.floor(nowMs / 1_000);
    const stamp = stampOf(nowMs);
    const text: Record<string, string[]> = { 'mail.log': [], 'auth.log': [] };
    for (let line = 0; line < perTick; line += 1) {
      const draw = random();
      const jail = draw < 0.006 ? jails[0] : draw < 0.018 ? jails[1] : draw < 0.03 ? jails[2] : undefined;
      if (jail === undefined) {
        text['mail.log']?.push(`${stamp} mx postfix/smtpd[99]: connect from mail.example[192.0.2.${written % 250}]`);
        continue;
      }
      const address = addressOf(jail.name, 1 + Math.floor(random() * 240));
      noteFailure(jail.name, address, second);
      text[jail.log]?.push(`${stamp} ${failureLine(jail.name, address)}`);
    }
    for (const [log, said] of Object.entries(text)) if (said.length > 0) appendFileSync(join(logs, log), `${said.join('\n')}\n`);
    next += tickMs;
    await pause(Math.max(0, next - Date.now())); // the log is written in real time: its stamps are what both programs go by
  }
  // When these are banned, everything before them has been read.
  for (const { name, log, maxretry } of jails) {
    const lastMs = Date.now();
    for (let count = 0; count < maxretry; count += 1) {
      appendFileSync(join(logs, log), `${stampOf(lastMs)} ${failureLine(name, '192.0.2.254')}\n`);
      noteFailure(name, '192.0.2.254', Math.floor(lastMs / 1_000));
    }
  }
  const waitMs = Date.now() + 40_000;
  while (jails.some(({ name }) => !readFileSync(said, 'utf8').includes(`[${name}] Ban 192.0.2.254`))) {
    assert.ok(Date.now() < waitMs, `fail2ban-server has not read everything: ${readFileSync(said, 'utf8').slice(-2_000)}`);
    await pause(200); // it tells nobody
  }

  const theirs = new Map<string, Ban>();
  for (const { name } of jails) {
    const { stdout } = await client('get', name, 'banip', '--with-time');
    for (const [, address = '', when = ''] of stdout.matchAll(/^(\S+)\s+(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) \+/gm))
      theirs.set(`${name} ${address}`, { jail: name, address, second: Date.parse(`${when.replace(' ', 'T')}Z`) / 1_000 });
  }
  const config = join(network.directory, 'sluice.yaml');
  writeFileSync(config, `metrics: off\nfail2ban: { path: ${directory} }\n`);
  const { code, stdout, stderr } = await runSluice(['replay', '--json', '-c', config, join(logs, 'mail.log'), join(logs, 'auth.log')], {
    env: { TZ: 'UTC' },
  });
  assert.equal(code, 0, stderr);
  const ours = new Map<string, Ban>();
  for (const line of stdout.trimEnd().split('\n')) {
    const { ban } = JSON.parse(line) as { ban?: { jail: string; address: string; time: string } };
    if (ban !== undefined)
      ours.set(`${ban.jail} ${ban.address}`, { jail: ban.jail, address: ban.address, second: Date.parse(ban.time) / 1_000 });
  }

  let differing = 0;
  for (const [key, seconds] of failures) {
    const [their, our] = [theirs.get(key)?.second, ours.get(key)?.second];
    const jail = jails.find(({ name }) => key.startsWith(`${name} `));
    assert.ok(jail !== undefined);
    assert.equal(our, exactBan(seconds, jail), `${key}: replay; failures ${seconds.join(', ')}`);
    if (their === our) continue;
    differing += 1;
    const possible = possibleBans(seconds, jail);
    assert.ok(
      possible.has(their),
      `${key}: banned at ${their} by fail2ban, at ${our} by replay, the estimate says ${[...possible].join(' or ')}; failures ${seconds.join(', ')}`,
    );
  }
  for (const key of [...theirs.keys(), ...ours.keys()]) assert.ok(failures.has(key), `${key} did not fail`);
  t.diagnostic(`fail2ban banned ${theirs.size}, replay ${ours.size}; ${differing} differ by the estimate`);
  assert.ok(ours.size > 300, `only ${ours.size} bans: the log does not test much`);
  assert.ok(differing < ours.size / 4);
});
