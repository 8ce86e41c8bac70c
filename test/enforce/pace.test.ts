import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createPace } from '../../src/enforce/pace.ts';

describe('the pace of transactions', () => {
  test('the first one, and one after a single element long ago, wait for nobody', async () => {
    const pace = createPace();
    const beganMs = performance.now();
    await pace.rest();
    pace.wrote(1, beganMs - 1);
    assert.equal(await firstOf(pace.rest()), 'rested');
  });

  test('after a thousand elements the next one waits, no longer than 40 ms from the beginning of the last', async () => {
    const pace = createPace();
    const beganMs = performance.now();
    pace.wrote(1_000, beganMs);
    await pace.rest();
    assert.ok(performance.now() - beganMs >= 38);
  });

  test('whoever is in a hurry ends the rest', async () => {
    const pace = createPace();
    // So far ahead that only the hurry can end it.
    pace.wrote(1_000, performance.now() + 3_600_000);
    const resting = pace.rest();
    assert.equal(await firstOf(resting), 'resting');
    pace.hurry();
    await resting;
  });
});

/** Whether the rest is over by the next turn of the loop. */
async function firstOf(resting: Promise<void>): Promise<'rested' | 'resting'> {
  const turn = new Promise<'resting'>((resolve) => setImmediate(() => resolve('resting')));
  return Promise.race([resting.then(() => 'rested' as const), turn]);
}
