import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { findFilter } from '../../src/find-filter.ts';
import { createFittingPatterns } from '../../src/match/fitting-patterns.ts';
import { createLiteralIndex } from '../../src/sieve/literal-index.ts';

const filters = ['postfix', 'sshd', 'dovecot', 'pam'].flatMap((name) => {
  const found = findFilter(name);
  return 'filter' in found ? [found.filter] : [];
});
const fittingTo = createFittingPatterns(filters);
// The first ones are tried on everything.
for (let text = 0; text < 64; text += 1) fittingTo('');

const piece = fc.oneof(
  fc.constantFrom(
    'NOQUEUE: reject: RCPT from unknown[192.0.2.4]: 454 4.7.1 <a@b.example>: Relay access denied; from=<c@d.example>',
    'NOQUEUE: reject: RCPT from [192.0.2.4]:39301: 550 5.5.1 Protocol error; from=<c@d.example>, to=<a@b.example>, proto=ESMTP, helo=<x>',
    'warning: unknown[192.0.2.4]: SASL LOGIN authentication failed: ',
    'Failed password for invalid user ',
    ' from 192.0.2.4 port 22 ssh2',
    'Ω🙂\ufffd',
    'x'.repeat(700),
    '3A1B2C3: client=unknown[192.0.2.4]',
  ),
  fc.string({ maxLength: 20 }),
);

describe('the patterns left by their literals', () => {
  test('are all that match, in their order', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
        const text = pieces.join('');
        const left = fittingTo(text);
        for (const [index, filter] of filters.entries()) {
          const fitting = left?.[index] ?? { patterns: [], except: [], remember: [], success: [] };
          for (const kind of ['patterns', 'except'] as const) {
            const kept = fitting[kind];
            assert.deepEqual(
              kept,
              filter[kind].filter((pattern) => kept.includes(pattern)),
            );
            for (const pattern of filter[kind]) if (pattern.match(text) !== undefined) assert.ok(kept.includes(pattern), pattern.name);
          }
          for (const memory of filter.remember) if (memory.pattern.match(text) !== undefined) assert.ok(fitting.remember.includes(memory));
        }
      }),
      { numRuns: 500 },
    );
  });

  test('are few for an ordinary line', () => {
    const [postfix] = fittingTo('3A1B2C3: client=unknown[192.0.2.4]') ?? [];
    assert.equal(postfix?.remember.length, 1);
    assert.ok((postfix?.patterns.length ?? 99) < 3);
  });
});

describe('a literal index', () => {
  test('marks exactly the literals that a text holds, however many there are', () => {
    const word = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 3, maxLength: 6 }).map((chars) => chars.join(''));
    fc.assert(
      fc.property(
        fc.uniqueArray(word, { minLength: 1, maxLength: 200 }),
        fc.array(fc.oneof(word, fc.constantFrom('é', '\n')), { maxLength: 12 }),
        (words, parts) => {
          const index = createLiteralIndex(words, 1_024);
          const text = parts.join('');
          const marks = index.marksOf(text);
          for (const each of words) {
            const number = index.numberOf(each);
            if (number !== undefined) assert.equal(((marks[number >> 5] ?? 0) >>> (number & 31)) & 1, text.includes(each) ? 1 : 0, each);
          }
          assert.equal(words.filter((each) => index.numberOf(each) !== undefined).length, Math.min(128, words.length));
        },
      ),
      { numRuns: 200 },
    );
  });

  test('does not look for what has characters of several bytes', () =>
    assert.equal(createLiteralIndex(['Größe'], 64).numberOf('Größe'), undefined));
});
