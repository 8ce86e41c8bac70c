import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { exactDuration, formatDuration, parseDuration } from '../src/duration.ts';

const parsed: readonly [text: string, ms: number | undefined, because: string][] = [
  ['90s', 90_000, 'seconds'],
  ['1h30m', 5_400_000, 'units follow one another'],
  ['2d', 172_800_000, 'days'],
  ['1w', 604_800_000, 'weeks'],
  ['250ms', 250, 'milliseconds, which are not minutes and seconds'],
  ['permanent', Infinity, 'without end'],
  ['600', undefined, 'a bare number has no unit'],
  ['', undefined, 'nothing is not a duration'],
  ['1 h', undefined, 'no spaces'],
  ['1.5h', undefined, 'whole numbers'],
  ['-1s', undefined, 'no time runs backwards'],
  ['1H', undefined, 'units are small letters'],
  ['1mo', undefined, 'months differ in length'],
  ['9999999999s', undefined, 'nine digits are 31 years of seconds'],
];
for (const [text, ms, because] of parsed) test(`parseDuration "${text}": ${because}`, () => assert.equal(parseDuration(text), ms));

const formatted: readonly [ms: number, text: string][] = [
  [0, '0ms'],
  [350, '350ms'],
  [90_000, '1m30s'],
  [3_600_000, '1h'],
  [90_061_000, '1d1h'],
  [604_800_000, '1w'],
  [Infinity, 'permanent'],
];
for (const [ms, text] of formatted) test(`formatDuration ${ms}: ${text}`, () => assert.equal(formatDuration(ms), text));

describe('exactDuration', () => {
  test('leaves nothing out', () => assert.equal(exactDuration(694_861_001), '1w1d1h1m1s1ms'));
  test('is read back as the same time', () => {
    fc.assert(fc.property(fc.nat({ max: 2 ** 53 - 1 }), (ms) => assert.equal(parseDuration(exactDuration(ms)), ms)));
    assert.equal(parseDuration(exactDuration(Infinity)), Infinity);
  });
});
