import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { type Clock, readAccessStamp, readAsctimeStamp, readIsoStamp, readSyslogStamp, type StampAt } from '../../src/parse/timestamp.ts';

type Reader = (text: string, start: number, clock: Clock) => StampAt | undefined;

/** The stamp as RFC 3339 in UTC, without its fraction; undefined: no stamp. */
function utc(reader: Reader, text: string, now: string, timezone = 'UTC'): string | undefined {
  const found = reader(text, 0, { nowMs: Date.parse(now), timezone });
  return found === undefined ? undefined : new Date(found.stamp.ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

const yearless: readonly [stamp: string, now: string, expected: string | undefined, because: string][] = [
  ['Nov 22 17:30:37', '2026-11-22T17:30:38Z', '2026-11-22T17:30:37Z', 'just now'],
  ['Nov  2 17:30:37', '2026-11-22T17:30:38Z', '2026-11-02T17:30:37Z', 'the day is padded with a space'],
  ['Nov 2 17:30:37', '2026-11-22T17:30:38Z', '2026-11-02T17:30:37Z', 'or is not'],
  ['Nov 02 17:30:37', '2026-11-22T17:30:38Z', '2026-11-02T17:30:37Z', 'or with a zero'],
  ['Nov 23 17:30:37', '2026-11-22T17:30:37Z', '2026-11-23T17:30:37Z', 'a day ahead is this year'],
  ['Nov 23 17:30:38', '2026-11-22T17:30:37Z', '2025-11-23T17:30:38Z', 'more than a day ahead is last year'],
  ['Dec 31 23:59:59', '2027-01-01T00:00:00Z', '2026-12-31T23:59:59Z', 'New Year: the last second of the old one'],
  ['Jan  1 00:00:01', '2026-12-31T23:59:59Z', '2027-01-01T00:00:01Z', 'New Year: a sender whose clock is ahead'],
  ['Jan  1 00:00:00', '2026-12-30T00:00:00Z', '2026-01-01T00:00:00Z', 'two days ahead is last year'],
  ['Feb 29 12:00:00', '2028-02-29T12:00:01Z', '2028-02-29T12:00:00Z', 'leap day'],
  ['Feb 29 12:00:00', '2028-02-28T13:00:00Z', '2028-02-29T12:00:00Z', 'leap day tomorrow'],
  ['Feb 29 12:00:00', '2027-03-01T00:00:00Z', '2024-02-29T12:00:00Z', 'leap day in a year without one is the last leap year'],
  ['Feb 29 12:00:00', '2103-03-01T00:00:00Z', '2096-02-29T12:00:00Z', 'also across 2100, which is no leap year'],
  ['Feb 30 12:00:00', '2028-03-01T00:00:00Z', undefined, 'a day that never is'],
  ['Apr 31 12:00:00', '2028-03-01T00:00:00Z', undefined, 'a day that never is'],
  ['Nov 00 12:00:00', '2028-03-01T00:00:00Z', undefined, 'day 0'],
  ['Nov 22 24:00:00', '2026-11-22T17:30:38Z', undefined, 'hour 24'],
  ['Nov 22 23:60:00', '2026-11-22T17:30:38Z', undefined, 'minute 60'],
  ['Nov 22 23:59:60', '2026-11-23T00:00:00Z', '2026-11-23T00:00:00Z', 'a leap second is the second after'],
  ['nov 22 17:30:37', '2026-11-22T17:30:38Z', undefined, 'months have a capital'],
  ['Mon 22 17:30:37', '2026-11-22T17:30:38Z', undefined, 'no month'],
  ['J\u0000\u616e 22 17:30:37', '2026-11-22T17:30:38Z', undefined, 'code units that add up to a month'],
  ['Nov 22 17:30', '2026-11-22T17:30:38Z', undefined, 'no seconds'],
  ['Nov 22 17:30:3', '2026-11-22T17:30:38Z', undefined, 'cut off'],
  ['Nov 22 2024 17:30:37', '2026-11-22T17:30:38Z', '2024-11-22T17:30:37Z', 'with a year, as routers write it'],
  ['Feb 29 2023 17:30:37', '2026-11-22T17:30:38Z', undefined, 'with a year that has no such day'],
];

describe('a stamp without a year', () => {
  for (const [stamp, now, expected, because] of yearless) {
    test(`${stamp} read at ${now}: ${because}`, () => assert.equal(utc(readSyslogStamp, stamp, now), expected));
  }

  test('is read in the zone of its source, also next to New Year', () => {
    assert.equal(utc(readSyslogStamp, 'Jan  1 00:30:00', '2026-12-31T23:30:01Z', 'Europe/Berlin'), '2026-12-31T23:30:00Z');
    assert.equal(utc(readSyslogStamp, 'Jan  1 13:59:59', '2026-12-31T00:00:00Z', 'Pacific/Kiritimati'), '2026-12-31T23:59:59Z');
    assert.equal(utc(readSyslogStamp, 'Dec 31 19:30:00', '2027-01-01T00:30:01Z', 'America/New_York'), '2027-01-01T00:30:00Z');
  });

  test('is not zoned, and has no fraction unless there is one', () => {
    const clock = { nowMs: Date.UTC(2026, 10, 22, 18), timezone: 'UTC' };
    assert.deepEqual(readSyslogStamp('<22>Nov 22 17:30:37 mx1', 4, clock), {
      stamp: { ms: Date.UTC(2026, 10, 22, 17, 30, 37), zoned: false, fraction: false },
      end: 19,
    });
    assert.deepEqual(readSyslogStamp('Nov 22 17:30:37.25 mx1', 0, clock), {
      stamp: { ms: Date.UTC(2026, 10, 22, 17, 30, 37, 250), zoned: false, fraction: true },
      end: 18,
    });
  });

  test('lies at most a day ahead of now and less than a year and a day behind, whenever it is read', () => {
    const second = fc.integer({ min: 0, max: 2_524_607_999 });
    fc.assert(
      fc.property(second, second, (stampSeconds, nowSeconds) => {
        const date = new Date(stampSeconds * 1_000);
        const stamp = `${date.toUTCString().slice(8, 11)} ${String(date.getUTCDate()).padStart(2)} ${date.toISOString().slice(11, 19)}`;
        const found = readSyslogStamp(stamp, 0, { nowMs: nowSeconds * 1_000, timezone: 'UTC' });
        const days = ((found?.stamp.ms ?? NaN) - nowSeconds * 1_000) / 86_400_000;
        assert.ok(days <= 1 && days > (stamp.startsWith('Feb 29') ? -8 * 366 : -366), `${stamp}: ${days} days`);
      }),
    );
  });
});

const iso: readonly [stamp: string, ms: number | undefined, zoned: boolean, rest: string, because: string][] = [
  ['2026-11-22T17:30:37Z', Date.UTC(2026, 10, 22, 17, 30, 37), true, '', 'UTC'],
  ['2026-11-22T17:30:37.336620+00:00 mx1', Date.UTC(2026, 10, 22, 17, 30, 37, 336) + 0.62, true, ' mx1', 'as rsyslog sends it'],
  ['2026-11-22T17:30:37.336620+05:30', Date.UTC(2026, 10, 22, 12, 0, 37, 336) + 0.62, true, '', 'east'],
  ['2026-11-22T17:30:37.3-08:00', Date.UTC(2026, 10, 23, 1, 30, 37, 300), true, '', 'west, one digit'],
  ['2026-11-22T17:30:37.123456789123Z', Date.UTC(2026, 10, 22, 17, 30, 37, 123) + 0.456, true, '', 'more digits than six'],
  ['2026-11-22T17:30:37', Date.UTC(2026, 10, 22, 16, 30, 37), false, '', 'without a zone: the source has one'],
  ['2026-11-22 17:30:37,810 x', Date.UTC(2026, 10, 22, 16, 30, 37, 810), false, ' x', 'as Python writes it'],
  ['2026-11-22 17:30:37 +0100 x', Date.UTC(2026, 10, 22, 16, 30, 37), true, ' x', 'a space before the zone'],
  ['2026-11-22 17:30:37 x', Date.UTC(2026, 10, 22, 16, 30, 37), false, ' x', 'a space before something else'],
  ['2026/11/22 17:30:37 [error]', Date.UTC(2026, 10, 22, 16, 30, 37), false, ' [error]', 'as nginx writes it'],
  ['2026-11-22t17:30:37z', Date.UTC(2026, 10, 22, 17, 30, 37), true, '', 'lower case'],
  ['2026-11-22T17:30:37+01', Date.UTC(2026, 10, 22, 16, 30, 37), true, '', 'hours only'],
  ['2026-11-22T23:59:60Z', Date.UTC(2026, 10, 23), true, '', 'a leap second'],
  ['0001-01-01T00:00:00Z', -62_135_596_800_000, true, '', 'the year 1'],
  ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29), true, '', 'leap day'],
  ['2026-02-29T00:00:00Z', undefined, true, '', 'no leap day'],
  ['2026-13-01T00:00:00Z', undefined, true, '', 'month 13'],
  ['2026-00-01T00:00:00Z', undefined, true, '', 'month 0'],
  ['2026-11-22T25:00:00Z', undefined, true, '', 'hour 25'],
  ['2026-11/22T17:30:37Z', undefined, true, '', 'mixed separators'],
  ['2026-11-22', undefined, true, '', 'no time'],
  ['26-11-22T17:30:37Z', undefined, true, '', 'two digits of a year'],
  ['-026-11-22T17:30:37Z', undefined, true, '', 'a sign'],
];

