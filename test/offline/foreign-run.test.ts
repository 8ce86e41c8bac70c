import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { LineVerdict } from '../../src/match/fail2ban/line-matcher.ts';
import type { ForeignFilter } from '../../src/model/foreign-filter.ts';
import type { Sieve } from '../../src/model/sieve.ts';
import { ForeignRun } from '../../src/offline/foreign-run.ts';
import type { FilterTexts } from '../../src/model/foreign-filter.ts';
import { compileFilter } from '../../src/rules/fail2ban/compile-filter.ts';
import { foreignNeedles } from '../../src/sieve/foreign-needles.ts';
import { createSieve } from '../../src/sieve/sieve.ts';

const nowMs = Date.UTC(2026, 10, 22, 17, 31);

function filterOf(texts: Partial<FilterTexts>): ForeignFilter {
  const { filter, mistakes } = compileFilter(
    {
      failregex: [],
      ignoreregex: [],
      prefregex: undefined,
      datepattern: [],
      maxlines: 1,
      usedns: 'warn',
      logtimezone: undefined,
      ...texts,
    },
    nowMs,
  );
  assert.ok(filter !== undefined, JSON.stringify(mistakes));
  return filter;
}

const sieves = new Map<ForeignFilter, Sieve | undefined>();

function sieveOf(filter: ForeignFilter): Sieve | undefined {
  const needles = foreignNeedles(filter);
  if (!sieves.has(filter)) sieves.set(filter, needles === undefined ? undefined : createSieve(needles, 0));
  return sieves.get(filter);
}

/** Verdicts by line number, and how many lines were left out or were nothing. */
function judged(filter: ForeignFilter, regions: readonly Buffer[], sifted: boolean, { noDate = false, deadlineMs = 10_000 } = {}) {
  const sieve = sifted ? sieveOf(filter) : undefined;
  const found: (readonly [number, LineVerdict | undefined])[] = [];
  let nothing = 0;
  let passed = 0;
  const run = new ForeignRun(filter, {
    nowMs,
    noDate,
    deadlineMs,
    sieve,
    line: (number, _text, verdict) => {
      if (verdict?.kind === 'nothing') nothing += 1;
      else found.push([number, verdict]);
    },
    passed: (lines) => {
      nothing += lines;
      passed += lines;
    },
  });
  for (const region of regions) run.region(region);
  run.end();
  return { result: { found, nothing, stopped: run.stopped }, passed };
}

const filters: Readonly<Record<string, ForeignFilter>> = {
  plain: filterOf({ failregex: ['bad guest from <HOST>', 'warning: <HOST>'] }),
  'any letter case': filterOf({ failregex: ['(?i)bad kelvin guest from <HOST>', 'was(?i:king) <HOST>$'] }),
  'a prefregex': filterOf({
    prefregex: '^\\s*mx (?:warning|[Ee]rror): <F-CONTENT>.+</F-CONTENT>$',
    failregex: ['^bad guest from <HOST>', 'from <HOST>'],
  }),
  'ignoreregexes, asked first and last': filterOf({
    failregex: ['bad guest from <HOST>', 'bad (?:one|two) <HOST>', 'warning: <HOST>', 'error: <HOST>', 'from <HOST>'],
    ignoreregex: ['guest', 'mx'],
  }),
  'lines joined by connection': filterOf({
    failregex: [
      '^ mx s\\[<F-MLFID>\\d+</F-MLFID>\\]: <F-NOFAIL>connect</F-NOFAIL> <HOST>',
      '^ mx s\\[<F-MLFID>\\d+</F-MLFID>\\]: bad guest',
    ],
  }),
  'a date at the beginning alone': filterOf({ failregex: ['bad guest from <HOST>', 'warning: <HOST>'], datepattern: ['{^LN-BEG}'] }),
  'a date of its own, anywhere': filterOf({
    failregex: ['bad guest from <HOST>', 'warning: <HOST>'],
    datepattern: ['{UNB}<%d/%m/%Y>', '{^LN-BEG}'],
  }),
  'no date': filterOf({ failregex: ['bad guest from <HOST>'], datepattern: ['{NONE}'] }),
  'a lookahead': filterOf({ failregex: ['guest(?= of \\w+ auth=0/) .* <HOST>$', 'warning: <HOST>'] }),
  'matches of several lines': filterOf({ failregex: ['^.*bad guest<SKIPLINES>.*from <HOST>'], maxlines: 3 }),
  'nothing that is required': filterOf({ failregex: ['\\d <HOST>'] }),
};

