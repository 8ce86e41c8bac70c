import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import * as fc from 'fast-check';
import { createFramer, type Framed } from '../../src/frame/framer.ts';

interface Seen {
  readonly frames: readonly string[];
  readonly cut: number;
  readonly compressed: number;
  readonly violations: number;
}

/** Pushes the chunks, then ends the stream. Frames as latin1, so that each octet is one character. */
function frameAll(chunks: readonly Buffer[], maxFrameBytes = 100): Seen {
  const framer = createFramer({ maxFrameBytes });
  const results: Framed[] = [...chunks.map((chunk) => framer.push(chunk)), framer.end()];
  return {
    frames: results.flatMap(({ batches }) => batches.flatMap(({ bytes, spans }) => spanTexts(bytes, spans))),
    cut: results.reduce((sum, result) => sum + result.cut, 0),
    compressed: results.reduce((sum, result) => sum + result.compressed, 0),
    violations: results.filter((result) => result.violation !== undefined).length,
  };
}

function spanTexts(bytes: Buffer, spans: readonly number[]): string[] {
  const texts: string[] = [];
  for (let i = 0; i < spans.length; i += 2) texts.push(bytes.toString('latin1', spans[i], spans[i + 1]));
  return texts;
}

function framesOf(stream: string, maxFrameBytes?: number): Seen {
  return frameAll([Buffer.from(stream, 'latin1')], maxFrameBytes);
}

const zlib = `z${deflateSync('<22>Nov 22 17:30:37 mx1 postfix/smtpd[1]: x\nand more of it, so that it is worth the work').toString('latin1')}`;
const long = 'x'.repeat(150);

