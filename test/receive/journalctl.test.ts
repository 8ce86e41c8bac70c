import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { journalArgs, parseMatches, trustedFields } from '../../src/receive/journalctl.ts';

const system = { directory: undefined, namespace: undefined };

describe('the command line of journalctl', () => {
  test('follows everything from a cursor on, matches and notices of losses joined by OR', () => {
    const args = journalArgs(system, {
      matches: [['_SYSTEMD_SLICE=system-postfix.slice'], ['_UID=0', '_COMM=x']],
      start: { kind: 'cursor', cursor: 's=1;i=2' },
      follow: true,
    });
    assert.deepEqual(args, [
      '--follow',
      '--no-tail',
      '--all',
      '--no-pager',
      '--quiet',
      '--output=export',
      '--cursor=s=1;i=2',
      '_SYSTEMD_SLICE=system-postfix.slice',
      '+',
      '_UID=0',
      '_COMM=x',
      '+',
      'MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e',
      '_TRANSPORT=driver',
    ]);
  });

  const instants: readonly [ms: number, arg: string][] = [
    [1_795_368_637_810.392, '--since=@1795368637.810392'],
    [1_795_368_637_000, '--since=@1795368637.000000'],
    [0.001, '--since=@0.000001'],
    [-5, '--since=@0.000000'],
  ];
  for (const [sinceMs, arg] of instants) {
    test(`begins at ${sinceMs} ms: ${arg}`, () => {
      assert.ok(journalArgs(system, { matches: [], start: { kind: 'since', sinceMs }, follow: true }).includes(arg));
    });
  }

  test('of a reading that ends does not follow, and asks for no notices', () => {
    const args = journalArgs(system, { matches: [['_UID=0']], start: { kind: 'start' }, follow: false });
    assert.deepEqual([args[0], args.at(-1)], ['--all', '_UID=0']);
  });

  test('without matches has none: everything is read', () => {
    assert.ok(!journalArgs(system, { matches: [], start: { kind: 'start' }, follow: true }).some((arg) => arg.startsWith('MESSAGE_ID')));
  });

  test('names another journal', () => {
    const args = journalArgs({ directory: '/d', namespace: 'n' }, { matches: [], start: { kind: 'start' }, follow: true });
    assert.deepEqual(args.slice(0, 2), ['--directory=/d', '--namespace=n']);
  });

  for (const term of ['--file=/x', '/usr/bin/x', '+', '=x', 'lower=x', 'A=\0', '']) {
    test(`refuses ${JSON.stringify(term)} as a match`, () => {
      assert.throws(() => journalArgs(system, { matches: [[term]], start: { kind: 'start' }, follow: true }), /not a match/);
    });
  }
});

test('fields that matches name are trusted if journald sets them', () => {
  const matches = [['_SYSTEMD_USER_UNIT=x', 'SYSLOG_IDENTIFIER=y', 'CONTAINER_NAME=z']];
  const trusted = trustedFields({ matches });
  assert.ok(trusted.includes('_SYSTEMD_USER_UNIT'));
  assert.ok(trusted.every((name) => name.startsWith('_')));
  assert.ok(trustedFields({ matches, keepNamed: true }).includes('CONTAINER_NAME'));
});

test('matches are written as for journalctl', () => {
  assert.deepEqual(parseMatches('_UID=0 _COMM=a  + _COMM=b+c'), [['_UID=0', '_COMM=a'], ['_COMM=b+c']]);
  assert.deepEqual(parseMatches(' '), []);
});
