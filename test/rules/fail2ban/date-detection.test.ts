import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { wallClockToUtc } from '../../../src/parse/zone.ts';
import { dateFinder } from '../../../src/rules/fail2ban/date-finder.ts';
import { zoneMinutes } from '../../../src/rules/fail2ban/date-zones.ts';
import { RegexMistake } from '../../../src/rules/fail2ban/regex-tree.ts';
import { without } from '../../environment.ts';

const skip = without('fail2ban-client', 'python3');
/** 2005-08-14 12:00:00 in Zurich. */
const nowMs = 1_124_013_600_000;

interface DateCase {
  readonly patterns: readonly string[];
  readonly zone: string | null;
  readonly lines: readonly string[];
}

type DateHit = 'crash' | readonly [start: number, end: number, seconds: number | null] | null;

function theirs(cases: readonly DateCase[]): readonly (string | readonly DateHit[])[] {
  const { stdout, stderr, status } = spawnSync('python3', [join(import.meta.dirname, 'python-dates.py')], {
    input: JSON.stringify(cases.map(({ patterns, zone, lines }) => [patterns, zone, lines])),
    encoding: 'utf8',
    env: { ...process.env, TZ: 'Europe/Zurich' },
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as (string | DateHit[])[];
}

function ours({ patterns, zone, lines }: DateCase): string | readonly DateHit[] {
  try {
    const finder = dateFinder(patterns, {
      lastYear: new Date().getUTCFullYear() + 3,
      defaultZone: zone === null ? undefined : zoneMinutes(zone),
    });
    return lines.map((line) => {
      const found = finder.find(line);
      if (found === undefined) return null;
      const ms =
        found.start === found.end ? undefined : found.valueMs(nowMs, (wallMs, nearMs) => wallClockToUtc(wallMs, 'Europe/Zurich', nearMs));
      return [found.start, found.end, ms === undefined ? null : ms / 1_000];
    });
  } catch (error) {
    if (error instanceof RegexMistake) return error.message;
    throw error;
  }
}

const dates = [
  '2005-08-13T21:59:59.981746+02:00 x',
  '2005-08-13 21:59:59,98 Z',
  '2005/08/13 21:59:59',
  '2005.8.3  1:59:59',
  '2005-08/13 21:59:59',
  '1999-08-13 21:59:59',
  'Sat Aug 13 21:59:59.011 2005 x',
  'aug  3 21:59:59',
  'Aug 14 12:00:01',
  'Aug 15 12:00:01',
  'Dec 31 23:59:59',
  'Feb 29 00:00:00',
  'Aug 13 2005 21:59:59',
  'Aug 13 21:59:60',
  '13/08/2005 21:59:59',
  '13-08-05 1:59:59',
  '[13/Aug/2005:21:59:59 +0100] "GET',
  '13-Aug-2005 21:59:59.252 error',
  '08/13/2005:21:59:59',
  '08-13-2005 21:59:59.252',
  '1123999999.123 x',
  '[1123999999] x',
  'type=x msg=audit(1123999999.123:45): y',
  '1123999999.1٢3 x',
  '1123999999123',
  '1123999999123456',
  'x 1123999999',
  '112399999912',
  '21:59:59 x',
  '11:59:59 x',
  ' 21:59:59',
  'x 21:59:59',
  '<08/13/05@21:59:59> x',
  '050813 21:59:59',
  '050813  1:59:59',
  'Aug 13, 2005 9:59:59 PM',
  'Aug 13, 2005 12:59:59 am',
  'Aug-13-05 21:59:59 x',
  '20050813T215959',
  '20050813  215959.5 +0200',
  'CEST Aug 13 21:59:59',
  'XYZ Aug 13 21:59:59',
  '+00:00 Sat Aug 13 21:59:59.011 2005',
  '@400000004300000012345678 x',
  '[@400000004300000012345678]',
  '0000-12-30 00:00:00',
  '2005-02-30 00:00:00',
  '2005-03-27 02:30:00',
  '',
  'no date',
  '  2005-08-13 21:59:59',
  '((2005-08-13 21:59:59',
  '(((2005-08-13 21:59:59',
  'x2005-08-13 21:59:59',
  '2005-08-13 21:59:591',
  '٢٠٠٥-08-13 21:59:59',
  'é 2005-08-13 21:59:59 é',
  'WARNING: 2005-08-13 21:59:59',
  '2005-08-13 21:59:59 and 2005-08-12 21:59:59',
  '192.0.2.1 - - [13/Aug/2005:21:59:59 +0100] "GET /2005-08-12 21:59:59"',
  'mx at 13-Aug-2005 21:59:59 of Aug 12 21:59:59',
  'user x at 050813 21:59:59 and 2005-08-12 21:59:59 and Aug 11 21:59:59',
  '2005 225 10:00',
  'day 366 of it',
  'Mon 33 2005',
  'Sun 00 2005 1',
  '13 Aug 05 GMT+2',
  '13 Aug 05 EST',
  '13 Aug 05 utc',
  '13 Aug 05 -0330',
]; // prettier-ignore

const patterns: readonly (readonly string[])[] = [
  [],
  ['{DEFAULT}'],
  ['{^LN-BEG}'],
  ['{NONE}'],
  ['{none}'],
  ['EPOCH'],
  ['^EPOCH'],
  ['{^LN-BEG}EPOCH'],
  ['LEPOCH'],
  ['{^LN-BEG}LEPOCH'],
  ['{EPOCH}'],
  ['^\\[{EPOCH}\\]'],
  ['msg=audit\\({LEPOCH}:'],
  ['TAI64N'],
  ['^TAI64N'],
  ['{^LN-BEG}TAI64N', '{^LN-BEG}'],
  ['^{DATE}'],
  ['^\\s*\\[{DATE}\\]'],
  ['WARNING: {DATE}'],
  ['{DATE}$'],
  ['%Y-%m-%d %H:%M:%S'],
  ['^%Y-%m-%d %H:%M:%S'],
  ['{^LN-BEG}%Y-%m-%d %H:%M:%S'],
  ['**%Y-%m-%d %H:%M:%S**'],
  ['{UNB}%Y-%m-%d %H:%M:%S'],
  ['%ExY-%Exm-%Exd %ExH:%ExM:%ExS'],
  ['%b %d %Exk:%M:%S'],
  ['%B %d'],
  ['%d %b %y %Exz'],
  ['%d %b %y %ExZ'],
  ['%d %b %y %z'],
  ['%Y %j %H:%M'],
  ['day %j'],
  ['%a %U %Y'],
  ['%a %W %Y'],
  ['%a %U %Y %w'],
  ['%H:%M'],
  ['%I:%M:%S %p'],
  ['%l:%M:%S %p'],
  ['%d/%m/%y'],
  ['^WARNING:()**'],
  ['(%Y)-(?:%m)-%d'],
  ['x(?:%Y)-%m-%d %S'],
  ['(?P<Y>\\d{4})-(?P<m>\\d\\d)-(?P<d>\\d\\d)'],
  ['%Y-%m-%d %%'],
  ['%Y-%m-%d T?%H'],
  ['(?i)X%Y-%m-%d'],
  ['%y%m%d  ?%H:%M:%S'],
  ['%Q'],
  ['100%'],
  ['(%Y'],
  ['%Y%Y'],
  ['\\[%d/%b/%Y:%H:%M:%S %z\\]'],
  ['^[^-]*%m-%d %H'],
  ['%x', '%X'],
  ['%c'],
  ['%m/%d/%Exy@%H:%M:%S>'],
  ['(?:%Y-)?%m-%d\\b'],
  ['\\b%Y\\s'],
]; // prettier-ignore

describe('the date of a line', { skip }, () => {
  test("is what fail2ban's own detector finds, whatever the datepattern", () => {
    const cases = [null, 'UTC+0530', 'CEST'].flatMap((zone) => patterns.map((list) => ({ patterns: list, zone, lines: dates })));
    const found = theirs(cases);
    for (const [index, one] of cases.entries()) {
      const [mine, python] = [ours(one), found[index]];
      assert.ok(python !== undefined);
      if (typeof mine === 'string' || typeof python === 'string') {
        assert.equal(
          typeof mine,
          typeof python,
          `${JSON.stringify(one.patterns)}: ours ${JSON.stringify(mine)}, theirs ${JSON.stringify(python)}`,
        );
        continue;
      }
      for (const [place, line] of one.lines.entries()) {
        if (python[place] === 'crash') continue;
        assert.deepEqual(mine[place], python[place], `${JSON.stringify(one.patterns)} in ${one.zone} on ${JSON.stringify(line)}`);
      }
    }
  });
});

/** Of these, fail2ban 1.0.2 says otherwise. */
describe('the date of a line, as newer versions find it', () => {
  const cut = (pattern: readonly string[], line: string): readonly [string, number | undefined] | undefined => {
    const found = dateFinder(pattern, { lastYear: 2_029, defaultZone: 0 }).find(line);
    return found && [line.slice(found.start, found.end), found.valueMs(nowMs, (wallMs) => wallMs)];
  };

  for (const text of ['20050813-21:59:59', '20050813-215959', '20050813T21:59:59'])
    test(`"${text}" is one`, () => {
      assert.deepEqual(cut([], `x ${text} y`), [text, Date.UTC(2005, 7, 13, 21, 59, 59)]);
    });

  test('around {EPOCH}, a group of its own is what is cut out', () => {
    assert.deepEqual(cut(['^\\[({EPOCH})\\]'], '[1123999999.500] x'), ['1123999999.500', 1_123_999_999_500]);
    assert.deepEqual(cut(['^\\[{EPOCH}\\]'], '[1123999999.500] x'), ['[1123999999.500]', 1_123_999_999_500]);
  });

  test('what is no number behind two groups is no time', () => {
    assert.deepEqual(cut(['^(\\w)(\\w) {EPOCH}'], 'ab 1123999999 x'), ['a', undefined]);
  });
});
