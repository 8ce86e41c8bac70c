import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import type { BanList, Explanation } from '../../src/control/protocol.ts';
import { formatSubject } from '../../src/model/address.ts';
import { without } from '../environment.ts';
import { type RunningDaemon, startSluice } from '../support/daemon.ts';
import { cgroups, type Journald, startJournald, withoutJournald } from '../support/journald.ts';
import { createNetworkPair, type NetworkPair } from '../support/netns.ts';

/** The daemon ends, is killed, or reads its configuration again: what it knew is known, what it had banned is banned, and nothing counts twice. */

const refusal = (address: string): string =>
  `NOQUEUE: reject: RCPT from unknown[${address}]: 454 4.7.1 <v@example.com>: Relay access denied; from=<s@example.net> to=<v@example.com> proto=ESMTP helo=<x>`;
const postfix = { identifier: 'postfix/smtpd', cgroup: cgroups.postfix };
const skip = without('root', 'nft', 'ip') || withoutJournald();

/** One host with a journal and a log file of an application, over several daemons. */
interface Host {
  readonly network: NetworkPair;
  readonly journald: Journald;
  readonly appLog: string;
  readonly start: (jails?: string, more?: string) => Promise<RunningDaemon>;
  readonly yaml: (jails?: string, more?: string) => string;
  /** What the kernel has. */
  readonly kernel: () => string;
}

const relay = 'relay: { filters: [postfix/relay-denied], maxretry: 2, bantime: { first: 1h, factor: 2, max: 4w } }';

async function createHost(t: TestContext): Promise<Host> {
  const network = createNetworkPair();
  const journald = await startJournald(['RateLimitBurst=0']);
  t.after(async () => {
    await journald.stop();
    network.remove();
  });
  const appLog = join(network.directory, 'app.log');
  writeFileSync(appLog, '');
  const yaml = (jails = relay, more = ''): string => `
sources:
  own: journal
  journal: { directory: ${journald.directory} }
  files: [{ path: ${appLog}, name: app, program: postfix/smtpd }]
metrics: off
jails: { ${jails} }
${more}`;
  return {
    network,
    journald,
    appLog,
    yaml,
    start: async (jails, more) => {
      const daemon = await startSluice(network, yaml(jails, more));
      t.after(() => daemon.stop('SIGKILL'));
      return daemon;
    },
    kernel: () => network.host.run('nft', 'list', 'ruleset'),
  };
}

async function bansOf(sluice: RunningDaemon): Promise<readonly string[]> {
  const { bans } = await sluice.ask.get<BanList>('/v1/bans');
  return bans.map(({ subject, jail, count }) => `${formatSubject(subject)} ${jail} ${count}`).toSorted();
}

async function failures(sluice: RunningDaemon, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await sluice.event(({ kind }) => kind === 'failure');
}

/** Acts, and answers before a person would wonder. */
async function acts(sluice: RunningDaemon, ...args: readonly string[]): Promise<string> {
  const beganMs = performance.now();
  const { stdout, stderr, exitCode } = await sluice.command(...args);
  assert.equal(exitCode, 0, `sluice ${args.join(' ')}: ${stderr}\n${sluice.log()}`);
  assert.ok(performance.now() - beganMs < 10_000, `sluice ${args.join(' ')} took ${Math.round(performance.now() - beganMs)} ms`);
  return stdout;
}

