import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import type { BanList } from '../../src/control/protocol.ts';
import { formatSubject } from '../../src/model/address.ts';
import { without } from '../environment.ts';
import { type RunningDaemon, startSluice } from '../support/daemon.ts';
import { createNetworkPair } from '../support/netns.ts';

/** What keeps an administrator, or half of his users, from being locked out by a mistake in rules or configuration. */

const sshd = (text: string): string => `${new Date().toISOString()} mx sshd[811]: ${text}\n`;
const accepted = (address: string): string => sshd(`Accepted publickey for ann from ${address} port 40112 ssh2: ED25519 SHA256:x`);
const failed = (address: string): string => sshd(`Failed password for ann from ${address} port 40112 ssh2`);
const skip = without('root', 'nft', 'ip');
const jail = 'jails: { ssh: { filters: [sshd/failed-login], maxretry: 1 } }';

describe('the breaker', { skip }, () => {
  test('stops bans that would meet those who logged in lately, says so everywhere, and is reset by hand', async (t) => {
    const { sluice, write } = await watching(t, jail);
    for (let host = 0; host < 20; host++) write(accepted(`203.0.113.${host}`));
    for (let host = 0; host < 5; host++) write(failed(`203.0.113.${host}`));
    const stopped = await sluice.event((event) => event.kind === 'ignored' && event.because === 'breaker');
    assert.equal(stopped.kind === 'ignored' && stopped.detail, '5 of 20 clients that had logged in lately would be banned');
    assert.deepEqual(await banned(sluice), ['203.0.113.0', '203.0.113.1', '203.0.113.2', '203.0.113.3']);

    write(failed('198.51.100.9'));
    await sluice.event(
      (event) => event.kind === 'ignored' && event.because === 'breaker' && formatSubject(event.subject) === '198.51.100.9',
    );
    const notice = await sluice.event((event) => event.kind === 'notice' && event.level === 'error');
    assert.match(notice.kind === 'notice' ? notice.message : '', /^no new bans are made: 5 of 20 .* sluice reset-breaker$/);
    const { problems } = await sluice.status(() => true);
    assert.match(problems.join('\n'), /no new bans are made: 5 of 20/);
    const page = (await sluice.command('metrics')).stdout;
    assert.match(page, /^sluice_breaker_open 1$/m);
    assert.match(page, /^sluice_breaker_trips_total\{reason="clients"\} 1$/m);
    assert.match(page, /^sluice_jail_ignored_total\{(?=.*jail="ssh")(?=.*reason="breaker").*\} 2$/m);

    const reset = await sluice.command('reset-breaker');
    assert.deepEqual([reset.exitCode, /bans are made again/.test(reset.stdout)], [0, true], reset.stderr);
    assert.equal((await sluice.command('reset-breaker')).exitCode, 5, 'it was closed already');
    write(failed('198.51.100.9'));
    const ban = await sluice.event((event) => event.kind === 'ban' && event.address === '198.51.100.9');
    assert.equal(ban.kind, 'ban');
    assert.match((await sluice.command('metrics')).stdout, /^sluice_breaker_open 0$/m);
  });

  test('lets a botnet of 3,000 be banned at once, and with a rate stops after so many', async (t) => {
    const { sluice, write } = await watching(t, jail);
    const bots = Array.from({ length: 3_000 }, (_, host) => `198.51.${100 + (host >> 8)}.${host & 255}`);
    write(bots.map(failed).join(''));
    const all = await sluice.status(({ jails }) => jails.some(({ bansNow }) => bansNow === bots.length));
    assert.deepEqual(all.problems, []);

    sluice.configure(`${files(sluice.log())}\n${jail}\nbreaker: { rate: { bans: 10 } }`);
    assert.equal((await sluice.command('reload')).exitCode, 0);
    write(Array.from({ length: 30 }, (_, host) => failed(`203.0.113.${host}`)).join(''));
    await sluice.status(({ problems }) => problems.some((each) => each.includes('10 bans in ')));
    const { jails } = await sluice.status(({ sources }) => (sources[0]?.records ?? 0) >= bots.length + 30);
    assert.equal(jails.find(({ name }) => name === 'ssh')?.bansNow, bots.length + 10);
  });

  test('does not stop bans by hand', async (t) => {
    const { sluice, write } = await watching(t, `${jail}\nbreaker: { rate: { bans: 1 } }`);
    write(failed('198.51.100.1') + failed('198.51.100.2'));
    await sluice.event((event) => event.kind === 'ignored' && event.because === 'breaker');
    assert.equal((await sluice.command('ban', '198.51.100.3')).exitCode, 0);
    assert.deepEqual(await banned(sluice), ['198.51.100.1', '198.51.100.3']);
  });
});