describe('a stamp with a year', () => {
  for (const [stamp, ms, zoned, rest, because] of iso) {
    test(`${stamp}: ${because}`, () => {
      const found = readIsoStamp(stamp, 0, { nowMs: 0, timezone: 'Europe/Berlin' });
      if (ms === undefined) return assert.equal(found, undefined);
      assert.ok(found !== undefined);
      assert.deepEqual(found.stamp, { ms, zoned, fraction: /[.,]\d/.test(stamp) });
      assert.equal(stamp.slice(found.end), rest);
    });
  }

  test('is read back from what it was written from, to the microsecond', () => {
    const micros = fc.bigInt({ min: 0n, max: 4_102_444_800_000_000n });
    fc.assert(
      fc.property(micros, fc.integer({ min: -14 * 60, max: 14 * 60 }), (us, offsetMinutes) => {
        const wall = new Date(Number(us / 1_000n) + offsetMinutes * 60_000).toISOString().slice(0, 19);
        const [hours, minutes] = [Math.floor(Math.abs(offsetMinutes) / 60), Math.abs(offsetMinutes) % 60].map((n) =>
          String(n).padStart(2, '0'),
        );
        const text = `${wall}.${String(us % 1_000_000n).padStart(6, '0')}${offsetMinutes < 0 ? '-' : '+'}${hours}:${minutes}`;
        const found = readIsoStamp(text, 0, { nowMs: 0, timezone: 'UTC' });
        assert.deepEqual(found, { stamp: { ms: Number(us) / 1_000, zoned: true, fraction: true }, end: text.length });
      }),
    );
  });
});

