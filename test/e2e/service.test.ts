import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { without } from '../environment.ts';
import { type Booted, bootSystemd, NotPermittedError } from '../support/booted-systemd.ts';

const checkout = join(import.meta.dirname, '../..');

/** As docs/install.md says, with the checkout in place of the tarball. */
const install = `
  ln -sf /usr/lib/sluice/bin/sluice /usr/bin/sluice
  cd /usr/lib/sluice
  install -D -m 644 systemd/sysusers.d/sluice.conf /usr/lib/sysusers.d/sluice.conf
  systemd-sysusers
  mkdir -p /etc/sluice/conf.d /etc/sluice/rules.d
  install -m 644 systemd/sluice.service /etc/systemd/system/sluice.service
  systemctl daemon-reload
  systemctl start sluice
`;
const mainPid = '$(systemctl show sluice -p MainPID --value)';
const element = (address: string) => `nft list table inet sluice | grep -o '${address}' | head -n 1`;

describe('the shipped unit under a real systemd', { skip: without('root', 'unshare', 'nsenter', 'ip', 'nft', 'journalctl') }, () => {
  let machine: Booted | undefined;
  let refused = '';
  before(async () => {
    try {
      machine = await bootSystemd(checkout);
    } catch (error) {
      if (!(error instanceof NotPermittedError)) throw error;
      refused = `left out: systemd cannot be booted here: ${error.message}`;
      return;
    }
    await machine.run(install);
  });
  after(() => machine?.stop());

  /** In order: each test begins where the one before ended. */
  const step = (name: string, body: (systemd: Booted) => Promise<void>): void => {
    void test(name, async (context) => (machine === undefined ? context.skip(refused) : await body(machine)));
  };

  step('starts, says that it is ready, and what it does', async ({ run }) => {
    assert.match(
      await run('systemctl show sluice -p ActiveState -p StatusText'),
      /StatusText=.+\nActiveState=active|ActiveState=active\nStatusText=.+/,
    );
  });

  step('runs as an account of its own, with one capability, under a system call filter', async ({ run }) => {
    const status = await run(`cat /proc/${mainPid}/status`);
    const uid = (await run('id -u sluice')).trim();
    assert.match(status, new RegExp(`^Uid:\\t${uid}\\t`, 'm'));
    assert.match(status, /^CapEff:\t0{12}1000$/m, 'bit 12: CAP_NET_ADMIN');
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
  });

  step('cannot write its own configuration, nor anything outside of its state', async ({ run }) => {
    for (const place of ['/etc/sluice/rules.d', '/usr/lib/sluice/rules', '/var/log']) {
      assert.match(await run(`nsenter -t ${mainPid} -m touch ${place}/written 2>&1 || :`), /Read-only file system/, place);
    }
  });

  step('puts a ban into the kernel, and names it when asked', async ({ run }) => {
    await run('sluice ban 203.0.113.9');
    assert.match(await run(element('203.0.113.9')), /203\.0\.113\.9/);
  });

  step('reads the journal: an offence against Postfix becomes a ban', async ({ run, until }) => {
    // It stays until journald has taken its lines: of a process that is gone, journald cannot tell the slice any more.
    await run(`systemd-run -q --wait --slice=system-postfix.slice -p SyslogIdentifier=postfix/smtpd sh -c '
      for i in 1 2 3 4 5; do echo "NOQUEUE: reject: RCPT from unknown[198.51.100.7]: 454 4.7.1 <a@b.example>: Relay access denied; from=<c@d.example> to=<a@b.example> proto=ESMTP helo=<WIN>"; done; journalctl --sync'`);
    await until(element('198.51.100.7'), /198\.51\.100\.7/);
  });

  step('reloads, and is ready again', async ({ run, until }) => {
    await run('systemctl reload sluice');
    await until('systemctl is-active sluice', /^active/);
  });

  step('is started again after kill -9, and the bans are in the kernel all the while', async ({ run, until }) => {
    const before = await run(`echo ${mainPid}`);
    await run('systemctl kill --signal=KILL --kill-whom=main sluice');
    assert.match(await run(element('203.0.113.9')), /203\.0\.113\.9/);
    await until('systemctl show sluice -p NRestarts -p ActiveState | sort', /ActiveState=active\nNRestarts=1/);
    assert.notEqual(await run(`echo ${mainPid}`), before);
    const listed = await run('sluice list');
    for (const address of ['198.51.100.7', '203.0.113.9']) assert.ok(listed.includes(address), listed);
  });

  step('stops at once and leaves the bans in force; the line for emergencies removes them', async ({ run }) => {
    await run('timeout 10 systemctl stop sluice');
    assert.match(await run('systemctl show sluice -p Result -p ActiveState'), /Result=success/);
    assert.match(await run(element('203.0.113.9')), /203\.0\.113\.9/);
    await run('sluice unban --all --offline');
    assert.doesNotMatch(await run('nft list ruleset'), /203\.0\.113\.9/);
  });

  step('does not try again and again with a configuration that cannot be used', async ({ run }) => {
    const output = await run(
      'echo "jail: {}" >/etc/sluice/sluice.yaml; systemctl start sluice 2>&1 || :; systemctl show sluice -p ExecMainStatus -p NRestarts -p SubState',
    );
    assert.match(output, /ExecMainStatus=78/);
    assert.match(output, /SubState=failed/);
  });
});
