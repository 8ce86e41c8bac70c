import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { DaemonEvent } from '../../src/control/event.ts';
import { createEventStream } from '../../src/control/event-stream.ts';

const time = '2026-11-22T19:38:06.000Z';
const note = (number: number): DaemonEvent => ({ kind: 'notice', time, level: 'info', message: String(number) });

/** A reader that takes what it is given until told to stop. */
function createReader() {
  const got: DaemonEvent[] = [];
  let resume: (() => void) | undefined;
  let slow = false;
  return {
    got,
    writer: {
      write: (text: string) => {
        assert.ok(text.endsWith('\n'));
        got.push(JSON.parse(text) as DaemonEvent);
        return !slow;
      },
      whenDrained: (callback: () => void) => {
        assert.equal(resume, undefined, 'asked twice for the same drain');
        resume = callback;
      },
    },
    stall: () => {
      slow = true;
    },
    /** Room for one more write, or for all. */
    drain: (forGood: boolean) => {
      slow = !forGood;
      const callback = resume;
      resume = undefined;
      callback?.();
    },
  };
}

describe('a stream of events', () => {
  test('passes everything on to a reader that keeps up', () => {
    const reader = createReader();
    const take = createEventStream(reader.writer, 2, () => 0);
    for (const number of [1, 2, 3, 4]) take(note(number));
    assert.deepEqual(reader.got, [1, 2, 3, 4].map(note));
  });

  test('keeps what fits for a slow one, and tells it how many it missed', () => {
    const reader = createReader();
    const take = createEventStream(reader.writer, 2, () => Date.parse(time));
    reader.stall();
    for (const number of [1, 2, 3, 4, 5]) take(note(number));
    assert.deepEqual(reader.got, [note(1)], 'the first write made it full');
    reader.drain(true);
    take(note(6));
    assert.deepEqual(reader.got, [note(1), note(2), note(3), { kind: 'missed', time, count: 2 }, note(6)]);
  });

  test('every event arrives or is counted as missed, in order, whatever the pace of the reader', () => {
    const steps = fc.array(fc.constantFrom('event', 'event', 'stall', 'drain one', 'drain'), { maxLength: 200 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5 }), (pace, capacity) => {
        const reader = createReader();
        const take = createEventStream(reader.writer, capacity, () => 0);
        let sent = 0;
        for (const step of pace) {
          if (step === 'event') take(note(sent++));
          else if (step === 'stall') reader.stall();
          else reader.drain(step === 'drain');
        }
        reader.drain(true);
        let expected = 0;
        for (const event of reader.got) {
          if (event.kind === 'missed') expected += event.count;
          else assert.deepEqual(event, note(expected++));
        }
        assert.equal(expected, sent);
      }),
    );
  });
});
