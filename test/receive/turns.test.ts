import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createTurns } from '../../src/receive/turns.ts';

/** A connection whose every byte takes 10 us to work on, by a clock that only work moves. */
function scene(turnMs: number) {
  let nowMs = 0;
  const turns = createTurns(turnMs, () => nowMs);
  const worked: string[] = [];
  const waiting: string[] = [];
  const join = (name: string) =>
    turns.join({
      work: (bytes) => {
        nowMs += bytes.length / 100;
        worked.push(`${name} ${bytes.length}`);
      },
      waits: (waits) => waiting.push(`${name} ${waits ? 'waits' : 'reads'}`),
    });
  const bytesOf = (name: string): number =>
    worked.filter((each) => each.startsWith(name)).reduce((sum, each) => sum + Number(each.split(' ')[1]), 0);
  return { turns, join, waiting, bytesOf, nowMs: () => nowMs };
}

describe('connections that take turns', () => {
  test('what fits into a turn is worked on at once', () => {
    const { join, bytesOf, waiting } = scene(5);
    join('one').take(Buffer.alloc(400));
    assert.equal(bytesOf('one'), 400);
    assert.deepEqual(waiting, []);
  });

  test('what does not fit waits for the next turns of the loop, unread, and others are served in between', async () => {
    const { join, bytesOf, waiting, nowMs } = scene(50);
    const [one, other] = [join('one'), join('other')];
    one.take(Buffer.alloc(60_000));
    // No less than a piece is worked on, which is 20 ms here.
    assert.ok(nowMs() <= 70, `${nowMs()} ms`);
    other.take(Buffer.alloc(10_000));
    assert.equal(bytesOf('other'), 0);
    assert.deepEqual(waiting, ['one waits', 'other waits']);
    while (waiting.length < 4) await nextTurn();
    assert.deepEqual(waiting.slice(2), ['other reads', 'one reads']);
    assert.deepEqual([bytesOf('one'), bytesOf('other')], [60_000, 10_000]);
  });

  test('nothing is worked on while paused', async () => {
    const { turns, join, bytesOf } = scene(50);
    const one = join('one');
    turns.pause();
    one.take(Buffer.alloc(100));
    await nextTurn();
    await nextTurn();
    assert.equal(bytesOf('one'), 0);
    turns.resume();
    while (bytesOf('one') === 0) await nextTurn();
    assert.equal(bytesOf('one'), 100);
  });

  test('at its end a connection does what waits', () => {
    const { join, bytesOf } = scene(5);
    const one = join('one');
    one.take(Buffer.alloc(5_000));
    assert.ok(bytesOf('one') < 5_000);
    one.finish();
    assert.equal(bytesOf('one'), 5_000);
  });
});