const cases: readonly [because: string, stream: string, expected: Partial<Seen>][] = [
  ['octet counting', '6 <22>ab5 <22>c', { frames: ['<22>ab', '<22>c'] }],
  ['octet counting, LF counted in', '7 <22>ab\n5 <22>c', { frames: ['<22>ab', '<22>c'] }],
  ['octet counting, LF and NUL inside are text', '9 <22>a\nb\0c', { frames: ['<22>a\nb\0c'] }],
  ['octet counting holds a text that looks like a count', '11 <22>3 <22>x6 <22>ab', { frames: ['<22>3 <22>x', '<22>ab'] }],
  ['octet counting allows a frame without PRI once it is locked', '5 <22>a2 hi', { frames: ['<22>a', 'hi'] }],
  ['octet counting, only framing inside', '5 <22>a1 \n5 <22>b', { frames: ['<22>a', '<22>b'] }],
  ['LF', '<22>ab\n<22>c\n', { frames: ['<22>ab', '<22>c'] }],
  ['CR LF', '<22>ab\r\n<22>c\r\n', { frames: ['<22>ab', '<22>c'] }],
  ['LF, the last line without', '<22>ab\n<22>c', { frames: ['<22>ab', '<22>c'] }],
  ['LF, empty lines are no frames', '\n<22>ab\n\n\r\n\n<22>c\n', { frames: ['<22>ab', '<22>c'] }],
  ['LF, NUL inside later lines is text', '<22>ab\n<22>c\0d\n', { frames: ['<22>ab', '<22>c\0d'] }],
  ['LF, a line without PRI', '<22>ab\nand more\n', { frames: ['<22>ab', 'and more'] }],
  ['LF, a line that begins with a number', '<22>ab\n12 apples\n7\n', { frames: ['<22>ab', '12 apples', '7'] }],
  ['NUL', '<22>ab\0<22>c\0', { frames: ['<22>ab', '<22>c'] }],
  ['NUL, LF inside is text', '<22>ab\0<22>c\nd\0', { frames: ['<22>ab', '<22>c\nd'] }],
  ['NUL and LF after each frame', '<22>ab\0\n<22>c\0\n', { frames: ['<22>ab', '<22>c'] }],
  ['LF and NUL after each frame', '<22>ab\n\0<22>c\n\0', { frames: ['<22>ab', '<22>c'] }],
  ['text without PRI', 'hello\nworld\n', { frames: ['hello', 'world'] }],
  ['text that begins with a number', '12 apples\n3 <pears>\n', { frames: ['12 apples', '3 <pears>'] }],
  ['text that begins with a long number', '1795368637810671123 x\n', { frames: ['1795368637810671123 x'] }],
  ['text that is a number', '4711', { frames: ['4711'] }],
  ['a count with leading zeros is text', '05 <22>a\n', { frames: ['05 <22>a'] }],
  ['nothing', '', { frames: [] }],

  ['counted, cut', `154 <22>${long}5 <22>c`, { frames: [`<22>${long}`.slice(0, 100), '<22>c'], cut: 1 }],
  ['LF, cut', `<22>${long}\n<22>c\n`, { frames: [`<22>${long}`.slice(0, 100), '<22>c'], cut: 1 }],
  ['NUL, cut', `<22>c\0<22>${long}\0<22>d\0`, { frames: ['<22>c', `<22>${long}`.slice(0, 100), '<22>d'], cut: 1 }],
  ['text, cut', `${long}\n${long}`, { frames: [long.slice(0, 100), long.slice(0, 100)], cut: 2 }],
  ['just as long as it may be', `<22>${long}`.slice(0, 100).concat('\n<22>c\n'), { frames: [`<22>${long}`.slice(0, 100), '<22>c'] }],

  ['counted: something else than a count', '5 <22>a<22>b', { frames: ['<22>a'], violations: 1 }],
  ['counted: the count is too small', '5 <22>abcd6 <22>ef', { frames: ['<22>a'], violations: 1 }],
  ['counted: the count is too large', '9 <22>a6 <22>bc', { frames: ['<22>a6 <2'], violations: 1 }],
  ['counted: the stream ends inside', '5 <22>a50 <22>b', { frames: ['<22>a'], violations: 1 }],
  ['counted: the stream ends inside a count', '5 <22>a12', { frames: ['<22>a'], violations: 1 }],
  ['counted: zero', '5 <22>a0 <22>b', { frames: ['<22>a'], violations: 1 }],
  ['counted: leading zero', '5 <22>a05 <22>b', { frames: ['<22>a'], violations: 1 }],
  ['counted: negative', '5 <22>a-5 <22>b', { frames: ['<22>a'], violations: 1 }],
  ['counted: 8 digits', '5 <22>a12345678 <22>b', { frames: ['<22>a'], violations: 1 }],
  ['counted: 8 digits at once', '12345678 <22>b', { frames: [], violations: 1 }],
  ['counted: 40 digits', `5 <22>a${'9'.repeat(40)} <22>b`, { frames: ['<22>a'], violations: 1 }],
  ['LF: a counted frame', '<22>a\n5 <22>b<22>c\n', { frames: ['<22>a'], violations: 1 }],
  ['NUL: a frame without PRI', '<22>a\0b\n<22>c\n', { frames: ['<22>a'], violations: 1 }],
  ['NUL: a counted frame', '<22>a\x005 <22>b', { frames: ['<22>a'], violations: 1 }],

  ['compressed among lines', `<22>a\n${zlib.length} ${zlib}<22>b\n`, { frames: ['<22>a', '<22>b'], compressed: 1 }],
  ['compressed among counted', `5 <22>a${zlib.length} ${zlib}5 <22>b`, { frames: ['<22>a', '<22>b'], compressed: 1 }],
  [
    'compressed first, then lines',
    `${zlib.length} ${zlib}${zlib.length} ${zlib}<22>b\n<22>c\n`,
    { frames: ['<22>b', '<22>c'], compressed: 2 },
  ],
  ['text that begins with z', '<22>a\n3 zebras\n4 zx\n', { frames: ['<22>a', '3 zebras', '4 zx'] }],
  ['counted text that begins with z', '5 <22>a1 z2 zx3 zxy5 <22>b', { frames: ['<22>a', 'z', 'zx', 'zxy', '<22>b'] }],
];

