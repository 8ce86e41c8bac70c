import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { newKey, type SubjectKey } from '../../src/decide/subject-key.ts';
import { removalEffort, WindowStore } from '../../src/decide/window-store.ts';

function subject(host: number, lane = 0): SubjectKey {
  const key = newKey();
  key.set([0x20010db8, host, 0, 0, (lane << 8) | 64]);
  return key;
}

function store({ maxretry = 3, findtimeMs = 10, maxSubjects = 1_000, maxFailures = 10_000 } = {}): WindowStore {
  const made = new WindowStore({ seed: [1, 2], maxSubjects, maxFailures });
  made.setPolicy(0, { maxretry, findtimeMs });
  return made;
}

/** Fails at these times, one after another, and says what counted each time. */
function counts(windows: WindowStore, times: readonly number[]): readonly number[] {
  return times.map((atMs) => windows.add(subject(1), { atMs, weight: 1, nowMs: Math.max(...times) }));
}

describe('a window of 10 ms', () => {
  test('counts failures less than findtime old', () => {
    assert.deepEqual(counts(store(), [0, 4, 9]), [1, 2, 3]);
  });
  test('does not count a failure that is exactly findtime old', () => {
    assert.deepEqual(counts(store(), [0, 4, 10]), [1, 2, 2]);
  });
  test('counts failures at the same instant', () => {
    assert.deepEqual(counts(store(), [5, 5, 5]), [1, 2, 3]);
  });
  test('does not count a later failure for an earlier one', () => {
    assert.deepEqual(counts(store(), [9, 0]), [1, 1]);
  });
  test('counts a late failure for the next one', () => {
    assert.deepEqual(counts(store(), [9, 5, 12]), [1, 1, 3]);
  });
  test('counts a failure of weight n as n', () => {
    const windows = store();
    assert.equal(windows.add(subject(1), { atMs: 0, weight: 2, nowMs: 0 }), 2);
    assert.equal(windows.add(subject(1), { atMs: 1, weight: 1, nowMs: 1 }), 3);
  });
  test('keeps subjects and lanes apart', () => {
    const windows = store();
    windows.setPolicy(1, { maxretry: 3, findtimeMs: 10 });
    for (const key of [subject(1), subject(2), subject(1, 1)]) assert.equal(windows.add(key, { atMs: 0, weight: 1, nowMs: 0 }), 1);
    assert.deepEqual([windows.size, windows.sizeOf(0), windows.sizeOf(1)], [3, 2, 1]);
  });
  test('holds failures of at most twice maxretry, the newest', () => {
    const windows = store();
    counts(windows, [100, 200, 300, 400, 500, 600, 700, 800]);
    assert.deepEqual(windows.read(subject(1)), [300, 400, 500, 600, 700, 800]);
  });
});

test('counts as many as if nothing were ever dropped, for every failure overtaken by at most maxretry', () => {
  const scenario = fc.record({
    maxretry: fc.integer({ min: 1, max: 4 }),
    findtimeMs: fc.integer({ min: 1, max: 30 }),
    steps: fc.array(fc.record({ aheadMs: fc.nat(12), lateMs: fc.nat(40), weight: fc.integer({ min: 1, max: 2 }) }), { maxLength: 60 }),
  });
  fc.assert(
    fc.property(scenario, ({ maxretry, findtimeMs, steps }) => {
      const windows = store({ maxretry, findtimeMs });
      const all: number[] = [];
      let newestMs = 1_000;
      for (const { aheadMs, lateMs, weight } of steps) {
        newestMs += aheadMs;
        const atMs = newestMs - lateMs;
        for (let n = 0; n < weight; n++) all.push(atMs);
        const expected = all.filter((failedMs) => atMs - failedMs >= 0 && atMs - failedMs < findtimeMs).length;
        const overtaken = all.filter((failedMs) => failedMs > atMs).length;
        const actual = windows.add(subject(1), { atMs, weight, nowMs: newestMs });
        assert.ok(actual <= expected, 'never too many');
        if (overtaken <= maxretry) assert.equal(Math.min(actual, maxretry), Math.min(expected, maxretry));
      }
    }),
    { numRuns: 2_000 },
  );
});

