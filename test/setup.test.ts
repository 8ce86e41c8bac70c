import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { loadSetup } from '../src/setup.ts';

const skip = existsSync('/etc/sluice/sluice.yaml') ? 'this machine has a configuration of its own' : false;

function directory(t: TestContext, jails: string): string {
  const path = mkdtempSync(join(tmpdir(), 'sluice-setup-'));
  t.after(() => rmSync(path, { recursive: true }));
  writeFileSync(join(path, 'jail.conf'), jails);
  return path;
}
const machine = async () => ({ journal: true, files: ['/var/log/mail.log'], nftables: true });

describe('--fail2ban without a configuration file', { skip }, () => {
  test('reads what its jails read, and nothing else', async (t) => {
    const jails = '[sshd]\nenabled = true\nfilter =\nfailregex = from <HOST>$\nlogpath = /var/log/auth.log\naction =\n';
    const { foreign, loaded, mistakes } = await loadSetup(undefined, machine, { fail2ban: directory(t, jails) });
    assert.equal(mistakes, '');
    assert.deepEqual(
      foreign.jails.map(({ jail }) => jail.name),
      ['sshd'],
    );
    assert.ok(loaded.reading.kind === 'config');
    const { journal, files, syslog } = loaded.reading.config.sources;
    assert.deepEqual({ journal, files, syslog }, { journal: undefined, files: [], syslog: [] });
    assert.deepEqual(loaded.reading.config.jails, []);
  });

  test('says so when no jail is enabled', async (t) => {
    const { warnings, mistakes } = await loadSetup(undefined, machine, { fail2ban: directory(t, '[sshd]\nlogpath = /var/log/auth.log\n') });
    assert.equal(mistakes, '');
    assert.deepEqual(
      warnings.filter(({ file }) => file.endsWith('jail.conf')).map(({ message }) => message),
      ['no jail is enabled'],
    );
  });
});
