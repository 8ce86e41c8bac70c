import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { createChangeQueue, editOf, type Entry } from '../../src/enforce/change-queue.ts';
import { layoutOf } from '../../src/enforce/layout.ts';
import { all, mail, put, remove } from './enforcement.ts';

const set = 'all_ports_h4';
const summary = (entries: readonly Entry[]): string[] =>
  entries.map(({ place, change, renew }) => `${change.kind}${renew ? '!' : ''} ${place.address}`);

describe('changes that wait', () => {
  test('of several to one element only the last is kept, at the place of the first', () => {
    const queue = createChangeQueue(100);
    queue.add(put('192.0.2.1'), 1);
    queue.add(put('192.0.2.2'), 1);
    queue.add(remove('192.0.2.1'), 2);
    assert.equal(queue.oldest(), 1);
    assert.deepEqual(summary(queue.take(10, 0).batch), ['remove 192.0.2.1', 'put 192.0.2.2']);
    assert.equal(queue.oldest(), Infinity);
  });

  test('the same subject in another list of ports is another element', () => {
    const queue = createChangeQueue(100);
    queue.add(put('192.0.2.1'), 1);
    queue.add(remove('192.0.2.1', mail), 1);
    assert.deepEqual(summary(queue.take(10, 0).batch), ['put 192.0.2.1', 'remove 192.0.2.1']);
  });

  test('a put behind a removal that was not written is a renewal: the element is still there', () => {
    const queue = createChangeQueue(100);
    queue.add(remove('192.0.2.1'), 1);
    queue.add(put('192.0.2.1'), 2);
    assert.deepEqual(summary(queue.take(10, 0).batch), ['put! 192.0.2.1']);
  });

  test('what was decided while a start was written again, and written, is written again after a loss', () => {
    const queue = createChangeQueue(100);
    const state = [put('192.0.2.1'), put('192.0.2.2'), put('192.0.2.3')];
    queue.restore(state.values(), false);
    queue.take(1, 0);
    const decided = put('192.0.2.9');
    queue.add(decided, 1);
    assert.deepEqual(summary(queue.take(1, 0).batch), ['put 192.0.2.9']);
    // Somebody has flushed the table.
    queue.restore([...state, decided].values(), false);
    const written = summary(queue.take(100, 0).batch);
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.9']) assert.ok(written.includes(`put ${address}`), address);
  });

  test('an element is in a transaction once, and a removal that comes while that fails is not lost', () => {
    const queue = createChangeQueue(100);
    const decided = put('192.0.2.1');
    queue.add(decided, 1);
    queue.restore([decided, put('192.0.2.2')].values(), false);
    const { batch } = queue.take(100, 0);
    assert.deepEqual(summary(batch), ['put 192.0.2.1', 'put 192.0.2.2']);
    queue.add(remove('192.0.2.1'), 2);
    assert.equal(queue.restoring(), false);
    queue.giveBack(batch);
    assert.equal(queue.restoring(), true);
    assert.deepEqual(summary(queue.take(100, 0).batch), ['remove 192.0.2.1', 'put 192.0.2.2']);
    assert.equal(queue.restoring(), false);
  });

  test('what is given back is not written again by a backlog as well', () => {
    const queue = createChangeQueue(100);
    queue.restore([put('192.0.2.1'), put('192.0.2.2')].values(), false);
    const { batch } = queue.take(1, 0);
    queue.restore([put('192.0.2.1'), put('192.0.2.2')].values(), false);
    queue.giveBack(batch);
    assert.deepEqual(summary(queue.take(100, 0).batch), ['put 192.0.2.1', 'put 192.0.2.2', 'put 192.0.2.2']);
  });

  test('a renewal stays one where what it comes upon was only to be written again', () => {
    const queue = createChangeQueue(100);
    queue.restore([put('192.0.2.1'), put('192.0.2.2')].values(), false);
    const { batch } = queue.take(2, 0);
    queue.add(put('192.0.2.1', { mayExist: true }), 1);
    queue.giveBack(batch);
    queue.add(put('192.0.2.2', { mayExist: true }), 2);
    assert.deepEqual(summary(queue.take(100, 0).batch), ['put! 192.0.2.1', 'put! 192.0.2.2']);
  });

  test('a renewal of what was never written is none', () => {
    const queue = createChangeQueue(100);
    queue.add(put('192.0.2.1'), 1);
    queue.add(put('192.0.2.1', { mayExist: true }), 2);
    assert.deepEqual(summary(queue.take(10, 0).batch), ['put 192.0.2.1']);
  });

  test('what is given back goes first, under what was decided meanwhile', () => {
    const queue = createChangeQueue(100);
    queue.add(put('192.0.2.1'), 1);
    queue.add(remove('192.0.2.2'), 1);
    const { batch } = queue.take(10, 0);
    queue.add(put('192.0.2.3'), 2);
    queue.add(remove('192.0.2.1'), 3);
    queue.add(put('192.0.2.2'), 3);
    queue.giveBack(batch);
    assert.equal(queue.oldest(), 1);
    assert.deepEqual(summary(queue.take(10, 0).batch), ['remove 192.0.2.1', 'put! 192.0.2.2', 'put 192.0.2.3']);
  });

  test('what may have been written is renewed', () => {
    const queue = createChangeQueue(100);
    queue.add(put('192.0.2.1'), 1);
    queue.giveBack(queue.take(10, 0).batch, { unknown: true });
    assert.deepEqual(summary(queue.take(10, 0).batch), ['put! 192.0.2.1']);
  });

  test('at the bound puts are lost and counted, removals and later words on what waits are kept', () => {
    const queue = createChangeQueue(2);
    for (const host of [1, 2, 3, 4]) queue.add(put(`192.0.2.${host}`), 1);
    queue.add(put('192.0.2.2', { seconds: 5 }), 2);
    queue.add(remove('192.0.2.9'), 2);
    assert.equal(queue.lost(), 2);
    assert.equal(queue.lost(), 0, 'asked once');
    assert.deepEqual(summary(queue.take(10, 0).batch), ['put 192.0.2.1', 'put 192.0.2.2', 'remove 192.0.2.9']);
  });

  test('what is restored waits behind what is decided, and gives way to it', () => {
    const queue = createChangeQueue(100);
    queue.restore([put('192.0.2.1'), put('192.0.2.2'), put('192.0.2.3')], false);
    assert.deepEqual(summary(queue.take(1, 0).batch), ['put 192.0.2.1']);
    queue.add(remove('192.0.2.2'), 1);
    queue.add(put('192.0.2.9'), 1);
    assert.equal(queue.restoring(), true);
    assert.deepEqual(summary(queue.take(10, 0).batch), ['remove 192.0.2.2', 'put 192.0.2.9', 'put 192.0.2.3']);
    assert.equal(queue.restoring(), false);
  });

  test('a full set keeps its puts until a retry, removals go through', () => {
    const queue = createChangeQueue(100);
    queue.add(put('192.0.2.1'), 1);
    queue.park(set, queue.take(10, 0).batch, 0);
    queue.add(put('192.0.2.2'), 2);
    queue.add(remove('192.0.2.3'), 2);
    queue.add(put('2001:db8::1'), 2);
    const { batch, held } = queue.take(10, 0);
    assert.deepEqual([summary(batch), summary(held)], [['remove 192.0.2.3', 'put 2001:db8::1'], ['put 192.0.2.2']]);
    assert.equal(queue.parked(set), 2);
    assert.ok(queue.retryAtMs() > 0 && queue.retryAtMs() < 2_000);
    assert.deepEqual(summary(queue.take(10, queue.retryAtMs()).batch), ['put 192.0.2.1', 'put 192.0.2.2']);
  });

  test('an unban takes a parked put away', () => {
    const queue = createChangeQueue(100);
    queue.add(put('192.0.2.1'), 1);
    queue.park(set, queue.take(10, 0).batch, 0);
    queue.add(remove('192.0.2.1'), 2);
    assert.deepEqual(summary(queue.take(10, 1e9).batch), ['remove 192.0.2.1']);
    assert.deepEqual(summary(queue.take(10, 2e9).batch), []);
    assert.equal(queue.retryAtMs(), Infinity, 'nobody waits: no timer');
  });

  test('a set that stays full is tried more and more rarely, up to every 30 s', () => {
    const queue = createChangeQueue(100);
    queue.add(put('192.0.2.1'), 1);
    let nowMs = 0;
    const waits: number[] = [];
    for (let attempt = 0; attempt < 10; attempt++) {
      queue.park(set, queue.take(10, nowMs).batch, nowMs);
      waits.push(queue.retryAtMs() - nowMs);
      nowMs = queue.retryAtMs();
    }
    assert.deepEqual(waits, [800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000, 30_000, 30_000]);
  });
});