describe('at its bounds', () => {
  test('the number of subjects stays, and a host that failed twice outlives a flood of hosts that failed once', () => {
    const windows = store({ maxSubjects: 100 });
    for (let n = 0; n < 2; n++) windows.add(subject(0), { atMs: n, weight: 1, nowMs: n });
    for (let host = 1; host <= 5_000; host++) windows.add(subject(host), { atMs: 2, weight: 1, nowMs: 2 });
    assert.equal(windows.size, 100);
    assert.equal(windows.evictionsOf(0), 4_901);
    assert.deepEqual(windows.read(subject(0)), [0, 1]);
    assert.deepEqual(windows.read(subject(5_000)), [2]);
  });
  test('expired windows go first, however many failures they hold', () => {
    const windows = store({ maxSubjects: 2 });
    for (let n = 0; n < 2; n++) windows.add(subject(1), { atMs: n, weight: 1, nowMs: n });
    windows.add(subject(2), { atMs: 100, weight: 1, nowMs: 100 });
    windows.add(subject(3), { atMs: 101, weight: 1, nowMs: 101 });
    assert.deepEqual(windows.read(subject(1)), []);
    assert.deepEqual(windows.read(subject(2)), [100]);
  });
  test('the number of failures stays', () => {
    const windows = store({ maxretry: 50, maxFailures: 20 });
    for (let n = 0; n < 100; n++) windows.add(subject(n % 3), { atMs: n, weight: 1, nowMs: n });
    let held = 0;
    windows.forEach((_, failuresMs) => {
      held += failuresMs.length;
    });
    assert.ok(held <= 21 && held > 0, `${held} failures held`);
  });
});

describe('a sweep', () => {
  test('forgets what is findtime old, with no more effort than allowed at a time', () => {
    const windows = store();
    for (let host = 0; host < 100; host++) windows.add(subject(host), { atMs: 0, weight: 1, nowMs: 0 });
    assert.equal(windows.sweep(9, 1_000), 0);
    assert.equal(windows.sweep(10, 30 * removalEffort), 30);
    assert.equal(windows.size, 70);
    assert.equal(windows.sweep(10, 100 * removalEffort), 70);
    assert.equal(windows.size, 0);
  });
  test('keeps the old failures of a source that catches up for as long as it goes on', () => {
    const windows = store();
    windows.add(subject(1), { atMs: 0, weight: 1, nowMs: 1_000 });
    assert.equal(windows.sweep(1_005, 10), 0);
    assert.equal(windows.add(subject(1), { atMs: 8, weight: 1, nowMs: 1_005 }), 2);
    assert.equal(windows.sweep(1_015, 10), 1);
  });
});

/** Takes the changes as host -> failures. */
function takeChanges(windows: WindowStore): Readonly<Record<string, readonly number[]>> {
  const taken = new Map<number, readonly number[]>();
  windows.takeChanges((key, failuresMs) => {
    assert.ok(!taken.has(key[1] ?? 0), 'each subject once');
    taken.set(key[1] ?? 0, failuresMs);
  });
  return Object.fromEntries(taken);
}

describe('changes since the last checkpoint', () => {
  test('name each changed window once, and then no more', () => {
    const windows = store();
    windows.add(subject(1), { atMs: 0, weight: 1, nowMs: 0 });
    windows.add(subject(1), { atMs: 1, weight: 1, nowMs: 1 });
    windows.add(subject(2), { atMs: 1, weight: 1, nowMs: 1 });
    assert.deepEqual(takeChanges(windows), { 1: [0, 1], 2: [1] });
    assert.deepEqual(takeChanges(windows), {});
  });
  test('name a window that went, unless it was never told of', () => {
    const windows = store();
    windows.add(subject(1), { atMs: 0, weight: 1, nowMs: 0 });
    takeChanges(windows);
    windows.add(subject(2), { atMs: 0, weight: 1, nowMs: 0 });
    windows.forget(subject(1));
    windows.forget(subject(2));
    assert.deepEqual(takeChanges(windows), { 1: [] });
  });
  test('replayed on a map they give what the store holds, whatever happens', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('fail'), host: fc.nat(6), atMs: fc.nat(50) }),
      fc.record({ kind: fc.constantFrom('forget', 'take', 'sweep'), host: fc.nat(6), atMs: fc.nat(50) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const windows = store({ maxSubjects: 4 });
        const kept = new Map<number, readonly number[]>();
        const checkpoint = () =>
          windows.takeChanges((key, failuresMs) => {
            if (failuresMs.length === 0) kept.delete(key[1] ?? 0);
            else kept.set(key[1] ?? 0, failuresMs);
          });
        for (const { kind, host, atMs } of steps) {
          if (kind === 'fail') windows.add(subject(host), { atMs, weight: 1, nowMs: atMs });
          else if (kind === 'forget') windows.forget(subject(host));
          else if (kind === 'sweep') windows.sweep(atMs, 2);
          else checkpoint();
        }
        checkpoint();
        const held = new Map<number, readonly number[]>();
        windows.forEach((key, failuresMs) => held.set(key[1] ?? 0, failuresMs));
        assert.deepEqual(kept, held);
      }),
      { numRuns: 1_000 },
    );
  });
});