describe('a restart', { skip }, () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    test(`after ${signal}: bans hold meanwhile; bans, windows, counts, allow entries and positions are there again`, async (t) => {
      const host = await createHost(t);
      const { journald, appLog } = host;
      const [banned, watched, returning, inFile, allowed] = [
        '198.51.100.1',
        '198.51.100.2',
        '198.51.100.3',
        '198.51.100.4',
        '198.51.100.5',
      ];
      const first = await host.start();
      await journald.log([refusal(banned), refusal(banned), refusal(watched), refusal(returning), refusal(returning)], postfix);
      appendFileSync(appLog, `${refusal(inFile)}\n`);
      await failures(first, 6);
      await acts(first, 'unban', returning);
      await acts(first, 'allow', allowed, '--for', '1d');
      await acts(first, 'ban', '2001:db8:100::1', '--for', '2h');
      assert.deepEqual(await bansOf(first), ['198.51.100.1 relay 1', '2001:db8:100::/64 manual 1']);
      // A kill loses what was not committed: the position of the last line is, once a later act was.
      assert.equal(await first.stop(signal), signal === 'SIGTERM' ? 0 : undefined);
      assert.match(host.kernel(), /198\.51\.100\.1 timeout/);
      assert.match(host.kernel(), /2001:db8:100::/);

      // What comes while nobody reads, in the journal and in the file, is read later.
      await journald.log([refusal(watched), refusal(returning)], postfix);
      appendFileSync(appLog, `${refusal(inFile)}\n`);

      const second = await host.start();
      await failures(second, 3);
      await journald.log([refusal(returning)], postfix);
      await failures(second, 1);
      assert.deepEqual(await bansOf(second), [
        '198.51.100.1 relay 1',
        '198.51.100.2 relay 1',
        '198.51.100.3 relay 2',
        '198.51.100.4 relay 1',
        '2001:db8:100::/64 manual 1',
      ]);
      // Six lines before, four after: had one been read twice, there would be more.
      const page = await second.ask.text('/v1/metrics');
      assert.match(page, /^sluice_jail_failures_total\{jail="relay"\} 4$/m);
      assert.match(page, /^sluice_jail_ignored_total\{jail="relay",reason="banned"\} 0$/m);
      const explained = await second.ask.get<Explanation>(`/v1/explain?address=${returning}`);
      const lastsMs = explained.bans.map(({ since, until }) => Date.parse(until ?? '') - Date.parse(since));
      assert.deepEqual(lastsMs, [7_200_000], 'who returns is banned for twice as long');
      assert.equal((await second.command('ban', allowed)).exitCode, 1, 'still allowed');
      await acts(second, 'allow', '--remove', allowed);
      for (const address of [banned, watched, returning, inFile])
        assert.match(host.kernel(), new RegExp(`${address.replaceAll('.', '\\.')} timeout`));
    });
  }

  test('a ban that ended meanwhile does not come back; with --offline everything goes, and stays away', async (t) => {
    const host = await createHost(t);
    const first = await host.start();
    await acts(first, 'ban', '198.51.100.1', '--for', '3s');
    await acts(first, 'ban', '198.51.100.2', '--for', 'permanent');
    assert.equal(await first.stop('SIGKILL'), undefined);
    // The kernel lets go by itself; that is what there is to wait for.
    for (const endMs = Date.now() + 10_000; host.kernel().includes('198.51.100.1'); ) assert.ok(Date.now() < endMs, host.kernel());

    const second = await host.start();
    assert.deepEqual(await bansOf(second), ['198.51.100.2 manual 1']);
    const refused = await second.command('unban', '--all');
    assert.equal(refused.exitCode, 0, refused.stderr);
    assert.ok(!host.kernel().includes('198.51.100.'));
    await acts(second, 'ban', '198.51.100.3', '--for', 'permanent');
    await second.stop();

    const config = join(host.network.directory, 'sluice', 'sluice.yaml');
    const offline = host.network.host.run(join(import.meta.dirname, '../../bin/sluice'), 'unban', '--all', '--offline', '-c', config);
    assert.match(offline, /removed table inet sluice/);
    assert.equal(host.kernel(), '');
    const third = await host.start();
    assert.deepEqual(await bansOf(third), []);
    assert.ok(!host.kernel().includes('198.51.100.'));
  });
});

