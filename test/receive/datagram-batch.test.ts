import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { array, assert as assertAlways, constantFrom, integer, property, tuple } from 'fast-check';
import { DatagramBatch } from '../../src/receive/datagram-batch.ts';

type Said = readonly [from: string, text: string];

/** Adds them all. @returns what came out, a list for each time */
function gather(datagrams: readonly Said[]): readonly (readonly Said[])[] {
  const taken: (readonly Said[])[] = [];
  const batch = new DatagramBatch<string>(({ bytes, spans }, from) => {
    const frames: Said[] = [];
    for (let i = 1; i < spans.length; i += 2) frames.push([from, bytes.toString('latin1', spans[i - 1], spans[i])]);
    taken.push(frames);
  });
  for (const [from, text] of datagrams) batch.add(Buffer.from(text, 'latin1'), text.length, from);
  batch.flush();
  return taken;
}

const datagrams = array(
  tuple(
    constantFrom('a', 'b'),
    integer({ min: 0, max: 65_507 }).map((length) => `${length}`.padEnd(length).slice(0, length)),
  ),
  { maxLength: 20 },
);

describe('a batch of datagrams', () => {
  test('gives each back once, in order, under its sender', () => {
    assertAlways(property(datagrams, (all) => assert.deepEqual(gather(all).flat(), all)));
  });

  test('puts together what is of one sender', () => {
    const all: Said[] = [
      ['a', 'one'],
      ['a', 'two'],
      ['b', 'three'],
      ['a', 'four'],
    ];
    assert.deepEqual(gather(all), [[all[0], all[1]], [all[2]], [all[3]]]);
  });

  test('takes no more than 64 KiB at a time', () => {
    const long: Said = ['a', 'x'.repeat(30_000)];
    assert.deepEqual(
      gather([long, long, long]).map((frames) => frames.length),
      [2, 1],
    );
  });

  test('with nothing in it hands over nothing', () => assert.deepEqual(gather([]), []));

  test('takes only so much of a datagram as it is told', () => {
    const taken: string[] = [];
    const batch = new DatagramBatch<string>(({ bytes, spans }) => taken.push(bytes.toString('latin1', spans[0], spans[1])));
    batch.add(Buffer.from('text\n'), 4, 'a');
    batch.flush();
    assert.deepEqual(taken, ['text']);
  });
});