test('whatever fails on the way, the kernel ends as the last word on each element says', () => {
  const layout = layoutOf([all], { ipv4: [], ipv6: [] }, []);
  const step = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), host: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ kind: fc.constant('remove' as const), host: fc.integer({ min: 1, max: 5 }) }),
    fc.record({
      kind: fc.constantFrom('ok' as const, 'refused' as const, 'lost_reply' as const, 'refused_last' as const),
      host: fc.constant(0),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (steps, limit) => {
      const queue = createChangeQueue(1_000);
      const kernel = new Set<string>();
      const known = new Set<string>();
      const write = (entries: readonly Entry[]): void => {
        for (const entry of entries) {
          const edit = editOf(entry, 0, layout);
          assert.ok(edit);
          // A kernel before 6.12 keeps the old timeout without a word: there, every put of what exists must be a renewal.
          if (edit.kind === 'put') assert.ok(edit.renew || !kernel.has(edit.address), `${edit.address} exists`);
          if (edit.kind === 'put') kernel.add(edit.address);
          else kernel.delete(edit.address);
        }
      };
      let calls = 0;
      for (const { kind, host } of [...steps, ...Array.from({ length: 20 }, () => ({ kind: 'ok' as const, host: 0 }))]) {
        const address = `192.0.2.${host}`;
        if (kind === 'put') queue.add(put(address, { mayExist: known.has(address) }), ++calls);
        else if (kind === 'remove') queue.add(remove(address), ++calls);
        if (kind === 'put') known.add(address);
        else if (kind === 'remove') known.delete(address);
        else {
          const { batch } = queue.take(limit, 0);
          if (kind === 'ok' || kind === 'lost_reply') write(batch);
          if (kind !== 'ok') queue.giveBack(batch, { unknown: kind === 'lost_reply', last: kind === 'refused_last' });
        }
      }
      assert.deepEqual(kernel, known);
      assert.equal(queue.oldest(), Infinity);
    }),
    { numRuns: 2_000 },
  );
});
