import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { type Needle, needlesFor } from '../../src/sieve/needles.ts';
import { createSieve } from '../../src/sieve/sieve.ts';
import { slowFind } from './slow-find.ts';

const needle = (text: string, fold = false): Needle => ({ bytes: Buffer.from(text), fold });

const someNeedles = fc.array(
  fc.record({
    bytes: fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 3, maxLength: 8 }).map((chars) => Buffer.from(chars.join(''))),
    fold: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);

/** Needles, halves of them, and what separates them: they overlap, lie across vectors, and nearly occur. */
const adversarial = someNeedles.chain((needles) => {
  const whole = fc.constantFrom(...needles.map(({ bytes }) => bytes.toString()));
  const half = whole.map((text) => text.slice(0, -1));
  const other = fc.constantFrom('a', 'b', 'c', 'A', 'B', '\n', '\n', '\0', 'é', 'x', '            ');
  const content = fc.array(
    fc.oneof(
      whole,
      whole.map((text) => text.toUpperCase()),
      half,
      half.map((text) => text.slice(1)),
      other,
    ),
    { maxLength: 60 },
  );
  return fc.record({ needles: fc.constant(needles), content: content.map((parts) => Buffer.from(parts.join(''))) });
});
const anything = fc.record({ needles: someNeedles, content: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) });

/** The lines in which something is found: which, and where each begins. */
function linesFound(find: typeof slowFind, bytes: Buffer, start: number, end: number): readonly string[] {
  const lines: string[] = [];
  let at = start;
  while (at < end) {
    const hit = find(bytes, at, end);
    lines.push(`${hit.lines} LFs, then ${hit.found < end ? hit.lineStart : 'none'}`);
    const lineEnd = bytes.indexOf('\n', hit.found);
    at = hit.found === end || lineEnd === -1 ? end : lineEnd + 1;
  }
  return lines;
}

describe('the sieve finds the lines that a byte by byte search finds', () => {
  for (const [name, input] of Object.entries({ adversarial, anything })) {
    test(`in ${name} input, wherever it begins and ends, copied or not`, () => {
      fc.assert(
        fc.property(input, fc.nat(40), fc.nat(40), fc.boolean(), ({ content, needles }, skip, rest, copied) => {
          const sieve = createSieve(needles, 1_024);
          if (!copied) sieve.input.set(content);
          const where = copied ? content : sieve.input;
          const start = Math.min(skip, content.length);
          const end = Math.max(start, content.length - rest);
          const quick: typeof slowFind = (bytes, from, to) => {
            const found = sieve.find(bytes, from, to);
            assert.ok(found === to || slowFind(bytes, found, to, needles).found === found, 'there is a needle where it says so');
            return { found, lines: sieve.lines(), lineStart: sieve.lineStart() };
          };
          const slow: typeof slowFind = (bytes, from, to) => slowFind(bytes, from, to, needles);
          assert.deepEqual(linesFound(quick, where, start, end), linesFound(slow, where, start, end));
        }),
        { numRuns: 500 },
      );
    });
  }

  test('at every place around the borders of the pieces that are copied', () => {
    const sieve = createSieve([needle('needle')], 0);
    const bytes = Buffer.alloc(3 * 65_536, 'x\n');
    for (const border of [4_096, 4_096 - 64 + 65_536, 2 * (65_536 - 64) + 4_096]) {
      for (let at = border - 80; at < border + 80; at += 1) {
        const kept = Buffer.from(bytes.subarray(at, at + 6));
        bytes.write('needle', at, 'latin1');
        assert.equal(sieve.find(bytes, 0, bytes.length), at);
        assert.equal(sieve.lines(), Math.floor(at / 2));
        assert.equal(sieve.lineStart(), at - (at % 2));
        bytes.set(kept, at);
      }
    }
    assert.equal(sieve.find(bytes, 0, bytes.length), bytes.length);
    assert.equal(sieve.lines(), bytes.length / 2);
  });

  test('what was in its memory before does not count', () => {
    const sieve = createSieve([needle('needle')], 64);
    sieve.input.write('..needle\n\n');
    assert.equal(sieve.find(sieve.input, 0, 7), 7);
    assert.equal(sieve.lines(), 0);
    assert.equal(sieve.find(sieve.input, 0, 8), 2);
  });
});

describe('needles', () => {
  const texts = (...groups: readonly (readonly { text: string; fold: boolean }[])[]): readonly string[] | undefined =>
    needlesFor(groups)?.map(({ bytes, fold }) => (fold ? `${bytes.toString()} in any case` : bytes.toString()));
  const exact = (text: string) => ({ text, fold: false });
  const folded = (text: string) => ({ text, fold: true });

  test('one that holds another is found with that one', () => {
    assert.deepEqual(texts([exact(': reject: ')], [exact('NOQUEUE: reject: '), exact('pregreet')]), [': reject: ', 'pregreet']);
    assert.deepEqual(texts([folded('reject')], [exact('REJECT'), exact('a Reject'), exact('eject')]), ['reject in any case', 'eject']);
  });
  test('a pattern of which nothing can be required: everything may matter', () => assert.equal(texts([exact('reject')], []), undefined));
  test('one too short to be searched for: everything may matter', () => assert.equal(texts([exact('ab')]), undefined));
  test('U+FFFD is not in the bytes', () => assert.deepEqual(texts([exact('ab\ufffdcdefg\ufffdh')]), ['cdefg']));
  test('a surrogate alone has no bytes', () => assert.deepEqual(texts([exact('abc\ud800defg')]), ['defg']));
  test('LF and NUL end lines and frames', () => assert.deepEqual(texts([exact('abc\ndefg\0hi')]), ['defg']));
  test('in any case, K and s have forms outside ASCII, and Turkish has two of i', () =>
    assert.deepEqual(texts([folded('Authentication failure')]), ['authent in any case']));
  test('characters of several bytes are searched for by their bytes', () => assert.deepEqual(texts([exact('Größe')]), ['Größe']));
});

test('the longest needles that are allowed fit', () => {
  const needles = Array.from({ length: 256 }, (_, index) => needle(`${String(index).padStart(4, '0')}${'x'.repeat(60)}`));
  const sieve = createSieve(needles, 256);
  for (const [index, each] of needles.entries()) {
    sieve.input.fill('\n').set(each.bytes, 7);
    assert.equal(sieve.find(sieve.input, 0, 256), 7, String(index));
  }
});
