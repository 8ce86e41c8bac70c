import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { execa } from 'execa';
import type { BanList, Explanation } from '../../src/control/protocol.ts';
import { formatSubject } from '../../src/model/address.ts';
import { without } from '../environment.ts';
import { type RunningDaemon, startSluice } from '../support/daemon.ts';
import { cgroups, type Journald, startJournald, withoutJournald } from '../support/journald.ts';
import { createNetworkPair, type NetworkPair } from '../support/netns.ts';

/** Somebody writes what Postfix would have written, to have a third party shut out. */

const nobody = 65_534;
const asNobody = ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'];
const victim = '198.51.100.66';
const jails = 'jails: { postfix-relay: { filters: [postfix/relay-denied], maxretry: 1 } }';
const refusal = (address: string): string =>
  `NOQUEUE: reject: RCPT from unknown[${address}]: 454 4.7.1 <v@example.com>: Relay access denied; from=<s@example.net> to=<v@example.com> proto=ESMTP helo=<x>`;
/** As a relay hands on the line of a host behind it: RFC 3164, with the name of that host. */
const frame = (address: string): string => `<22>Nov 22 20:00:00 mail2 postfix/smtpd[4711]: ${refusal(address)}`;
const listeners = 'syslog: [{ listen: udp://127.0.0.1:5514, name: udp }, { listen: tcp://127.0.0.1:5514, name: tcp }]';

const skip = without('root', 'nft', 'ip', 'logger', 'setpriv') || withoutJournald();

describe('a local user without rights', { skip }, () => {
  test("writes Postfix's lines into the journal: they are not even read", async (t) => {
    const { network, journald, sluice } = await guarded(t, (place) => `own: journal, journal: { directory: ${place} }`);
    const session = { uid: nobody, cgroup: cgroups.session };
    await journald.log(refusal(victim), { ...session, identifier: 'postfix/smtpd' });
    const [shell = '', ...args] = journald.inside(session);
    await execa(shell, [...args, 'logger', '-t', 'postfix/smtpd', '-p', 'mail.info', refusal(victim)]);
    // A field that begins with an underscore is journald's own to write; from a client it is dropped.
    const fields = `MESSAGE=${refusal(victim)}\nSYSLOG_IDENTIFIER=postfix/smtpd\n_SYSTEMD_UNIT=postfix@-.service\n_SYSTEMD_SLICE=system-postfix.slice\n`;
    await execa(shell, [...args, 'logger', '--journald'], { input: fields });

    // The real one comes last, so what stood before it in the journal has been passed by.
    const client = '198.51.100.7';
    await journald.log(refusal(client), { identifier: 'postfix/smtpd', cgroup: cgroups.postfix });
    const ban = await sluice.event(({ kind }) => kind === 'ban');
    assert.equal(ban.kind === 'ban' && ban.address, client);
    assert.deepEqual(await bansOf(sluice), [[client, 'postfix-relay', 'real']]);
    await reachedKernel(sluice, client);
    assert.ok(!table(network).includes(victim));
    assert.deepEqual((await sluice.ask.get<Explanation>(`/v1/explain?address=${victim}`)).evidence, []);
  });

  const ways: readonly (readonly [name: string, command: readonly string[], source: string])[] = [
    ['logger over UDP', ['logger', '-n', '127.0.0.1', '-P', '5514', '-d', '-t', 'postfix/smtpd', refusal(victim)], 'udp'],
    ['logger over TCP', ['logger', '-n', '127.0.0.1', '-P', '5514', '-T', '-t', 'postfix/smtpd', refusal(victim)], 'tcp'],
    [
      'logger, octet counting',
      ['logger', '-n', '127.0.0.1', '-P', '5514', '-T', '--octet-count', '-t', 'postfix/smtpd', refusal(victim)],
      'tcp',
    ],
    ['the shell, UDP', ['bash', '-c', 'printf "%s" "$0" >/dev/udp/127.0.0.1/5514', frame(victim)], 'udp'],
    ['the shell, TCP', ['bash', '-c', 'printf "%s\\n" "$0" >/dev/tcp/127.0.0.1/5514', frame(victim)], 'tcp'],
  ];
  test('sends them to the loopback listener: would-be bans that are shown, and nothing in the kernel', async (t) => {
    const { network, sluice } = await guarded(t, () => `own: syslog, journal: { enabled: false }, ${listeners}`);
    for (const [name, command, source] of ways) {
      await execa('nsenter', [`--net=/run/netns/${network.host.name}`, ...asNobody, ...command]);
      const failure = await sluice.event(({ kind }) => kind === 'failure');
      assert.equal(failure.kind === 'failure' && `${failure.address} ${failure.source}`, `${victim} ${source}`, name);
      const ban = await sluice.event(({ kind }) => kind === 'ban');
      assert.equal(ban.kind === 'ban' && ban.ban.observe, true, name);
      assert.deepEqual(await bansOf(sluice), [[victim, 'postfix-relay', 'would be']], name);
      // Lifts what would be as well, so that the next way begins afresh.
      assert.equal((await sluice.command('unban', victim)).exitCode, 0, name);
    }
    assert.ok(!table(network).includes(victim));

    const explained = await sluice.command('explain', victim);
    assert.match(explained.stdout, /is not banned/);
    assert.match(explained.stdout, /Relay access denied/);

    // Root's own logger is believed: the difference is the owner of the socket and nothing else.
    network.host.start('bash', '-c', 'exec 3>/dev/tcp/127.0.0.1/5514 && printf "%s\\n" "$0" >&3 && read -r', frame('198.51.100.7'));
    await sluice.event((event) => event.kind === 'ban' && !event.ban.observe && event.address === '198.51.100.7');
  });

  test('where own lines come by the journal, his claim to be this host is put aside, his claim to be another is not believed', async (t) => {
    const { network, sluice } = await guarded(t, (place) => `own: journal, journal: { directory: ${place} }, ${listeners}`);
    for (const [, command] of ways) await execa('nsenter', [`--net=/run/netns/${network.host.name}`, ...asNobody, ...command]);
    const { sources } = await sluice.status(({ sources: all }) => all.reduce((sum, { records }) => sum + records, 0) >= ways.length);
    assert.deepEqual(
      sources.filter(({ kind }) => kind === 'syslog').map(({ name, records, errors }) => [name, records, errors.own_host]),
      [
        ['udp', 2, 1],
        ['tcp', 3, 2],
      ],
    );
    assert.deepEqual(await bansOf(sluice), [[victim, 'postfix-relay', 'would be']]);
    assert.ok(!table(network).includes(victim));
  });
});

