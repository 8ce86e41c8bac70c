import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadForeignJails } from '../../../src/rules/fail2ban/foreign-jails.ts';

test('what a jail asks for and cannot have disables it alone, or is warned of, with its place', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-foreign-jails-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'jail.conf');
  writeFileSync(
    file,
    `[DEFAULT]
enabled = true
failregex = ^from <HOST>$
logpath = /var/log/none.log
[files]
[single]
backend = systemd[journalfiles=/var/log/journal/a.journal]
[names]
usedns = raw
`,
  );
  const { jails, disabled, diagnostics } = loadForeignJails(directory, 0);
  assert.deepEqual(
    jails.map(({ jail: { name } }) => name),
    ['files', 'names'],
  );
  assert.deepEqual(
    disabled.map(({ jail, diagnostics: all }) => [jail, ...all.map(({ file: at, line, message }) => `${at}:${line}: ${message}`)]),
    [['single', `${file}:7: journalfiles: single files of the journal cannot be read`]],
  );
  assert.ok(diagnostics.some(({ severity, message }) => severity === 'warning' && message.startsWith('usedns = raw: the jail names bans')));
});
