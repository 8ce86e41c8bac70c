import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { program, without } from '../environment.ts';

const sluice = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
const env = { TZ: 'Europe/Zurich' };

let directory = '';
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'slu-sections-'));
});
after(() => rmSync(directory, { recursive: true, force: true }));

function logOf(...lines: readonly string[]): string {
  const file = join(directory, 'a.log');
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  return file;
}

async function ours(...args: readonly string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await execa(sluice, ['test', ...args], { env, reject: false });
  assert.ok(exitCode === 0 || exitCode === 5, stderr);
  return stdout;
}

async function theirs(...args: readonly string[]): Promise<string> {
  const { stdout } = await execa(program('fail2ban-regex') ?? '', ['--usedns', 'no', ...args], { env, reject: false });
  return stdout;
}

/**
 * What is the same: without the time that it took, the expanded text of the prefregex, the order of the dates' forms (fail2ban changes it as
 * it goes), and what only one of the two says.
 */
function comparable(output: string): readonly string[] {
  const [sections = ''] = output.split('\nAddresses: ');
  const lines = sections
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('[processed in ') && !line.startsWith('Use         maxlines') && line !== '');
  const shown = lines.map((line, index) =>
    lines[index - 1]?.startsWith('Prefregex: ') === true ? '|  (prefregex)' : line.replace('--print-all-missed', '--missed'),
  );
  const first = shown.indexOf('|- [# of hits] date format') + 1;
  const end = shown.indexOf('`-', first);
  return first === 0 ? shown : [...shown.slice(0, first), ...shown.slice(first, end).toSorted(), ...shown.slice(end)];
}

const failed = (second: number, address: string) =>
  `Nov 22 10:00:${String(second).padStart(2, '0')} mx sshd[811]: Failed password for root from ${address} port 40112 ssh2`;
const connect = (second: number) => `2026-11-22T10:00:${second}.123+00:00 mx postfix/smtpd[811]: connect from x[192.0.2.9]`;
const mixed = [
  failed(1, '192.0.2.4'),
  '# a comment',
  failed(2, '2001:db8::4'),
  '',
  failed(3, '192.0.2.4'),
  'Nov 22 10:00:04 mx sshd[811]: Invalid user x from 192.0.2.9 port 4',
  'Nov 22 10:00:04 mx sshd[812]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.9  user=root',
  'no date here',
  '[Sun Nov 22 10:00:05.123 2026] something else',
];
const rejects = [
  'Nov 22 10:01:00 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from x.example[192.0.2.4]: 554 5.7.1 <a@b.example>: Relay access denied; from=<c@d.example>',
  'Nov 22 10:01:01 mx postfix/smtpd[1]: warning: x.example[192.0.2.5]: SASL LOGIN authentication failed: x',
  'Nov 22 10:01:02 mx postfix/smtpd[1]: connect from x.example[192.0.2.4]',
  'Nov 22 10:01:03 mx postfix/postscreen[1]: PREGREET 11 after 0.1 from [192.0.2.6]:4711: EHLO x',
];

interface Case {
  readonly name: string;
  readonly lines: readonly string[];
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
}

const many = Array.from({ length: 25 }, (_, index) => connect(10 + index));
const cases: readonly Case[] = [
  { name: 'sshd on a mixed log', lines: mixed, ours: ['--filter', 'fail2ban:sshd'], theirs: ['sshd'] },
  { name: 'more missed lines than are shown', lines: [...mixed, ...many], ours: ['--filter', 'fail2ban:sshd'], theirs: ['sshd'] },
  {
    name: 'all missed lines',
    lines: [...mixed, ...many],
    ours: ['--missed', '--filter', 'fail2ban:sshd'],
    theirs: ['--print-all-missed', 'sshd'],
  },
  {
    name: 'a filter with an option',
    lines: rejects,
    ours: ['--filter', 'fail2ban:postfix[mode=aggressive]'],
    theirs: ['postfix[mode=aggressive]'],
  },
  {
    name: 'a filter by its path',
    lines: rejects,
    ours: ['--filter', '/etc/fail2ban/filter.d/postfix.conf'],
    theirs: ['/etc/fail2ban/filter.d/postfix.conf'],
  },
  {
    name: 'an expression and one that takes back',
    lines: mixed,
    ours: ['--regex', 'Failed password for root from <HOST> port', '--ignore', 'from 2001:'],
    theirs: ['Failed password for root from <HOST> port', 'from 2001:'],
  },
  { name: 'nothing matches', lines: many.slice(0, 3), ours: ['--regex', 'refused <HOST>'], theirs: ['refused <HOST>'] },
];

describe('test prints the sections of fail2ban-regex', { skip: without('fail2ban-client') }, () => {
  for (const { name, lines, ours: our, theirs: their } of cases) {
    test(name, async () => {
      const log = logOf(...lines);
      const filterLast = their.length > 1 && their[0]?.startsWith('--') === true ? [their[0], log, ...their.slice(1)] : [log, ...their];
      const [mine, original] = await Promise.all([ours(log, ...our), theirs(...filterLast)]);
      const expected = comparable(original);
      assert.ok(expected.length > 8, original);
      assert.deepEqual(comparable(mine), expected);
    });
  }

  test('a line given by hand', async () => {
    const line = failed(1, '192.0.2.4');
    const [mine, original] = await Promise.all([ours(line, '--filter', 'fail2ban:sshd'), theirs(line, 'sshd')]);
    assert.deepEqual(comparable(mine), comparable(original));
  });
});

test('behind them stand the addresses found, the most frequent first', async () => {
  const shown = await ours(logOf(...mixed), '--regex', 'Failed password for root from <HOST> port');
  assert.match(shown, /\nAddresses: 2\n\|- \[# of hits\] address\n\| {2}\[2\] 192\.0\.2\.4\n\| {2}\[1\] 2001:db8::4\n`-$/);
});

test('what stands in a log draws no lines of its own', async () => {
  const shown = await ours(logOf('Nov 22 10:00:01 mx x: \u001b[2J\u2028Lines: 1'), '--regex', 'refused <HOST>');
  assert.match(shown, /\\x1b\[2J\\u2028Lines: 1\n/);
});
