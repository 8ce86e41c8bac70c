import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { createJournalFramer } from '../../src/frame/journal-framer.ts';
import { corpusFolder } from '../support/corpus.ts';
import { exported } from '../support/journal-export.ts';

const corpus = join(corpusFolder('postfix-real') ?? '', 'journal.export');

function framed(chunks: readonly Buffer[], maxEntryBytes = 10_000) {
  const framer = createJournalFramer({ maxEntryBytes });
  const pushed = chunks.map((chunk) => framer.push(chunk));
  const entries = pushed
    .flatMap(({ batches }) => batches)
    .flatMap(({ bytes, spans }) => Array.from({ length: spans.length / 2 }, (_, i) => bytes.subarray(spans[2 * i], spans[2 * i + 1])));
  return {
    entries: entries.map((entry) => entry.toString('latin1')),
    oversize: pushed.reduce((sum, { oversize }) => sum + oversize, 0),
    broken: pushed.some(({ broken }) => broken),
  };
}

/** Cut at these places. */
function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const all = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return all.slice(1).map((to, i) => bytes.subarray(all[i], to));
}

/** Values that look like the format itself: blank lines, names, lengths that begin with LF or are the sizes of something else. */
const value = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom(
    '',
    '\n',
    '\n\n',
    'a\n\nMESSAGE=b\n\n',
    '\0\0\0\0\0\0\0\0',
    'MESSAGE\n\n\0\0\0\0\0\0\0',
    '__CURSOR=x\n',
    '=',
    'x'.repeat(300),
  ),
  // Lengths of which the first byte, or the first two, are LF.
  fc.constantFrom(10, 0x0a0a, 0x0a, 266).map((length) => '\u001b'.repeat(length)),
);
const entry = fc
  .array(fc.tuple(fc.constantFrom('MESSAGE', '_PID', 'A', 'SYSLOG_IDENTIFIER'), value), { minLength: 1, maxLength: 5 })
  .map((fields) => Buffer.concat(fields.map(([name, text]) => exported({ [name]: text }).subarray(0, -1)).concat(Buffer.from('\n'))));

describe('the stream of journalctl -o export', () => {
  test('is split into its entries, whatever their values are and wherever the chunks end', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 8 }), (entries, places) => {
        const { entries: found, oversize, broken } = framed(cut(Buffer.concat(entries), places));
        assert.deepEqual(
          found,
          entries.map((bytes) => bytes.toString('latin1')),
        );
        assert.deepEqual([oversize, broken], [0, false]);
      }),
      { numRuns: 1_000 },
    );
  });

  test('split at every byte gives the same', () => {
    const entries = [{ A: '1', MESSAGE: 'x' }, { MESSAGE: 'a\n\nb' }, { MESSAGE: '\u001b'.repeat(10), _PID: '7' }, { A: '' }].map(exported);
    const whole = Buffer.concat(entries);
    const expected = entries.map((bytes) => bytes.toString('latin1'));
    for (let at = 0; at <= whole.length; at += 1) assert.deepEqual(framed(cut(whole, [at])).entries, expected, `cut at ${at}`);
    assert.deepEqual(framed(Array.from(whole, (byte) => Buffer.of(byte))).entries, expected);
  });

  test('an entry beyond the bound is left out and counted, the others come, wherever the chunks end', () => {
    const long = fc.constantFrom(
      exported({ MESSAGE: 'x'.repeat(2_000) }),
      exported({ MESSAGE: `\u001b\n\n${'y'.repeat(2_000)}`, A: '1' }),
      exported(Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`F${i}`, 'some value']))),
    );
    const short = fc.constantFrom(exported({ MESSAGE: 'x' }), exported({ MESSAGE: '\u001b' }));
    fc.assert(
      fc.property(fc.array(fc.oneof(short, long), { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 8 }), (entries, places) => {
        const { entries: found, oversize } = framed(cut(Buffer.concat(entries), places), 1_000);
        const kept = entries.filter(({ length }) => length <= 1_000);
        assert.deepEqual(
          found,
          kept.map((bytes) => bytes.toString('latin1')),
        );
        assert.equal(oversize, entries.length - kept.length);
      }),
    );
  });

  test('half an entry at the end is none', () => {
    assert.deepEqual(framed([exported({ A: '1' }), Buffer.from('MESSAGE=x\n')]).entries, ['A=1\n\n']);
  });

  test('blank lines between entries are nothing', () => {
    assert.deepEqual(framed([Buffer.from('\n\nA=1\n\n\nB=1\n\n')]).entries, ['A=1\n\n', 'B=1\n\n']);
  });

  const impossible: readonly [bytes: string, because: string][] = [
    ['MESSAGE\n\0\0\0\0\0\0\0\x01x', 'a length that nothing has'],
    ['MESSAGE\n\x02\0\0\0\0\0\0\0abc', 'no LF where the value ends'],
  ];
  for (const [bytes, because] of impossible) {
    test(`is broken by ${because}; what came before is handed over`, () => {
      const { entries, broken } = framed([exported({ A: '1' }), Buffer.from(bytes, 'latin1'), exported({ A: '2' })]);
      assert.deepEqual([entries, broken], [['A=1\n\n'], true]);
    });
  }

  test('of a real Postfix has 1128 entries', { skip: existsSync(corpus) ? false : 'left out: no corpus/postfix-real' }, () => {
    const bytes = readFileSync(corpus);
    assert.equal(framed([bytes]).entries.length, 1_128);
    const chunks = Array.from({ length: Math.ceil(bytes.length / 999) }, (_, i) => bytes.subarray(i * 999, (i + 1) * 999));
    assert.deepEqual(framed(chunks).entries, framed([bytes]).entries);
  });
});
