import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { JailStatus, Status } from '../../src/control/protocol.ts';
import { without } from '../environment.ts';
import { startSluice } from '../support/daemon.ts';
import { cgroups, startJournald, withoutJournald } from '../support/journald.ts';
import { createNetworkPair } from '../support/netns.ts';
import { startRsyslog } from '../support/postfix.ts';

/**
 * Debian with everything on: journald hands what it gets to rsyslog, which writes mail.log and forwards to sluice. The same line comes
 * three times, and is one failure.
 */

const ways = ['journal', 'files', 'syslog'] as const;
const messages = Array.from(
  { length: 20 },
  (_, index) =>
    `NOQUEUE: reject: RCPT from unknown[198.51.100.${index + 1}]: 454 4.7.1 <victim@example.com>: Relay access denied; from=<spammer@example.net> to=<victim@example.com> proto=ESMTP helo=<WIN-${index}>`,
);
/** One client has one failure alone: had it two, it would be banned. */
const jails = 'jails: { postfix-relay: { filters: [postfix/relay-denied], maxretry: 2 } }';

const skip = without('root', 'nft', 'ip', 'rsyslogd') || withoutJournald();

describe('the same messages in the journal, in mail.log and forwarded', { skip }, () => {
  for (const own of ways) {
    test(`own: ${own}: each counts once, the other two ways are counted as own_host`, async (t) => {
      const network = createNetworkPair();
      const journald = await startJournald(['ForwardToSyslog=yes', 'RateLimitBurst=0']);
      t.after(async () => {
        await journald.stop();
        network.remove();
      });
      const mailLog = join(network.directory, 'mail.log');
      const sluice = await startSluice(
        network,
        `
sources:
  own: ${own}
  journal: { directory: ${journald.directory} }
  files: [{ path: ${mailLog}, name: files }]
  syslog: [{ listen: tcp://127.0.0.1:5514, name: syslog }]
metrics: off
${jails}
`,
      );
      t.after(() => sluice.stop());
      const rsyslog = await startRsyslog(
        network,
        journald,
        `mail.* action(type="omfile" file="${mailLog}")
mail.* action(type="omfwd" target="127.0.0.1" port="5514" protocol="tcp" template="RSYSLOG_ForwardFormat" TCP_Framing="octet-counted"
  action.resumeRetryCount="-1" action.resumeInterval="1")`,
      );
      t.after(rsyslog.stop);

      const others = ways.filter((way) => way !== own);
      const put = (status: Status, way: string): number => status.sources.find(({ name }) => name === way)?.errors.own_host ?? 0;
      const counted = (status: Status): number => status.jails.find(({ name }) => name === 'postfix-relay')?.failures ?? 0;
      // journald throws away what rsyslog's socket has no room for: a dozen messages (net.unix.max_dgram_qlen).
      let sent = 0;
      while (sent < messages.length) {
        await journald.log(messages.slice(sent, sent + 5), { identifier: 'postfix/smtpd', cgroup: cgroups.postfix });
        sent += 5;
        await sluice.status((now) => counted(now) >= sent && others.every((way) => put(now, way) >= sent));
      }
      const status = await sluice.status(() => true);
      assert.deepEqual(Object.fromEntries(ways.map((way) => [way, put(status, way)])), {
        journal: messages.length,
        files: messages.length,
        syslog: messages.length,
        [own]: 0,
      });
      const jail = await sluice.ask.get<JailStatus>('/v1/jails/postfix-relay');
      assert.equal(jail.failures, messages.length);
      assert.equal(jail.matches, messages.length);
      assert.equal(jail.tracked, messages.length);
      assert.equal(jail.bansTotal, 0, 'no client was seen twice');

      const page = await sluice.ask.text('/v1/metrics');
      assert.match(page, new RegExp(`^sluice_jail_failures_total\\{jail="postfix-relay"\\} ${messages.length}$`, 'm'));
      for (const way of others)
        assert.match(page, new RegExp(`^sluice_source_errors_total\\{source="${way}",reason="own_host"\\} ${messages.length}$`, 'm'));
    });
  }
});
