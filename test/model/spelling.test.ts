import assert from 'node:assert/strict';
import { test } from 'node:test';
import { didYouMean, nearestName } from '../../src/model/spelling.ts';

const keys = ['maxretry', 'findtime', 'bantime', 'ports', 'prefix', 'path', 'own'];

const cases: readonly [found: string, expected: string | undefined, because: string][] = [
  ['maxretries', 'maxretry', 'a plural'],
  ['max_retry', 'maxretry', 'a sign too many'],
  ['MaxRetry', 'maxretry', 'letter case does not count'],
  ['bantiem', 'bantime', 'neighbours swapped are one mistake'],
  ['port', 'ports', 'a letter missing'],
  ['onw', 'own', 'short names, one mistake'],
  ['pfad', undefined, 'two mistakes in four letters are another word'],
  ['x', undefined, 'nothing is near one letter'],
  ['ignoreregex', undefined, 'nothing like it'],
  ['m'.repeat(100_000), undefined, 'no name is that long'],
];
for (const [found, expected, because] of cases) {
  test(`nearestName ${found.slice(0, 20)}: ${because}`, () => assert.equal(nearestName(found, keys), expected));
}

test('didYouMean is a question, or nothing', () => {
  assert.equal(didYouMean('porst', ['ports']), '; did you mean "ports"?');
  assert.equal(didYouMean('abc', ['ports']), '');
});
