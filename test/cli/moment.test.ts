import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { formatLocal, formatRelative, formatSpan, formatUntil, parseMoment } from '../../src/cli/moment.ts';

// Local time is part of what is tested; Berlin has a winter and a summer.
process.env['TZ'] = 'Europe/Berlin';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

describe('a moment for people', () => {
  const local: readonly [instant: string, expected: string, because: string][] = [
    ['2026-11-22T19:38:06.999Z', '2026-11-22 20:38:06 +01:00', 'winter'],
    ['2026-07-01T22:00:00Z', '2026-07-02 00:00:00 +02:00', 'summer, and the next day'],
    ['2026-10-25T00:30:00Z', '2026-10-25 02:30:00 +02:00', 'the hour that comes twice, first time'],
    ['2026-10-25T01:30:00Z', '2026-10-25 02:30:00 +01:00', 'the hour that comes twice, second time'],
    ['soon', '(no time)', 'not an instant'],
  ];
  for (const [instant, expected, because] of local) {
    test(`${instant} is ${expected}: ${because}`, () => assert.equal(formatLocal(instant), expected));
  }

  const spans: readonly [ms: number, expected: string][] = [
    [0, '0 s'],
    [59_499, '59 s'],
    [59_500, '1 min'],
    [minute, '1 min'],
    [hour - 31_000, '59 min'],
    [hour - 1, '1 h'],
    [hour, '1 h'],
    [2 * hour - 700, '2 h'],
    [day - 1, '1 d'],
    [hour + 5 * minute, '1 h 5 min'],
    [day, '1 d'],
    [2 * day + 4 * hour, '2 d 4 h'],
    [10 * day + 4 * hour, '10 d'],
  ];
  for (const [ms, expected] of spans) test(`${ms} ms is ${expected}`, () => assert.equal(formatSpan(ms), expected));

  test('is told from now', () => {
    const nowMs = Date.parse('2026-11-22T19:38:06Z');
    assert.equal(formatRelative('2026-11-22T20:20:06Z', nowMs), 'in 42 min');
    assert.equal(formatRelative('2026-11-22T19:38:01Z', nowMs), '5 s ago');
    assert.equal(formatRelative('2026-11-22T19:38:06.500Z', nowMs), 'now');
    assert.equal(formatUntil('2026-11-22T20:20:06Z', nowMs), 'until 2026-11-22 21:20:06 +01:00 (in 42 min)');
    assert.equal(formatUntil(null, nowMs), 'for ever');
  });
});

describe('a moment that people type', () => {
  const cases: readonly [text: string, expected: string | undefined][] = [
    ['2026-11-22', '2026-11-21T23:00:00.000Z'],
    ['2026-11-22T20:38', '2026-11-22T19:38:00.000Z'],
    ['2026-11-22 20:38:06', '2026-11-22T19:38:06.000Z'],
    ['2026-11-22T19:38:06Z', '2026-11-22T19:38:06.000Z'],
    ['2026-11-22t19:38:06.25z', '2026-11-22T19:38:06.250Z'],
    ['2026-11-22T20:38:06+01:00', '2026-11-22T19:38:06.000Z'],
    ['2026-11-22 20:38:06 +01:00', '2026-11-22T19:38:06.000Z'],
    ['2026-11-22 20:38:06.123456789-05:30', '2026-11-23T02:08:06.123Z'],
    ['2024-02-29', '2024-02-28T23:00:00.000Z'],
    ['@0', '1970-01-01T00:00:00.000Z'],
    ['@1795376286.5', '2026-11-22T19:38:06.500Z'],
    ['2026-02-29', undefined],
    ['2026-13-01', undefined],
    ['2026-11-22T25:00', undefined],
    ['2026-11-22T', undefined],
    ['20261122', undefined],
    ['1795376286', undefined],
    ['now', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of cases) {
    test(`"${text}" is ${expected ?? 'none'}`, () => {
      const ms = parseMoment(text);
      assert.equal(ms === undefined ? undefined : new Date(ms).toISOString(), expected);
    });
  }

  test('what is shown can be typed again', () => {
    const seconds = fc.integer({ min: 0, max: 4_102_444_800 });
    fc.assert(
      fc.property(seconds, (second) => assert.equal(parseMoment(formatLocal(new Date(second * 1_000).toISOString())), second * 1_000)),
    );
  });

  test('no text makes it throw', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseMoment(text)));
  });
});