test("Apache's stamps", () => {
  assert.equal(utc(readAccessStamp, '22/Nov/2026:17:30:37 +0100] "GET', '2026-11-22T00:00:00Z'), '2026-11-22T16:30:37Z');
  assert.equal(utc(readAccessStamp, '22/Nov/2026:17:30:37', '2026-11-22T00:00:00Z', 'Europe/Berlin'), '2026-11-22T16:30:37Z');
  assert.equal(utc(readAccessStamp, '22/Noo/2026:17:30:37', '2026-11-22T00:00:00Z'), undefined);
  assert.equal(utc(readAccessStamp, '31/Nov/2026:17:30:37', '2026-11-22T00:00:00Z'), undefined);
  assert.equal(utc(readAsctimeStamp, 'Sun Nov 22 17:30:37.123456 2026', '2020-11-22T00:00:00Z'), '2026-11-22T17:30:37Z');
  assert.equal(utc(readAsctimeStamp, 'Sun Nov  1 17:30:37 2026', '2020-11-22T00:00:00Z'), '2026-11-01T17:30:37Z');
  assert.equal(utc(readAsctimeStamp, 'Sun Nov 22 17:30:37', '2026-11-22T00:00:00Z'), undefined);
});

test('no reader fails on anything', () => {
  const piece = fc.constantFrom(
    'Nov',
    ' ',
    '2',
    '0',
    ':',
    '-',
    '/',
    'T',
    'Z',
    '+',
    '.',
    ',',
    '2026',
    '17:30:37',
    '\u0000',
    '\u{1f600}',
    '9'.repeat(400),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 24 }), fc.nat({ max: 30 }), (pieces, start) => {
      const text = pieces.join('');
      for (const reader of [readSyslogStamp, readIsoStamp, readAccessStamp, readAsctimeStamp]) {
        const found = reader(text, start, { nowMs: Date.UTC(2026, 10, 22), timezone: 'Europe/Berlin' });
        assert.ok(found === undefined || (Number.isFinite(found.stamp.ms) && found.end <= text.length && found.end > start));
      }
    }),
    { numRuns: 2_000 },
  );
});
