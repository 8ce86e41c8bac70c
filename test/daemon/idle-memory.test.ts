import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createIdleWatch } from '../../src/daemon/idle-memory.ts';

const idle = 0.01;
const busy = 0.5;

/** @returns at which looks it would collect; each is how busy it was, and the MiB that V8 holds */
function collections(...looks: readonly (readonly [busyPart: number, heapMiB: number])[]): readonly boolean[] {
  const worthIt = createIdleWatch();
  return looks.map(([busyPart, heapMiB]) => worthIt({ busyPart, heapBytes: heapMiB * 1024 * 1024 }));
}

describe('memory is given back', () => {
  test('at the first look with little to do', () => {
    assert.deepEqual(collections([busy, 50], [busy, 60], [idle, 60]), [false, false, true]);
  });
  test('once, whether or not it helped', () => {
    assert.deepEqual(collections([idle, 60], [idle, 60], [idle, 67]), [true, false, false]);
  });
  test('again when as much has come together since the least there was', () => {
    assert.deepEqual(collections([idle, 60], [idle, 25], [idle, 32], [idle, 33]), [true, false, false, true]);
  });
  test('after a flood, not in it', () => {
    assert.deepEqual(collections([idle, 25], [busy, 200], [busy, 230], [idle, 230]), [true, false, false, true]);
  });
});
