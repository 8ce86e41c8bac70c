import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { describe, test, type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { formatSubject } from '../../src/model/address.ts';
import { without } from '../environment.ts';
import { createNetworkPair, type NetworkPair } from '../support/netns.ts';
import { type Life, livesIn } from './lives.ts';
import { fileLines, refusal } from './offenders.ts';

/** What the machine does to the daemon. Each time it says so, goes on, mends itself, and bans nobody wrongly. */

const skip = without('root', 'nft', 'ip', 'nsenter', 'prlimit');
const jails = 'jails: { relay: { filters: [postfix/relay-denied], maxretry: 2, findtime: 10m, bantime: 30m } }';

describe('the disk', { skip }, () => {
  test('is full: bans go on, it is said, and once there is room all of it is stored', async (t) => {
    const { directory, host, log, yaml, atEnd } = place(t);
    const state = join(directory, 'daemon');
    if (!mounted(t, atEnd, state, ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', state])) return;
    const lives = livesIn(state, yaml, host);
    const life = lives.begin();
    t.after(() => life.end('SIGKILL'));
    await life.ready;
    fill(join(state, 'filler'));
    // More than what the journal of the database has room for.
    const offenders = Array.from({ length: 256 }, (_, index) => `203.0.113.${index}`);
    for (const offender of offenders) write(log, offender, offender);
    const { problems } = await life.status(({ problems: all }) => all.some((each) => each.includes('cannot write')));
    assert.match(problems.join('\n'), /sluice\.db: .*full; bans since then are not known after a restart/);
    await said(life, /cannot write .*full/);
    assert.match(await metrics(life), /^sluice_store_errors_total [1-9]/m);
    assert.match(await metrics(life), /^sluice_queue_length\{queue="store"\} [1-9]/m);
    await life.status(({ jails: all }) => all.some(({ bansNow }) => bansNow === offenders.length));

    rmSync(join(state, 'filler'));
    await life.status(({ problems: all }) => all.length === 0);
    await said(life, /is written again/);
    await life.end('SIGKILL');
    assert.equal(lives.stored().bans.length, offenders.length);
    const next = lives.begin();
    t.after(() => next.end('SIGKILL'));
    await next.status(({ jails: all }) => all.some(({ bansNow }) => bansNow === offenders.length));
    await next.end('SIGTERM');
  });

  test('is read-only: it begins without a memory, says so, and bans', async (t) => {
    const { directory, host, log, yaml, atEnd } = place(t);
    const state = join(directory, 'daemon');
    mkdirSync(state);
    const database = join(state, 'sluice.db');
    writeFileSync(database, '');
    if (!mounted(t, atEnd, database, ['--bind', '-o', 'ro', database, database])) return;
    execFileSync('mount', ['-o', 'remount,bind,ro', database]);
    const life = livesIn(state, yaml, host).begin();
    t.after(() => life.end('SIGKILL'));
    const { problems } = await life.status(() => true);
    assert.match(problems.join('\n'), /cannot use .*sluice\.db .*kept in memory only/);
    await said(life, /cannot use .*sluice\.db/);
    write(log, '203.0.113.1', '203.0.113.1');
    await banned(life, ['203.0.113.1']);
    assert.equal(await life.end('SIGTERM'), 0);
  });

  test('turns read-only while it is written to: bans go on, and it is said', { skip: without('mkfs.ext4') }, async (t) => {
    const { directory, host, log, yaml, atEnd } = place(t);
    const state = join(directory, 'daemon');
    const image = join(directory, 'image');
    mkdirSync(state, { recursive: true });
    writeFileSync(image, '');
    truncateSync(image, 32 * 1024 * 1024);
    execFileSync('mkfs.ext4', ['-q', image]);
    if (!mounted(t, atEnd, state, ['-o', 'loop,errors=remount-ro', image, state])) return;
    const life = livesIn(state, yaml, host).begin();
    t.after(() => life.end('SIGKILL'));
    await life.ready;
    write(log, '203.0.113.1', '203.0.113.1');
    await banned(life, ['203.0.113.1']);
    // What ext4 does by itself after an error of the disk: from one moment to the next nobody can write, whatever is open.
    execFileSync('mount', ['-o', 'remount,abort', state]);
    write(log, '203.0.113.2', '203.0.113.2');
    const { problems } = await life.status(({ problems: all }) => all.some((each) => each.includes('cannot write')));
    assert.match(problems.join('\n'), /cannot write \S+sluice\.db: .*; bans since then are not known after a restart/);
    await banned(life, ['203.0.113.1', '203.0.113.2']);
    assert.match(host.run('nft', 'list', 'table', 'inet', 'sluice'), /203\.0\.113\.2 /);
    assert.match(await metrics(life), /^sluice_store_errors_total [1-9]/m);
    await life.end('SIGTERM');
  });

  test('holds a damaged database: it is kept aside, a new one begun, the bans of the kernel stay', async (t) => {
    const { directory, host, log, yaml } = place(t);
    const state = join(directory, 'daemon');
    const lives = livesIn(state, yaml, host);
    const life = lives.begin();
    t.after(() => life.end('SIGKILL'));
    await life.ready;
    write(log, '203.0.113.1', '203.0.113.1');
    await banned(life, ['203.0.113.1']);
    await life.end('SIGTERM');
    writeFileSync(join(state, 'sluice.db'), Buffer.alloc(8_192, 'damaged '));

    const next = lives.begin();
    t.after(() => next.end('SIGKILL'));
    const { problems } = await next.status(() => true);
    assert.match(problems.join('\n'), /sluice\.db is damaged .*kept as .*started afresh/);
    assert.equal(readdirSync(state).filter((name) => name.startsWith('sluice.db.corrupt-')).length, 1);
    assert.match(host.run('nft', 'list', 'table', 'inet', 'sluice'), /203\.0\.113\.1 /);
    write(log, '203.0.113.2', '203.0.113.2');
    await next.status(({ jails: all }) => all.some(({ bansNow }) => bansNow > 0));
    await next.end('SIGTERM');
    assert.ok(lives.stored().bans.some((ban) => ban.includes('203.0.113.2/32')));
  });
});

describe('signals and descriptors', { skip }, () => {
  test('200 SIGHUPs while lines come: read again a few times, and every failure counted once', async (t) => {
    const { directory, host, log, yaml } = place(t);
    const life = livesIn(join(directory, 'daemon'), yaml.replace('maxretry: 2', 'maxretry: 200'), host).begin();
    t.after(() => life.end('SIGKILL'));
    await life.ready;
    for (let index = 0; index < 200; index++) {
      process.kill(life.pid, 'SIGHUP');
      write(log, `203.0.113.${index % 3}`);
    }
    const { jails: all } = await life.status(({ sources }) => (sources[0]?.records ?? 0) >= 200);
    assert.equal(all.find(({ name }) => name === 'relay')?.failures, 200);
    assert.equal(await life.end('SIGTERM'), 0, life.log());
    const loads = life.log().match(/configuration loaded again/g)?.length ?? 0;
    assert.ok(loads >= 1 && loads < 100, `${loads} loads`);
  });

  test('no descriptors left: what cannot be opened for want of one is said, and done as soon as there are some', async (t) => {
    const { directory, host, log, yaml } = place(t);
    const listening = yaml.replace('files:', 'syslog: [{ listen: tcp://127.0.0.1:5514 }], files:');
    const life = livesIn(join(directory, 'daemon'), listening, host).begin();
    t.after(() => life.end('SIGKILL'));
    await life.ready;
    write(log, '203.0.113.1');
    await life.untilRead();
    const open = () => readdirSync(`/proc/${life.pid}/fd`).length;
    const most = open() + 20;
    execFileSync('prlimit', [`--pid=${life.pid}`, `--nofile=${most}`]);

    // In the daemon's own network, so that the connections reach its listener.
    const script = 'for n in $(seq 60); do exec {fd}<>/dev/tcp/127.0.0.1/5514; done; echo open; read -r';
    const holder = host.start('bash', '-c', script);
    assert.ok(holder.stdout !== null);
    await once(holder.stdout, 'data');
    while (open() < most - 1) await pause(5); // the kernel took the connections, the daemon takes them when it can
    renameSync(log, `${log}.1`);
    write(log, '203.0.113.1');
    while (!/too many open files/i.test(life.log())) await pause(20); // without descriptors it cannot be asked
    holder.kill('SIGKILL');
    while (open() > most - 10) await pause(20); // who asks before that is hung up on
    await banned(life, ['203.0.113.1']);
    await life.status(({ problems, sources }) => problems.length === 0 && sources.every(({ up }) => up));
    assert.match(host.run('nft', 'list', 'table', 'inet', 'sluice'), /203\.0\.113\.1 /);
    assert.equal(await life.end('SIGTERM'), 0, life.log());
  });
});

function place(t: TestContext) {
  const network = createNetworkPair();
  t.after(network.remove);
  const { directory, host, atEnd } = network;
  const log = join(directory, 'mail.log');
  writeFileSync(log, '');
  return {
    directory,
    host,
    log,
    atEnd,
    yaml: `sources: { own: files, journal: { enabled: false }, files: [{ path: ${log}, from: start }] }\n${jails}`,
  };
}

/** @returns false after skipping the test: this machine does not let us mount */
function mounted(t: TestContext, atEnd: NetworkPair['atEnd'], at: string, how: readonly string[]): boolean {
  mkdirSync(join(at, '..'), { recursive: true });
  if (how.includes('tmpfs')) mkdirSync(at, { recursive: true });
  try {
    execFileSync('mount', how, { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    t.skip(`left out: mount is not permitted here: ${String(error)}`);
    return false;
  }
  atEnd(() => execFileSync('umount', ['--lazy', at]));
  return true;
}

/** Writes until there is no space left. */
function fill(path: string): void {
  try {
    for (;;) appendFileSync(path, Buffer.alloc(4_096));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  }
}

function write(log: string, ...addresses: readonly string[]): void {
  appendFileSync(log, fileLines(addresses.map(refusal), Date.now()).join(''));
}

async function banned(life: Life, addresses: readonly string[]): Promise<void> {
  await life.status(({ jails: all }) => all.some(({ bansNow }) => bansNow >= addresses.length));
  assert.deepEqual((await life.bans()).map(({ subject }) => formatSubject(subject)).toSorted(), addresses.toSorted());
}

/** What it says comes by another way than what it answers. */
async function said(life: Life, what: RegExp): Promise<void> {
  for (const endMs = Date.now() + 10_000; !what.test(life.log()) && Date.now() < endMs; ) await pause(20);
  assert.match(life.log(), what);
}

async function metrics(life: Life): Promise<string> {
  return await life.ask.text('/v1/metrics');
}
