import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { readLines } from '../../src/receive/bounded-lines.ts';

async function split(chunks: readonly Buffer[], maxLength: number): Promise<{ lines: string[]; oversized: number }> {
  const input = new PassThrough();
  const lines: string[] = [];
  let oversized = 0;
  const reader = readLines(input, { maxLength, line: (text) => lines.push(text), oversize: () => oversized++ });
  for (const chunk of chunks) input.write(chunk);
  input.end();
  await reader.ended;
  return { lines, oversized };
}

describe('a stream of lines', () => {
  test('is split at LF alone, wherever its chunks end', async () => {
    const text = 'eins\r\nzwei\u2028é\u0085\n\ndrei';
    const bytes = [...Buffer.from(text)].map((byte) => Buffer.from([byte]));
    assert.deepEqual(await split(bytes, 100), { lines: ['eins\r', 'zwei\u2028é\u0085', '', 'drei'], oversized: 0 });
  });

  test('leaves a line out that is too long, and tells so once', async () => {
    const chunks = ['short\n', 'x'.repeat(60), 'x'.repeat(60), 'x'.repeat(60), 'x\nnext\n'].map((chunk) => Buffer.from(chunk));
    assert.deepEqual(await split(chunks, 100), { lines: ['short', 'next'], oversized: 1 });
  });

  test('hands over nothing while paused', async () => {
    const input = new PassThrough();
    const lines: string[] = [];
    const reader = readLines(input, {
      maxLength: 100,
      line: (text) => {
        lines.push(text);
        if (text === '2') reader.pause();
      },
      oversize: () => undefined,
    });
    input.end('1\n2\n3\n4\n');
    await new Promise((resolve) => input.once('close', resolve));
    assert.deepEqual(lines, ['1', '2']);
    assert.equal(reader.inputEnded(), true);
    reader.resume();
    await reader.ended;
    assert.deepEqual(lines, ['1', '2', '3', '4']);
  });

  test('that breaks off ends with what had come', async () => {
    const input = new PassThrough();
    const lines: string[] = [];
    const reader = readLines(input, { maxLength: 100, line: (text) => lines.push(text), oversize: () => undefined });
    input.write('whole\nhalf');
    input.destroy(new Error('broken'));
    await reader.ended;
    assert.ok(lines.every((line) => 'whole half'.includes(line)));
  });
});

test('no line is lost that is short enough', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ maxLength: 20 })), async (texts) => {
      const lines = texts.map((text) => text.replaceAll('\n', ' '));
      const { lines: found, oversized } = await split([Buffer.from(lines.map((line) => `${line}\n`).join(''))], 200);
      assert.deepEqual(found, lines);
      assert.equal(oversized, 0);
    }),
  );
});
