import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Evidence, type EvidenceLine } from '../../src/decide/evidence.ts';
import { parsePrefix, type Prefix } from '../../src/model/address.ts';

function subject(host: number): Prefix {
  const prefix = parsePrefix(`2001:db8:${(host >> 16).toString(16)}:${(host & 0xffff).toString(16)}::/64`);
  assert.ok(prefix);
  return prefix;
}

function line(text: string, atMs = 0): EvidenceLine {
  return { atMs, source: 'journal', filter: 'postfix', pattern: 'relay-denied', line: text, jails: ['mail'] };
}

/** ms for 80,000 lines of new subjects, once the bound is reached. */
function floodMs(limitBytes: number): number {
  const evidence = new Evidence(limitBytes);
  let host = 0;
  const flood = (count: number) => {
    for (const end = host + count; host < end; host++) evidence.add(subject(host), line('z'.repeat(100)));
  };
  while (evidence.evicted === 0) flood(1_000);
  const startedMs = performance.now();
  flood(80_000);
  return performance.now() - startedMs;
}

describe('evidence', () => {
  test('is the last five lines of a subject, oldest first', () => {
    const evidence = new Evidence(100_000);
    for (let n = 1; n <= 7; n++) evidence.add(subject(1), line(`line ${n}`));
    assert.deepEqual(
      evidence.of(subject(1)).map((each) => each.line),
      ['line 3', 'line 4', 'line 5', 'line 6', 'line 7'],
    );
    assert.deepEqual(evidence.of(subject(2)), []);
  });

  const long: readonly [what: string, text: string, kept: string][] = [
    ['of one byte a character', 'x'.repeat(600), 'x'.repeat(512)],
    ['of three bytes a character, never a part of one', '\u20ac'.repeat(300), '\u20ac'.repeat(170)],
    ['that begins with a byte order mark', '\ufeffline', '\ufeffline'],
    ['with half a surrogate pair', 'a\ud800b', 'a\ufffdb'],
  ];
  for (const [what, text, kept] of long) {
    test(`keeps 512 bytes of a line ${what}`, () => {
      const evidence = new Evidence(100_000);
      evidence.add(subject(1), line(text));
      assert.equal(evidence.of(subject(1))[0]?.line, kept);
    });
  }

  test('at its bound forgets the subject that got no line for the longest time', () => {
    const evidence = new Evidence(20_000);
    for (let host = 0; host < 1_000; host++) {
      evidence.add(subject(host), line('y'.repeat(300)));
      evidence.add(subject(7), line(`again ${host}`));
      assert.ok(evidence.bytes <= 20_000, `${evidence.bytes} bytes`);
    }
    assert.equal(evidence.of(subject(7)).at(-1)?.line, 'again 999');
    assert.deepEqual(evidence.of(subject(8)), []);
    assert.equal(evidence.of(subject(999)).length, 1);
    assert.ok(evidence.evicted > 900);
  });

  test('is as fast at a large bound as at a small one', () => {
    const smallMs = floodMs(500_000);
    const largeMs = floodMs(60_000_000);
    assert.ok(largeMs < smallMs * 5 + 200, `${smallMs} ms with 0.5 MB, ${largeMs} ms with 60 MB`);
  });
});
