import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { without } from '../environment.ts';
import { startSluice } from '../support/daemon.ts';
import { startJournald, withoutJournald } from '../support/journald.ts';
import { createNetworkPair } from '../support/netns.ts';
import { relayAttempt, speakSmtp, startPostfix, startRsyslog } from '../support/postfix.ts';

/**
 * The story, with real programs from end to end: Postfix in one namespace, somebody who tries it as an open relay in another. One script
 * for every way by which Postfix's lines can come.
 */

interface Way {
  readonly name: string;
  /** `sources:` of sluice.yaml. */
  readonly sources: (place: { readonly journal: string; readonly mailLog: string }) => string;
  readonly client: string;
  readonly server: string;
  /** What is banned: the address, or its /64. */
  readonly subject: string;
}

const ipv4 = { client: '198.51.100.7', server: '192.0.2.1', subject: '198.51.100.7' };
const ipv6 = { client: '2001:db8:100::7', server: '2001:db8::1', subject: '2001:db8:100::/64' };
const journal = ({ journal: directory }: { readonly journal: string }): string => `{ own: journal, journal: { directory: ${directory} } }`;

const ways: readonly Way[] = [
  { name: 'the journal', sources: journal, ...ipv4 },
  {
    name: 'rsyslog over TCP',
    sources: () => '{ own: syslog, journal: { enabled: false }, syslog: [{ listen: tcp://127.0.0.1:5514 }] }',
    ...ipv4,
  },
  {
    name: 'the log file',
    sources: ({ mailLog }) => `{ own: files, journal: { enabled: false }, files: [{ path: ${mailLog} }] }`,
    ...ipv4,
  },
  { name: 'the journal, with IPv6', sources: journal, ...ipv6 },
];

/** The shipped forwarder snippet, with the one line changed that is to be changed, beside Debian's mail.log. */
function rsyslogActions(mailLog: string): string {
  const snippet = readFileSync(new URL('../../share/rsyslog/sluice.conf', import.meta.url), 'utf8');
  return `${snippet.replace('target="192.0.2.10"', 'target="127.0.0.1"')}\nmail.* action(type="omfile" file="${mailLog}")`;
}

const skip = without('root', 'nft', 'ip', 'rsyslogd', 'postfix') || withoutJournald();

describe('an open-relay attempt against a real Postfix', { skip }, () => {
  for (const { name, sources, client, server, subject } of ways) {
    test(`by ${name}: the second closes the door, explain tells why, unban opens it`, async (t) => {
      const network = createNetworkPair();
      const journald = await startJournald(['ForwardToSyslog=yes']);
      t.after(async () => {
        await journald.stop();
        network.remove();
      });
      const world = await network.world.resident();
      const mailLog = join(network.directory, 'mail.log');
      const rsyslog = await startRsyslog(network, journald, rsyslogActions(mailLog));
      t.after(rsyslog.stop);
      const postfix = await startPostfix(network, world, journald);
      t.after(postfix.stop);
      const sluice = await startSluice(
        network,
        `
sources: ${sources({ journal: journald.directory, mailLog })}
metrics: off
jails:
  postfix-relay: { filters: [postfix/relay-denied], maxretry: 2 }
`,
      );
      t.after(() => sluice.stop());

      const attempt = () => speakSmtp(network, { from: client, to: server, commands: relayAttempt() });
      const answers = (await attempt()).map(({ answer }) => answer);
      assert.ok(answers.includes('454 4.7.1 <victim@example.com>: Relay access denied'), answers.join('\n'));
      const first = await sluice.event(({ kind }) => kind === 'failure');
      assert.equal(first.kind === 'failure' && `${first.address} ${first.failures}/${first.maxretry}`, `${client} 1/2`);
      assert.equal(await world.connect({ host: server, port: 25, from: client, timeoutMs: 2_000 }), 'open', 'one attempt closes nothing');

      await attempt();
      const ban = await sluice.event(({ kind }) => kind === 'ban');
      assert.equal(ban.kind === 'ban' && ban.ban.jail, 'postfix-relay');
      // The event is the decision; the door closes when nft has run.
      let reached = await world.connect({ host: server, port: 25, from: client, timeoutMs: 900 });
      for (let tries = 0; reached === 'open' && tries < 50; tries++) {
        reached = await world.connect({ host: server, port: 25, from: client, timeoutMs: 900 });
      }
      assert.equal(reached, 'silent', sluice.log());

      const explained = await sluice.command('explain', client);
      assert.equal(explained.exitCode, 0, explained.stderr);
      assert.match(explained.stdout, new RegExp(`banned.*postfix-relay`, 's'));
      assert.match(explained.stdout, /relay-denied/);
      assert.match(explained.stdout, /454 4\.7\.1 <victim@example\.com>: Relay access denied/);
      const { stdout } = await sluice.command('list');
      assert.ok(stdout.includes(subject), stdout);

      const unban = await sluice.command('unban', client);
      assert.equal(unban.exitCode, 0, unban.stderr);
      assert.equal(await world.connect({ host: server, port: 25, from: client, timeoutMs: 2_000 }), 'open');
      assert.equal(await sluice.stop(), 0, sluice.log());
      await world.stop();
    });
  }
});
