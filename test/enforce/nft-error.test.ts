import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readNftError, type NftProblem } from '../../src/enforce/nft-error.ts';

/** As nft 1.0.6 writes it, with the line it quotes. */
const cases: readonly [stderr: string, kind: NftProblem['kind'], line: number | undefined][] = [
  ['/dev/stdin:1:25-28: Error: No such file or directory\nadd element inet sluice nope {\n                        ^^^^\n', 'missing', 1],
  ['/dev/stdin:1:18-22: Error: No such file or directory; did you mean table ‘sluice’ in family inet?\n', 'missing', 1],
  ['/dev/stdin:7:1-8: Error: Could not process rule: No such file or directory\n10.0.0.3,\n^^^^^^^^\n', 'missing', 7],
  ['/dev/stdin:7:1-9: Error: Could not process rule: Too many open files in system\n192.0.2.6 timeout 60s,\n^^^^^^^^^\n', 'full', 7],
  [
    '/dev/stdin:3002:18-32: Error: value too large\n10.9.9.9 timeout 99999999999999s,\n/dev/stdin:3003:10-16: Error: syntax error, unexpected timeout\n',
    'element',
    3002,
  ],
  ["/dev/stdin:3002:11-11: Error: syntax error, unexpected number, expecting comma or '}'\n", 'element', 3002],
  ['/dev/stdin:2:1-11: Error: Could not resolve hostname: Address family for hostname not supported\n', 'element', 2],
  ["/dev/stdin:2:1-11: Error: You must add 'flags interval' to your set declaration if you want to add prefix elements\n", 'element', 2],
  ['/dev/stdin:2:1-3: Error: Could not process rule: Numerical result out of range\n', 'element', 2],
  [
    'Operation not permitted (you must be root)\nnetlink: Error: cache initialization failed: Operation not permitted\n',
    'denied',
    undefined,
  ],
  ['netlink: Error: cache initialization failed: Operation not permitted\n', 'denied', undefined],
  ['/dev/stdin:1:1-2: Error: Could not process rule: Operation not permitted\n', 'denied', 1],
  ['netlink: Error: Could not process rule: Message too long\n', 'too_long', undefined],
  ['/dev/stdin:3:1-2: Error: Could not process rule: File exists\n', 'changed', 3],
  ['/dev/stdin:3:1-2: Error: Could not process rule: Operation not supported\n', 'changed', 3],
  ['/dev/stdin:3:1-2: Error: Could not process rule: Device or resource busy\n', 'busy', 3],
  ['netlink: Error: Could not process rule: No buffer space available\n', 'busy', undefined],
  ['/dev/stdin:4:1-2: Error: Could not process rule: Invalid argument\n', 'other', 4],
  ['', 'other', undefined],
];

describe('what nft says when it exits with 1', () => {
  for (const [stderr, kind, line] of cases)
    test(stderr.split('\n', 1)[0] || 'nothing', () => {
      const problem = readNftError(1, stderr);
      assert.deepEqual([problem.kind, problem.line], [kind, line]);
      assert.notEqual(problem.text, '');
    });

  test('the text is the sentence alone', () => {
    assert.equal(
      readNftError(1, '/dev/stdin:7:1-9: Error: Could not process rule: File exists\nx\n').text,
      'Could not process rule: File exists',
    );
  });
});

describe('other exit codes', () => {
  test('127 and 126: the shell found nothing to run', () => {
    assert.equal(readNftError(127, 'sh: 1: nft: not found').kind, 'not_installed');
    assert.equal(readNftError(126, '').kind, 'not_installed');
  });
  test('128 + n: ended by a signal, so that what it did is not known', () => {
    assert.deepEqual(readNftError(137, ''), { kind: 'timeout', line: undefined, text: 'nft was ended by signal 9' });
  });
});
