import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

const sluice = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sluice-check-'));
after(() => rmSync(folder, { recursive: true }));

const cases: readonly [path: string, said: string][] = [
  [
    join(folder, 'none.yaml'),
    `${join(folder, 'none.yaml')}: there is no such file; name a rule file, or none to check the configuration and all rules`,
  ],
  [folder, `${folder} is a directory: name the rule files in it`],
];
for (const [path, said] of cases) {
  test(`check ${path.slice(folder.length) || 'FOLDER'}: names the path and says what to name instead`, async () => {
    const { stdout, stderr, exitCode } = await execa(sluice, ['check', path], { reject: false, stdin: 'ignore' });
    assert.deepEqual({ stdout, stderr, exitCode }, { stdout: '', stderr: `sluice: ${said}`, exitCode: 1 });
  });
}

describe("jails in fail2ban's dialect", () => {
  const dir = join(folder, 'fail2ban');
  mkdirSync(join(dir, 'filter.d'), { recursive: true });
  const jail = (name: string, filter: string) => `[${name}]\nenabled = true\nfilter = ${filter}\nlogpath = ${folder}\n`;
  writeFileSync(join(dir, 'jail.conf'), `${jail('a', 'f')}${jail('b', 'f')}`);
  writeFileSync(join(dir, 'filter.d/f.conf'), '[Definition]\nfailregex = ^bad .* <HOST>\n  ^good <HOST>$\n');
  const checked = async (yaml: string, ...words: readonly string[]) => {
    const path = join(folder, 'sluice.yaml');
    writeFileSync(path, yaml);
    const { stdout, exitCode } = await execa(sluice, ['check', '-c', path, ...words], { reject: false, stdin: 'ignore' });
    return { shown: stdout.replaceAll(`${folder}/`, ''), exitCode };
  };

  test("an expression that is not proved is named once, with its line in fail2ban's file, and is no mistake", async () => {
    const { shown, exitCode } = await checked(`fail2ban: { path: ${dir} }\n`);
    const lines = shown.split('\n');
    const at = lines.findIndex((line) => line.includes('not proved: text'));
    assert.deepEqual(lines.slice(at, at + 4), [
      'fail2ban/filter.d/f.conf:2:1: warning: not proved: text of a client could stand before the address, ".*" takes it',
      '    2 | failregex = ^bad .* <HOST>',
      '      | ^',
      'Who can write so into his part of the line, a user name or a host name, could have somebody else banned: docs/fail2ban.md, "Not proved"',
    ]);
    assert.match(shown, /, 2 jails: ok, 1 warning$/);
    assert.equal(exitCode, 0);
  });

  test('one in the configuration is shown within its text', async () => {
    const { shown, exitCode } = await checked("jails: { c: { ports: all, fail2ban: { failregex: ['it''s .* <HOST>'], files: [/a] } } }\n");
    assert.match(shown, /^sluice\.yaml:1:52: warning: not proved: the match may begin anywhere in the line/m);
    assert.equal(exitCode, 0);
  });

  test('a broken filter is a mistake, named once with its line', async () => {
    writeFileSync(join(dir, 'filter.d/g.conf'), '[Definition]\nfailregex = ^bad ( <HOST>\n');
    writeFileSync(join(dir, 'jail.local'), `${jail('c', 'g')}${jail('d', 'g')}`);
    const { shown, exitCode } = await checked(`fail2ban: { path: ${dir} }\n`);
    rmSync(join(dir, 'jail.local'));
    assert.equal(shown.split('filter.d/g.conf:2:1: failregex: this group is never closed').length - 1, 1, shown);
    assert.match(shown, /, 2 jails: 1 mistake, 1 warning$/);
    assert.equal(exitCode, 3);
  });

  test('a name that is in both places is a mistake that names both', async () => {
    const { shown, exitCode } = await checked(`fail2ban: { path: ${dir} }\njails:\n  a: { filters: [sshd] }\n`);
    assert.match(shown, /^sluice\.yaml:3:3: the jail "a" is there twice: sluice\.yaml:3, and fail2ban\/jail\.conf:2$/m);
    assert.equal(exitCode, 3);
  });

  test('many of them are told file by file, and all of them with --json', async () => {
    const expressions = Array.from({ length: 30 }, (_, index) => `  ^bad${index} .* <HOST>`).join('\n');
    writeFileSync(join(dir, 'filter.d/f.local'), `[Definition]\nfailregex = \n${expressions}\n`);
    const yaml = `fail2ban: { path: ${dir} }\n`;
    const [{ shown }, json] = [await checked(yaml), await checked(yaml, '--json')];
    rmSync(join(dir, 'filter.d/f.local'));
    assert.match(shown, /^fail2ban\/filter\.d\/f\.local: warning: 30 expressions not proved: .*; lines 3, 4, .*, 32$/m);
    assert.equal((JSON.parse(json.shown) as { readonly diagnostics: readonly unknown[] }).diagnostics.length, 30);
  });
});
