import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Backoff } from '../../src/receive/backoff.ts';

test('waiting doubles up to the longest, and begins anew after a success', () => {
  const backoff = new Backoff({ firstMs: 200, longestMs: 30_000 });
  const waits = Array.from({ length: 10 }, () => backoff.nextMs());
  assert.deepEqual(waits, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000]);
  assert.equal(backoff.attempts, 10);
  backoff.succeeded();
  assert.equal(backoff.nextMs(), 200);
});

test('however long it goes on', () => {
  const backoff = new Backoff({ firstMs: 200, longestMs: 30_000 });
  for (let i = 0; i < 5_000; i++) backoff.nextMs();
  assert.equal(backoff.nextMs(), 30_000);
});