describe('reload --confirm', { skip }, () => {
  const other = 'jails: { other: { filters: [sshd/failed-login], maxretry: 9 } }';
  const jailsOf = async (sluice: RunningDaemon): Promise<readonly string[]> =>
    (await sluice.status(() => true)).jails.map(({ name }) => name).filter((name) => name !== 'manual');

  test('goes back when nobody confirms: the jail is there again, and a second reload meanwhile is no confirmation', async (t) => {
    const { sluice, write } = await watching(t, jail);
    sluice.configure(`${files(sluice.log())}\n${other}`);
    const reply = await sluice.command('reload', '--confirm', '2s');
    assert.equal(reply.exitCode, 0, reply.stderr);
    assert.match(reply.stdout, /comes back at .*, unless you type: sluice confirm/);
    assert.deepEqual(await jailsOf(sluice), ['other']);
    assert.match((await sluice.status(() => true)).problems.join('\n'), /"sluice confirm" keeps it/);
    process.kill(sluice.pid, 'SIGHUP');
    await sluice.event((event) => event.kind === 'notice' && event.message.includes('it goes back at'));

    const notice = await sluice.event((event) => event.kind === 'notice' && event.message.startsWith('nobody confirmed'));
    assert.equal(notice.kind === 'notice' && notice.level, 'error');
    assert.deepEqual(await jailsOf(sluice), ['ssh']);
    write(failed('198.51.100.1'));
    await sluice.event(({ kind }) => kind === 'ban');
    assert.deepEqual((await sluice.status(() => true)).problems, []);
    assert.equal((await sluice.command('confirm')).exitCode, 5, 'too late');
  });

  test('stays when somebody confirms', async (t) => {
    const { sluice } = await watching(t, jail);
    sluice.configure(`${files(sluice.log())}\n${other}`);
    assert.equal((await sluice.command('reload', '--confirm', '1h')).exitCode, 0);
    const confirmed = await sluice.command('confirm');
    assert.deepEqual([confirmed.exitCode, confirmed.stdout], [0, 'confirmed: the configuration stays']);
    assert.deepEqual(await jailsOf(sluice), ['other']);
    assert.deepEqual((await sluice.status(() => true)).problems, []);
    assert.equal(await sluice.stop(), 0, 'nothing is waited for');
  });

  test('refuses a configuration with mistakes at once, and keeps what is in force', async (t) => {
    const { sluice } = await watching(t, jail);
    sluice.configure('jails: { other: { filters: [nothing-of-that-name] } }');
    assert.equal((await sluice.command('reload', '--confirm', '1h')).exitCode, 78);
    assert.deepEqual(await jailsOf(sluice), ['ssh']);
    assert.equal((await sluice.command('confirm')).exitCode, 5);
  });
});

test('a jail that observes shows whom it would ban beside the real bans, and touches nobody', { skip }, async (t) => {
  const { sluice, write } = await watching(
    t,
    `
jails:
  ssh: { filters: [sshd/failed-login], maxretry: 2 }
  tried: { filters: [sshd/failed-login], maxretry: 1, observe: true }
`,
  );
  write(failed('198.51.100.1') + failed('198.51.100.2') + failed('198.51.100.2'));
  await sluice.event((event) => event.kind === 'ban' && event.ban.jail === 'ssh');
  const { bans } = await sluice.ask.get<BanList>('/v1/bans');
  assert.deepEqual(
    bans.map(({ jail: name, subject, observe }) => `${name} ${formatSubject(subject)} ${observe ? 'would be' : 'real'}`).toSorted(),
    ['ssh 198.51.100.2 real', 'tried 198.51.100.1 would be', 'tried 198.51.100.2 would be'],
  );
  const { stdout: list } = await sluice.command('list');
  assert.equal(list.split('\n').filter((line) => /tried.*(?:would|observ)/.test(line)).length, 2, list);
  const { stdout: status } = await sluice.command('status');
  assert.match(status, /tried.*observ/);
});

/** A daemon that bans in a namespace of its own, with a log to write to. */
async function watching(t: TestContext, yaml: string) {
  const network = createNetworkPair();
  const log = join(network.directory, 'auth.log');
  writeFileSync(log, '');
  const sluice = await startSluice(network, `${sources(log)}\n${yaml}`);
  t.after(async () => {
    await sluice.stop('SIGKILL');
    network.remove();
  });
  return { sluice, write: (lines: string) => appendFileSync(log, lines) };
}

const sources = (log: string): string =>
  `sources: { own: files, journal: { enabled: false }, files: [{ path: ${log}, from: start }] }\nmetrics: off`;

/** The same sources again, by the path that the daemon named at its start. */
function files(log: string): string {
  const path = /(\/\S*auth\.log)/.exec(log)?.[1];
  assert.ok(path !== undefined, log);
  return sources(path);
}

async function banned(sluice: RunningDaemon): Promise<readonly string[]> {
  return (await sluice.ask.get<BanList>('/v1/bans')).bans.map(({ subject }) => formatSubject(subject)).toSorted();
}
