import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropsSince } from '../../src/receive/udp-drops.ts';

test('drops are what the counter grew by, also where its 32 bits begin again', () => {
  assert.equal(dropsSince(0, 0), 0);
  assert.equal(dropsSince(3, 10), 7);
  assert.equal(dropsSince(4_294_967_290, 4), 10);
});