describe('a framer', () => {
  for (const [because, stream, expected] of cases) {
    const whole: Seen = { frames: [], cut: 0, compressed: 0, violations: 0, ...expected };
    test(because, () => assert.deepEqual(framesOf(stream), whole));

    test(`${because}: split in two at every byte`, () => {
      const bytes = Buffer.from(stream, 'latin1');
      for (let at = 0; at <= bytes.length; at += 1) {
        assert.deepEqual(frameAll([bytes.subarray(0, at), bytes.subarray(at)]), whole, `at byte ${at}`);
      }
    });
    test(`${because}: byte by byte`, () => {
      assert.deepEqual(frameAll(Array.from(Buffer.from(stream, 'latin1'), (byte) => Buffer.of(byte))), whole);
    });
  }

  test('gives the same frames however any bytes are split', () => {
    const byte = fc.oneof(fc.constantFrom(0x0a, 0x0d, 0, 0x3c, 0x31, 0x32, 0x33, 0x20, 0x7a, 0x78, 0x9c), fc.integer({ min: 0, max: 255 }));
    const stream = fc.array(byte, { maxLength: 120 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(
        stream,
        fc.array(fc.nat({ max: 120 }), { maxLength: 8 }),
        fc.integer({ min: 1, max: 40 }),
        (bytes, cuts, maxFrameBytes) => {
          const edges = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b), bytes.length];
          const chunks = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge));
          const seen = frameAll([bytes], maxFrameBytes);
          assert.deepEqual(frameAll(chunks, maxFrameBytes), seen);
          assert.ok(seen.frames.every((frame) => frame.length > 0 && frame.length <= maxFrameBytes));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test('gives back what any sender framed', () => {
    const text = fc.string({ unit: fc.constantFrom('a', ' ', '<', '1', 'é', '\t', '['), minLength: 0, maxLength: 60 });
    const frames = fc.array(
      text.map((body) => `<22>${body}`),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(frames, fc.constantFrom('counted', '\n', '\0'), (texts, framing) => {
        const stream = texts.map((frame) => (framing === 'counted' ? `${frame.length} ${frame}` : frame + framing)).join('');
        assert.deepEqual(framesOf(stream).frames, texts);
      }),
    );
  });
});

describe('a framer bounds', () => {
  test('memory: 100 MB without an end hold no more than one frame', () => {
    const framer = createFramer({ maxFrameBytes: 65_536 });
    const chunk = Buffer.alloc(65_000, 'x');
    const before = process.memoryUsage().arrayBuffers;
    let frames = 0;
    for (let sent = 0; sent < 100_000_000; sent += chunk.length) {
      for (const { spans } of framer.push(chunk).batches) frames += spans.length / 2;
    }
    assert.equal(frames, 1);
    assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000);
    assert.deepEqual(spansAfter(framer.push(Buffer.from('\nnext\n'))), ['next']);
  });

  test('work: a message that comes byte by byte is not copied again for each byte', () => {
    const framer = createFramer({ maxFrameBytes: 65_536 });
    const byte = Buffer.from('x');
    const started = process.cpuUsage();
    for (let sent = 0; sent < 1_000_000; sent += 1) framer.push(byte);
    // A copy of the 64 KiB held for each byte would be 65 GB.
    assert.ok(process.cpuUsage(started).user < 5_000_000);
    assert.deepEqual(spansAfter(framer.push(Buffer.from('\nnext\n'))), ['next']);
  });

  test('a peer that sends on after a violation', () => {
    const framer = createFramer({ maxFrameBytes: 100 });
    assert.equal(framer.push(Buffer.from('5 <22>aX')).violation, 'no octet count where one must stand');
    assert.deepEqual(framer.push(Buffer.from('5 <22>b')), { batches: [], cut: 0, compressed: 0, violation: undefined });
  });
});

function spansAfter(framed: Framed): string[] {
  return framed.batches.flatMap(({ bytes, spans }) => spanTexts(bytes, spans));
}
