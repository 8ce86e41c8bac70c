import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { isTimezone, wallClockToUtc } from '../../src/parse/zone.ts';

/** A wall clock time as parseable text -> RFC 3339 in UTC. */
function utc(wall: string, timezone: string, near = wall): string {
  return new Date(wallClockToUtc(Date.parse(`${wall}Z`), timezone, Date.parse(`${near}Z`))).toISOString().replace('.000Z', 'Z');
}

const cases: readonly [wall: string, timezone: string, expected: string, because: string][] = [
  ['2026-11-22T12:00:00', 'UTC', '2026-11-22T12:00:00Z', 'UTC is UTC'],
  ['2026-11-22T12:00:00', 'Europe/Berlin', '2026-11-22T11:00:00Z', 'winter'],
  ['2026-07-22T12:00:00', 'Europe/Berlin', '2026-07-22T10:00:00Z', 'summer'],
  ['2026-07-22T12:00:00', 'Asia/Kathmandu', '2026-07-22T06:15:00Z', 'a zone of quarters of an hour'],
  ['2026-07-22T12:00:00', 'Pacific/Kiritimati', '2026-07-21T22:00:00Z', 'the zone farthest ahead'],
  ['2026-07-22T12:00:00', 'Pacific/Niue', '2026-07-22T23:00:00Z', 'the zone farthest behind'],
  ['2026-03-29T01:59:59', 'Europe/Berlin', '2026-03-29T00:59:59Z', 'the last second before the gap'],
  ['2026-03-29T02:30:00', 'Europe/Berlin', '2026-03-29T01:30:00Z', 'in the gap: as if the clock had not been moved yet, that is 03:30'],
  ['2026-03-29T03:00:00', 'Europe/Berlin', '2026-03-29T01:00:00Z', 'the first second after the gap'],
  ['2026-10-25T01:59:59', 'Europe/Berlin', '2026-10-24T23:59:59Z', 'before the hour that comes twice'],
  ['2026-10-25T03:00:00', 'Europe/Berlin', '2026-10-25T02:00:00Z', 'after the hour that comes twice'],
  [
    '2026-04-05T01:45:00',
    'Australia/Lord_Howe',
    '2026-04-04T15:15:00Z',
    'a change of half an hour: the later of the two, nearer to a later now',
  ],
];

describe('a wall clock time', () => {
  for (const [wall, timezone, expected, because] of cases) {
    test(`${wall} in ${timezone}: ${because}`, () => assert.equal(utc(wall, timezone, '2026-12-31T00:00:00'), expected));
  }

  test('in the hour that comes twice is the one nearer to now', () => {
    assert.equal(utc('2026-10-25T02:30:00', 'Europe/Berlin', '2026-10-25T00:30:01'), '2026-10-25T00:30:00Z');
    assert.equal(utc('2026-10-25T02:30:00', 'Europe/Berlin', '2026-10-25T01:30:01'), '2026-10-25T01:30:00Z');
    assert.equal(utc('2026-10-25T02:30:00', 'Europe/Berlin', '2027-01-01T00:00:00'), '2026-10-25T01:30:00Z');
  });

  test('is read back from what Intl prints, in any zone at any time', () => {
    const timezones = [
      'Europe/Berlin',
      'America/New_York',
      'America/St_Johns',
      'Asia/Kolkata',
      'Australia/Lord_Howe',
      'Africa/Casablanca',
      'Pacific/Apia',
    ];
    const times = fc.integer({ min: Date.UTC(2000, 0, 1), max: Date.UTC(2040, 0, 1) }).map((ms) => Math.floor(ms / 1_000) * 1_000);
    fc.assert(
      fc.property(fc.constantFrom(...timezones), times, (timezone, ms) => {
        const wall = new Date(ms).toLocaleString('sv-SE', { timeZone: timezone }).replace(' ', 'T');
        assert.equal(wallClockToUtc(Date.parse(`${wall}Z`), timezone, ms), ms);
      }),
    );
  });

  test('in "local" is what this process shows', () => {
    const now = new Date(2026, 6, 22, 12, 30);
    const wallMs = now.getTime() - now.getTimezoneOffset() * 60_000;
    assert.equal(wallClockToUtc(wallMs, 'local', now.getTime()), now.getTime());
  });
});

test('only zones that exist are zones', () => {
  for (const name of ['local', 'UTC', 'Europe/Berlin', 'Etc/GMT+5']) assert.ok(isTimezone(name), name);
  for (const name of ['', 'Local', 'Europe/Atlantis', '../../etc/passwd']) assert.ok(!isTimezone(name), name);
  assert.throws(() => wallClockToUtc(0, 'Europe/Atlantis', 0), RangeError);
});