const date = fc.constantFrom(
  'Nov 22 17:30:37',
  'Nov 22 17:30:38',
  'Nov 22 17:30:38 2026',
  'Nov 22 17:30:38.5',
  'Nov 31 17:30:37',
  'Nov  2 17:30:37',
  '2026-11-22T17:30:37',
  '2026-11-22 17:30:59,123 +0000',
  '1795368637',
  '@4000000069f0a0b00a0b0c0d',
  '<22/11/2026>',
  '<11/22/26@17:30:37>',
  '22/Nov/2026:17:30:37 +0000',
  '17:30:37',
);
const piece = fc.oneof(
  { weight: 3, arbitrary: date },
  {
    weight: 8,
    arbitrary: fc.constantFrom(
      ' bad guest from 192.0.2.1',
      'bad guest ',
      'bad ',
      'guest ',
      'from 192.0.2.2',
      ' mx warning: 192.0.2.3',
      ' mx warning: bad guest from 192.0.2.3',
      ' mx s[7]: connect 192.0.2.5',
      ' mx s[7]: bad guest',
      'warning',
      ': 192.0.2.4',
      'BAD \u212aelvin guest FROM 192.0.2.6',
      'Bad Kelvin Gue\u017ft from 192.0.2.6',
      'waskIng 192.0.2.7',
      'wask\u0130ng 192.0.2.7',
      'guest of x auth=0/1 y 192.0.2.8',
      'nothing at all',
    ),
  },
  { weight: 3, arbitrary: fc.constantFrom(' ', '  ', ': ', '[', ']', '-', '\r', '\ufffd', 'ä', '😀', '') },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll('\n', ' ')) },
);
const line = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(date, piece, piece).map((parts) => parts.join('')) },
  { weight: 4, arbitrary: fc.array(piece, { maxLength: 5 }).map((parts) => parts.join('')) },
  // A date in the middle of what is looked for.
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(' bad guest from 192.0.2.9', ' mx warning: 192.0.2.9'), fc.nat(20), date)
      .map(([text, at, when]) => `${text.slice(0, at)}${when}${text.slice(at)}`),
  },
);
const regions = fc
  .tuple(fc.array(fc.array(line, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([groups, ended]) =>
    groups.map((lines, index) => {
      const text = lines.join('\n');
      return Buffer.from(ended || index < groups.length - 1 ? `${text}\n` : text);
    }),
  )
  .filter((all) => all.every(({ length }) => length > 0));

describe("a log's way through a filter of fail2ban", () => {
  for (const [name, filter] of Object.entries(filters)) {
    test(`${name}: the sieve changes nothing`, () => {
      fc.assert(
        fc.property(regions, (given) => assert.deepEqual(judged(filter, given, true).result, judged(filter, given, false).result)),
        { numRuns: 100 },
      );
    });
  }

  test('lines that hold nothing the filter looks for are left out', () => {
    const region = Buffer.from('Nov 22 17:30:37 a\nNov 22 17:30:37 b\nNov 22 17:30:37 warning: 192.0.2.1\n');
    for (const name of ['plain', 'a lookahead']) assert.equal(judged(filters[name] ?? filterOf({}), [region], true).passed, 2);
    for (const name of ['matches of several lines', 'nothing that is required'])
      assert.equal(judged(filters[name] ?? filterOf({}), [region], true).passed, 0);
  });

  test('a line without a date is of the time of the last one with a date, also of one that was left out, in another region', () => {
    const given = ['Nov 22 17:30:10 x warning: 192.0.2.1\nNov 22 17:30:55 a\nb\n', 'c\nwarning: 192.0.2.2\n'].map((text) =>
      Buffer.from(text),
    );
    const { found } = judged(filters['plain'] ?? filterOf({}), given, true).result;
    assert.deepEqual(
      found.map(([number, verdict]) => [number, verdict?.kind === 'failure' ? verdict.timeMs : undefined]),
      judged(filters['plain'] ?? filterOf({}), given, false).result.found.map(([number, verdict]) => [
        number,
        verdict?.kind === 'failure' ? verdict.timeMs : undefined,
      ]),
    );
    assert.equal(found.length, 2);
  });

  test('an expression that takes too long is stopped, three times, and what was found before stays', () => {
    const filter = filterOf({ failregex: ['^x(?:a+)+b <HOST>', 'warning: <HOST>'] });
    const slow = `x${'a'.repeat(60)}! 192.0.2.1`;
    const text = ['warning: 192.0.2.1', slow, 'warning: 192.0.2.2', slow, slow, 'warning: 192.0.2.3'].join('\n');
    const { found, stopped } = judged(filter, [Buffer.from(text)], false, { noDate: true, deadlineMs: 100 }).result;
    assert.deepEqual(stopped, [2, 4, 5]);
    assert.deepEqual(
      found.flatMap(([number, verdict]) => (verdict?.kind === 'failure' ? [number] : [])),
      [1, 3],
    );
  });

  test('failures that are rendered come in their place among the other lines', () => {
    const filter = filterOf({ failregex: ['^(?:x(?:a+)+b|warning:) <HOST>'] });
    const slow = `x${'a'.repeat(60)}! 192.0.2.1`;
    const text = ['warning: 192.0.2.1', 'nothing', slow, 'warning: 192.0.2.2'].join('\n');
    const said: string[] = [];
    const run = new ForeignRun(filter, {
      nowMs,
      noDate: true,
      deadlineMs: 100,
      sieve: undefined,
      line: (number, _text, verdict) => said.push(`${number} ${verdict?.kind ?? 'stopped'}`),
      failure: { render: (number, { id }) => `${number} ${id}`, take: (rendered) => said.push(rendered) },
      passed: () => undefined,
    });
    run.region(Buffer.from(text));
    assert.deepEqual(said, ['1 192.0.2.1', '2 nothing', '3 stopped', '4 192.0.2.2']);
  });
});