describe('reload', { skip }, () => {
  test('with mistakes keeps everything and names them, asked for or by SIGHUP', async (t) => {
    const host = await createHost(t);
    const sluice = await host.start();
    await acts(sluice, 'ban', '198.51.100.1', '--jail', 'relay');
    sluice.configure(host.yaml('relay: { filters: [postfix/relay-denid], maxretry: 2 }'));
    const { exitCode, stderr } = await sluice.command('reload');
    assert.equal(exitCode, 78);
    assert.match(stderr, /sluice\.yaml:\d+:\d+: .*relay-denid/);
    assert.match(stderr, /\^/);
    assert.match(stderr, /Nothing was changed/);
    assert.deepEqual(await bansOf(sluice), ['198.51.100.1 relay 1']);

    // nsenter has become the daemon: the pid is its own.
    process.kill(sluice.pid, 'SIGHUP');
    await sluice.event((event) => event.kind === 'notice' && event.message.includes('not loaded again'));
    await sluice.event((event) => event.kind === 'notice' && event.message.includes('not loaded again'));
    await host.journald.log([refusal('198.51.100.2'), refusal('198.51.100.2')], postfix);
    await sluice.event((event) => event.kind === 'ban' && event.address === '198.51.100.2');
    assert.match(sluice.log(), /sluice\.yaml:\d+:\d+: .*relay-denid/, 'the log names the mistakes');
    assert.match(sluice.log(), /ERROR +\| +\^+$/m, 'line by line, with the caret');
  });

  test('lifts the bans of a jail that went and of what is allowed now; sources that are the same go on', async (t) => {
    const host = await createHost(t);
    const listen = 'syslog: [{ listen: tcp://127.0.0.1:5514, name: tcp }]';
    const withTcp = (jails: string, more = ''): string => host.yaml(jails, more).replace('metrics: off', `  ${listen}\nmetrics: off`);
    const other = 'other: { filters: [postfix/non-smtp], ports: [smtp] }';
    const sluice = await startSluice(host.network, withTcp(`${relay}, ${other}`));
    t.after(() => sluice.stop('SIGKILL'));
    const client = await host.network.host.resident();
    const held = await client.hold({ host: '127.0.0.1', port: 5514 });
    await sluice.status(({ sources }) => sources.some(({ connections }) => connections === 1));
    await acts(sluice, 'ban', '198.51.100.1', '--jail', 'relay');
    await acts(sluice, 'ban', '198.51.100.2', '--jail', 'relay');
    await acts(sluice, 'ban', '198.51.100.3', '--jail', 'other');
    await host.journald.log(refusal('198.51.100.4'), postfix);
    await sluice.event(({ kind }) => kind === 'failure');

    sluice.configure(withTcp(relay, 'allowlist: [198.51.100.2/32]'));
    const said = await acts(sluice, 'reload');
    assert.match(said, /other is gone: 1 ban lifted/);
    assert.deepEqual(await bansOf(sluice), ['198.51.100.1 relay 1']);
    assert.match(host.kernel(), /198\.51\.100\.1 timeout/);
    assert.ok(!host.kernel().includes('198.51.100.2 timeout') && !host.kernel().includes('198.51.100.3'));
    const { sources } = await sluice.status(() => true);
    assert.deepEqual(sources.find(({ name }) => name === 'tcp')?.connections, 1, 'the connection is the same');
    assert.equal(await client.say(held, 200), 'silent', 'and open');

    // The window of a jail that stayed is still open.
    await host.journald.log(refusal('198.51.100.4'), postfix);
    await sluice.event((event) => event.kind === 'ban' && event.address === '198.51.100.4');
  });
});

describe('acting on a daemon at work', { skip }, () => {
  test('is answered at once: with nothing to do, while the table is made again, and while bans pour in', async (t) => {
    const host = await createHost(t);
    const sluice = await host.start();
    const address = '198.51.100.1';
    const every = async (): Promise<void> => {
      const took = async (work: Promise<unknown>, what: string): Promise<void> => {
        const beganMs = performance.now();
        await work;
        assert.ok(performance.now() - beganMs < 5_000, `${what}: ${Math.round(performance.now() - beganMs)} ms\n${sluice.log()}`);
      };
      const post = (path: string, body?: object): Promise<void> => took(sluice.ask.post(path, body), `${path} ${JSON.stringify(body)}`);
      await post('/v1/reload');
      await post('/v1/ban', { targets: [address] });
      await post('/v1/ban', { targets: [address] });
      await post('/v1/ban', { targets: [address], forMs: 7_200_000 });
      await post('/v1/ban', { targets: [address], jail: 'relay' });
      await post('/v1/allow', { targets: [address] });
      await post('/v1/disallow', { targets: [address] });
      await post('/v1/disallow', { targets: [address] });
      await post('/v1/unban', { targets: [address] });
      await post('/v1/unban', { targets: [address] });
      await post('/v1/unban', { all: true });
      await post('/v1/unban', { all: true });
      await post('/v1/reload');
    };
    for (let round = 0; round < 10; round++) await every();
    // Somebody flushes the ruleset again and again.
    const done = new AbortController();
    const flushing = (async () => {
      while (!done.signal.aborted) {
        host.network.host.run('nft', 'flush', 'ruleset');
        await new Promise((resolve) => setImmediate(resolve));
        await sluice.ask.get('/v1/ping');
      }
    })();
    for (let round = 0; round < 5; round++) await every();
    done.abort();
    await flushing;
    // Many at once, of every kind.
    await Promise.all(Array.from({ length: 10 }, every));
    await acts(sluice, 'ban', address);
    assert.match(host.kernel(), /198\.51\.100\.1 timeout/);
    assert.equal(await sluice.stop(), 0);
  });
});
