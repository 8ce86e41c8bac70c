import assert from 'node:assert/strict';
import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { program, without } from '../environment.ts';
import { type RunningDaemon, startSluice } from '../support/daemon.ts';
import {
  dashboardQueries,
  files,
  grafanaRuleQueries,
  prometheusRules,
  ruleSelectors,
  substitute,
  variableQueries,
} from '../support/grafana.ts';
import { cgroups, type Journald, startJournald, withoutJournald } from '../support/journald.ts';
import { createNetworkPair, type NetworkPair, type Resident } from '../support/netns.ts';
import { type Prometheus, type Sample, startPrometheus } from '../support/prometheus.ts';

/**
 * What operators look at, from one end to the other: a daemon that reads, bans and drops real packets, a Prometheus that scrapes it, and
 * everything that the shipped dashboard, alert rules and recording rules ask.
 */

const skip = without('root', 'nft', 'ip', 'prometheus', 'promtool', 'logger') || withoutJournald();
const jails = ['relay', 'auth', 'watch'];

const refusal = (client: string): string =>
  `NOQUEUE: reject: RCPT from unknown[${client}]: 454 4.7.1 <v@example.com>: Relay access denied; from=<s@example.net> to=<v@example.com>`;

describe('a running sluice, scraped by a real Prometheus', { skip }, () => {
  let network: NetworkPair;
  let journald: Journald;
  let world: Resident;
  let sluice: RunningDaemon;
  let relay: ChildProcess | undefined;
  let prometheus: Prometheus;
  let variables: Record<string, readonly string[]> = {};
  let traffic: Promise<void> = Promise.resolve();
  const done = new AbortController();
  const ends: (() => unknown)[] = [];

  before(async () => {
    network = createNetworkPair();
    ends.unshift(() => network.remove());
    journald = await startJournald(['RateLimitBurst=0']);
    ends.unshift(() => journald.stop());
    world = await network.world.resident();
    sluice = await startSluice(
      network,
      `
sources:
  own: journal
  journal: { directory: ${journald.directory}, silence: 1h }
  files: [{ path: ${join(network.directory, 'mail.log')}, name: files, silence: 10m }]
  syslog: [{ listen: tcp://127.0.0.1:5514, name: tcp }, { listen: udp://127.0.0.1:5514, name: udp }]
metrics: { listen: 127.0.0.1:9190 }
jails:
  relay: { filters: [postfix/relay-denied], maxretry: 1 }
  auth: { filters: [postfix/sasl-failed], maxretry: 3 }
  watch: { filters: [postfix/relay-denied], maxretry: 1, observe: true }
`,
    );
    ends.unshift(() => sluice.stop());
    relay = network.host.start('bash', '-c', 'exec 3>/dev/tcp/127.0.0.1/5514; while read -r line; do printf "%s\\n" "$line" >&3; done');
    const port = await broughtOut(network, 9_190, ends);
    prometheus = await startPrometheus({ port, ruleFiles: [files.rules] });
    ends.unshift(() => prometheus.stop());
    traffic = busy();
    ends.unshift(() => (done.abort(), traffic));
    await prometheus.until('count_over_time(up{job="sluice"}[1m])', (found) => (found[0]?.value ?? 0) >= 5);
    variables = { job: ['sluice'], instance: [`127.0.0.1:${port}`], jail: [...jails, 'manual'] };
  });
  after(async () => {
    for (const end of ends) await end();
  });

  /** What another host's syslog daemon hands on, root's here: full seconds, so that the latency counts from receipt. */
  const relayed = (text: string): void => {
    const stamp = new Date().toISOString().replace(/\.\d+/, '');
    relay?.stdin?.write(`<22>1 ${stamp} mail2 postfix/smtpd 4711 - - ${text}\n`);
  };

  /** One client after another is turned away, is shut out, knocks, and is let in again. */
  const busy = async (): Promise<void> => {
    const postfix = { identifier: 'postfix/smtpd', cgroup: cgroups.postfix };
    for (let n = 0; !done.signal.aborted; n = (n + 1) % 200) {
      const client = `198.51.100.${n + 1}`;
      await journald.log(
        [refusal(client), `warning: unknown[203.0.113.${n + 1}]: SASL LOGIN authentication failed: authentication failure`],
        postfix,
      );
      relayed(refusal(`2001:db8:100:${n}::1`));
      network.host.run(
        'logger',
        '-n',
        '127.0.0.1',
        '-P',
        '5514',
        '-T',
        '-t',
        'postfix/smtpd',
        'lost connection after AUTH from unknown[192.0.2.77]',
      );
      await sluice.event((event) => event.kind === 'ban' && event.address === client && !event.ban.observe);
      await world.connect({ host: '192.0.2.1', port: 25, from: client, timeoutMs: 100 });
      if (n % 2 === 0) await sluice.ask.post('/v1/unban', { targets: [client] });
    }
  };

  test('promtool finds no fault with the page', async () => {
    const input = await sluice.ask.text('/v1/metrics');
    const { status, stdout, stderr } = spawnSync(program('promtool') ?? '', ['check', 'metrics'], { encoding: 'utf8', input });
    assert.deepEqual({ status, said: stdout + stderr }, { status: 0, said: '' });
  });

  const numbers = (found: readonly Sample[]): boolean => found.length > 0 && found.every(({ value }) => !Number.isNaN(value));

  for (const [what, expression] of [
    ['failures', 'sum(sluice_jail_failures_total{jail="auth"})'],
    ['bans', 'sum(sluice_bans_total{jail="relay",origin="jail"})'],
    ['would-be bans', 'sum(sluice_observed_bans_total{jail="watch"})'],
    ['unbans', 'sum(sluice_unbans_total{reason="manual"})'],
    ['lines that came by another way', 'sluice_source_errors_total{source="tcp",reason="own_host"}'],
    ['dropped packets', 'sum(sluice_dropped_packets_total)'],
    ['latencies', 'sum(sluice_event_to_kernel_seconds_count)'],
    ['elements', 'sum(sluice_set_elements)'],
    ['the last comparison with the kernel, this minute', 'sluice_reconcile_last_success_timestamp_seconds > time() - 120'],
    ['enforcing', 'sluice_enforcing'],
  ] as const) {
    test(`counts ${what}`, async () => void (await prometheus.until(expression, (found) => found.some(({ value }) => value > 0))));
  }

  for (const { where, expression, variable, label } of variableQueries()) {
    test(`${where} finds its values`, async () => {
      const selector = substitute(expression, { variables, rateInterval: '1s', range: '1m' });
      const found = (await prometheus.query(selector)).map(({ labels }) => labels[label] ?? '');
      assert.deepEqual([...new Set(found)].toSorted(), variables[variable]?.toSorted());
    });
  }

  for (const { where, expression } of [...dashboardQueries(), ...grafanaRuleQueries()]) {
    test(`${where} has data`, async () => {
      await prometheus.until(substitute(expression, { variables, rateInterval: '4s', range: '1m' }), numbers);
    });
  }

  for (const { where, expression } of ruleSelectors()) {
    test(`${where}: ${expression} has data`, async () => void (await prometheus.until(expression)));
  }

  test('no rule fails, and no alert fires on a daemon that is well', async () => {
    const { groups } = (await prometheus.api('/api/v1/rules')) as {
      groups: { rules: { name: string; type: string; health: string; state?: string }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    assert.equal(rules.length, prometheusRules().length);
    assert.deepEqual(
      rules.filter(({ health }) => health !== 'ok'),
      [],
    );
    assert.deepEqual(
      rules.filter(({ state }) => state === 'firing').map(({ name }) => name),
      [],
    );
  });
});

/** Makes a port of the `host` namespace's loopback reachable from here, through a socket in the file system. @returns the port here */
async function broughtOut(network: NetworkPair, port: number, ends: (() => unknown)[]): Promise<number> {
  const path = join(network.directory, 'bridge.sock');
  const inside = network.host.start(
    process.execPath,
    '-e',
    `const { connect, createServer } = require('node:net');
     createServer((one) => {
       const other = connect(${port}, '127.0.0.1');
       for (const socket of [one, other]) socket.on('error', () => (one.destroy(), other.destroy()));
       one.pipe(other).pipe(one);
     }).listen(process.argv[1], () => console.log('listening'));`,
    path,
  );
  if (inside.stdout === null) throw new TypeError('stdout is a pipe');
  await once(inside.stdout, 'data');
  const server = createServer((one) => {
    const other = connect(path);
    for (const socket of [one, other]) socket.on('error', () => (one.destroy(), other.destroy()));
    one.pipe(other).pipe(one);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.unshift(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port');
  return address.port;
}