describe('another host', { skip }, () => {
  test('that is not listed is refused and counted; a listed one is believed over TCP, and over UDP counted only', async (t) => {
    const listen = 'peers: [203.0.113.0/24]';
    const { network, sluice } = await guarded(
      t,
      () =>
        `own: syslog, journal: { enabled: false }, syslog: [{ listen: udp://192.0.2.1:5514, name: udp, ${listen} }, { listen: tcp://192.0.2.1:5514, name: tcp, ${listen} }]`,
    );
    const [stranger, relay] = ['198.51.100.9', '203.0.113.5'];
    send(network, 'udp', stranger, frame('198.51.100.61'));
    send(network, 'tcp', stranger, frame('198.51.100.62'));
    const refused = await sluice.status(({ sources }) => sources.every(({ errors }) => (errors.denied_peer ?? 0) > 0));
    assert.deepEqual(
      refused.jails.map(({ matches }) => matches),
      [0, 0],
    );

    send(network, 'udp', relay, frame('198.51.100.63'));
    const would = await sluice.event(({ kind }) => kind === 'ban');
    assert.equal(would.kind === 'ban' && would.ban.observe, true);
    send(network, 'tcp', relay, frame('198.51.100.64'));
    await sluice.event((event) => event.kind === 'ban' && !event.ban.observe);
    assert.deepEqual(await bansOf(sluice), [
      ['198.51.100.63', 'postfix-relay', 'would be'],
      ['198.51.100.64', 'postfix-relay', 'real'],
    ]);
    await reachedKernel(sluice, '198.51.100.64');
    for (const address of ['198.51.100.61', '198.51.100.62', '198.51.100.63']) assert.ok(!table(network).includes(address), address);

    // A listed peer is never banned, whatever it says of itself.
    send(network, 'tcp', relay, frame(relay));
    await sluice.event((event) => event.kind === 'ignored' && event.because === 'protected');
    assert.ok(!table(network).includes(`${relay} timeout`));
  });
});

/** A daemon that bans at the first failure, beside a journal of its own. */
async function guarded(
  t: TestContext,
  sources: (journal: string) => string,
): Promise<{ readonly network: NetworkPair; readonly journald: Journald; readonly sluice: RunningDaemon }> {
  const network = createNetworkPair();
  const journald = await startJournald();
  t.after(async () => {
    await journald.stop();
    network.remove();
  });
  const sluice = await startSluice(network, `sources: { ${sources(journald.directory)} }\nmetrics: off\n${jails}\n`);
  t.after(() => sluice.stop());
  return { network, journald, sluice };
}

async function bansOf(sluice: RunningDaemon): Promise<readonly (readonly string[])[]> {
  const { bans } = await sluice.ask.get<BanList>('/v1/bans');
  return bans
    .map(({ subject, jail, observe }) => [formatSubject(subject), jail, observe ? 'would be' : 'real'])
    .toSorted(([a = ''], [b = '']) => a.localeCompare(b));
}

/** Banning again what is banned answers when the kernel has it. */
async function reachedKernel(sluice: RunningDaemon, address: string): Promise<void> {
  const { stdout } = await sluice.command('ban', address, '--jail', 'postfix-relay');
  assert.match(stdout, /already/);
}

/** All that is in the kernel, elements too. */
function table(network: NetworkPair): string {
  return network.host.run('nft', 'list', 'ruleset');
}

/** From the other namespace, with a source address of choice. */
function send(network: NetworkPair, transport: 'udp' | 'tcp', from: string, text: string): void {
  const sender = join(network.directory, 'send.mjs');
  const program =
    transport === 'udp'
      ? `import { createSocket } from 'node:dgram';
         const socket = createSocket('udp4');
         socket.bind(0, process.argv[2], () => socket.send(process.argv[3], 5514, '192.0.2.1', () => socket.close()));`
      : `import { connect } from 'node:net';
         const socket = connect({ host: '192.0.2.1', port: 5514, localAddress: process.argv[2] });
         socket.on('error', () => {});
         socket.end(process.argv[3] + '\\n');`;
  writeFileSync(sender, program);
  network.world.run(process.execPath, sender, from, text);
}
