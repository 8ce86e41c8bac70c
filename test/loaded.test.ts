import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { foreignJailText } from '../src/loaded.ts';
import { loadForeignJails } from '../src/rules/fail2ban/foreign-jails.ts';

test('a jail of fail2ban is another one when anything of it is: a formula, a command, an entry of ignoreip', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-loaded-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const written = {
    enabled: 'true',
    failregex: '^from <HOST>$',
    logpath: '/var/log/none.log',
    'bantime.increment': 'true',
    'bantime.formula': 'ban.Time * 2',
  };
  const textOf = (changes: Readonly<Record<string, string>>): string => {
    const options = Object.entries({ ...written, ...changes }).map(([key, value]) => `${key} = ${value}\n`);
    writeFileSync(join(directory, 'jail.conf'), `[a]\n${options.join('')}`);
    const [jail] = loadForeignJails(directory, 0).jails;
    assert.ok(jail !== undefined);
    return foreignJailText(jail);
  };
  const before = textOf({});
  assert.equal(textOf({}), before);
  const changes = [
    { 'bantime.formula': 'ban.Time * 3' },
    { ignoreip: '192.0.2.1' },
    { ignorecommand: 'true' },
    { failregex: '^at <HOST>$' },
  ];
  for (const change of changes) assert.notEqual(textOf(change), before, JSON.stringify(change));
});
