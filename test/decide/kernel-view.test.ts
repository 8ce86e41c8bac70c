import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KernelView, portsKey } from '../../src/decide/kernel-view.ts';
import { parsePrefix } from '../../src/model/address.ts';
import type { Ports } from '../../src/model/filter.ts';

const subject = parsePrefix('192.0.2.4');
assert.ok(subject);
const ports: Ports = { kind: 'list', protocol: 'tcp', ports: [25, 587] };
const key = portsKey(ports);

/** A view of one subject whose latest end is told to it. */
class OneSubject {
  untilMs: number | undefined;
  readonly #view = new KernelView(() => this.untilMs);

  /** The end changes, and the kernel hears of it. */
  tell(untilMs: number | undefined, nowMs: number): readonly string[] {
    this.untilMs = untilMs;
    if (subject !== undefined) this.#view.touch(key, ports, subject);
    return this.take(nowMs);
  }

  assume(): void {
    if (subject !== undefined) this.#view.assume(key, ports, subject);
  }

  take(nowMs: number): readonly string[] {
    return this.#view
      .take(nowMs)
      .map((change) => (change.kind === 'remove' ? 'remove' : `put ${change.untilMs}${change.mayExist ? ' again' : ''}`));
  }
}

describe('the kernel is told', () => {
  test('of a first ban, of a longer one, and of one that is lifted', () => {
    const view = new OneSubject();
    assert.deepEqual(view.tell(100, 0), ['put 100']);
    assert.deepEqual(view.tell(200, 10), ['put 200 again']);
    assert.deepEqual(view.tell(undefined, 20), ['remove']);
    assert.deepEqual(view.tell(300, 30), ['put 300']);
  });
  test('of the end that remains when the longer of two bans is lifted', () => {
    const view = new OneSubject();
    view.tell(200, 0);
    assert.deepEqual(view.tell(100, 10), ['put 100 again']);
  });
  test('of nothing where nothing changes for it', () => {
    const view = new OneSubject();
    view.tell(200, 0);
    assert.deepEqual(view.tell(200, 10), []);
    assert.deepEqual(view.take(20), []);
  });
  test('of nothing when a ban ends on time: its own timeout does that', () => {
    const view = new OneSubject();
    view.tell(100, 0);
    assert.deepEqual(view.tell(undefined, 100), []);
  });
  test('of no ban that came and went between two transactions', () => {
    const view = new OneSubject();
    view.untilMs = 100;
    assert.deepEqual(view.tell(undefined, 0), []);
  });
  test('that an element may exist, for a while after it should have ended', () => {
    const view = new OneSubject();
    view.tell(100, 0);
    view.tell(undefined, 100);
    assert.deepEqual(view.tell(900, 200), ['put 900 again']);
    view.tell(undefined, 900);
    view.take(3_600_000);
    assert.deepEqual(view.tell(9_000_000, 3_600_000), ['put 9000000']);
  });
  test('still, if it was put again before the first end was forgotten', () => {
    const view = new OneSubject();
    view.tell(100, 0);
    view.tell(undefined, 100);
    view.tell(9_000_000, 200);
    view.take(3_600_000);
    assert.deepEqual(view.tell(9_000_001, 3_600_000), ['put 9000001 again']);
  });
  test('of bans from before a restart as renewals, permanent ones too', () => {
    for (const untilMs of [100, Infinity]) {
      const view = new OneSubject();
      view.untilMs = untilMs;
      view.assume();
      assert.deepEqual(view.take(0), [`put ${untilMs} again`]);
    }
  });
  test('to remove a ban from before a restart that is lifted at once', () => {
    const view = new OneSubject();
    view.assume();
    assert.deepEqual(view.tell(undefined, 0), ['remove']);
  });
});

test('lists of ports are the same in whatever order and however often a port is named', () => {
  assert.equal(portsKey({ kind: 'list', protocol: 'tcp', ports: [587, 25, 25] }), key);
  assert.notEqual(portsKey({ kind: 'list', protocol: 'both', ports: [25, 587] }), key);
  assert.notEqual(portsKey({ kind: 'all' }), key);
});
