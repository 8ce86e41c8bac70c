import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { program, without } from '../environment.ts';

const repository = join(import.meta.dirname, '../..');
const unit = readFileSync(join(repository, 'systemd/sluice.service'), 'utf8');
const setting = (key: string) => unit.match(new RegExp(`^${key}=(.*)$`, 'm'))?.[1];

describe('systemd/sluice.service', { skip: without('systemd-analyze') }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-unit-'));
  after(() => rmSync(folder, { recursive: true }));
  // verify looks whether the program is there: take the one of this checkout.
  const here = join(folder, 'sluice.service');
  writeFileSync(here, unit.replace('ExecStart=/usr/bin/sluice', `ExecStart=${join(repository, 'bin/sluice')}`));

  test('systemd-analyze verify has nothing to say', () => {
    const { status, stdout, stderr } = spawnSync(program('systemd-analyze') ?? '', ['verify', '--man=no', here], { encoding: 'utf8' });
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
  });

  test('verify does notice a mistake', () => {
    const broken = join(folder, 'broken.service');
    writeFileSync(broken, unit.replace('ExecStart=/usr/bin/sluice', 'ExecStart=/nonexistent/sluice').replace('Type=notify', 'Type=notfiy'));
    const { stderr } = spawnSync(program('systemd-analyze') ?? '', ['verify', '--man=no', broken], { encoding: 'utf8' });
    assert.match(stderr, /Failed to parse service type/);
  });

  test('systemd-analyze security gives 2.0 or better', () => {
    const text = execFileSync(program('systemd-analyze') ?? '', ['security', '--offline=true', '--no-pager', here], { encoding: 'utf8' });
    const score = Number(text.match(/Overall exposure level for sluice\.service: (\d+\.\d+)/)?.[1]);
    assert.ok(score <= 2, `exposure ${score}`);
  });
});

describe('what the daemon needs of its unit', () => {
  const cases: readonly [key: string, value: string | undefined, because: string][] = [
    ['ExecStart', '/usr/bin/sluice run', 'the daemon, in the foreground'],
    ['ExecReload', '/bin/kill -HUP $MAINPID', 'SIGHUP is reload'],
    ['NotifyAccess', 'all', 'systemd-notify is a child and sends under its own PID'],
    ['RestartPreventExitStatus', '78', 'a configuration that cannot be used does not mend itself'],
    ['AmbientCapabilities', 'CAP_NET_ADMIN', 'nft as an ordinary user'],
    ['ProcSubset', undefined, 'journalctl -f fails without /proc/sys/kernel/random/boot_id'],
    ['MemoryDenyWriteExecute', undefined, 'V8 aborts'],
    ['PrivateUsers', undefined, 'the capability would not hold for the network of the host'],
    ['ConfigurationDirectory', undefined, 'the account would own /etc/sluice and could write its own rules'],
    ['PrivateNetwork', undefined, 'there would be nothing to protect'],
    ['RuntimeDirectory', 'sluice', '/run/sluice/control.sock'],
    ['StateDirectory', 'sluice', '/var/lib/sluice/sluice.db'],
  ];
  for (const [key, value, because] of cases) {
    test(`${key}${value === undefined ? ' is not set' : `=${value}`}: ${because}`, () => assert.equal(setting(key), value));
  }
});

test('systemd-sysusers makes the account, in the groups that may read logs', { skip: without('root', 'systemd-sysusers') }, () => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-root-'));
  try {
    mkdirSync(join(root, 'etc'));
    execFileSync(program('systemd-sysusers') ?? '', [`--root=${root}`, join(repository, 'systemd/sysusers.d/sluice.conf')]);
    assert.match(readFileSync(join(root, 'etc/passwd'), 'utf8'), /^sluice:.*:\/var\/lib\/sluice:\/usr\/sbin\/nologin$/m);
    const groups = readFileSync(join(root, 'etc/group'), 'utf8');
    assert.match(groups, /^systemd-journal:.*:sluice$/m);
    assert.match(groups, /^adm:.*:sluice$/m);
  } finally {
    rmSync(root, { recursive: true });
  }
});
