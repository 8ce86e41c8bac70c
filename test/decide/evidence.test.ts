import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
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

  test('at its bound forgets the oldest lines, and a subject with the last of them', () => {
    const evidence = new Evidence(20_000);
    for (let host = 0; host < 1_000; host++) {
      evidence.add(subject(host), line('y'.repeat(300)));
      evidence.add(subject(7), line(`again ${host}`));
      assert.ok(evidence.bytes <= 20_000, `${evidence.bytes} bytes`);
    }
    assert.deepEqual(
      evidence.of(subject(7)).map((each) => each.line),
      [995, 996, 997, 998, 999].map((host) => `again ${host}`),
    );
    assert.deepEqual(evidence.of(subject(8)), []);
    assert.equal(evidence.of(subject(999)).length, 1);
    assert.ok(evidence.evicted > 1_900);
  });

  test('numbers no more combinations of jails than it has room for: then all is forgotten, and it begins anew', () => {
    const evidence = new Evidence(1_000_000);
    for (let n = 0; n < 10_000; n++) evidence.add(subject(1), { ...line(`line ${n}`), jails: [`jail ${n}`] });
    assert.equal(evidence.of(subject(1)).length, 5);
    const before = evidence.evicted;
    evidence.add(subject(2), { ...line('one more'), jails: ['another'] });
    assert.ok(evidence.evicted > before);
    assert.deepEqual(evidence.of(subject(1)), []);
    evidence.add(subject(2), { ...line('and one'), jails: ['jail 7'] });
    assert.deepEqual(
      evidence.of(subject(2)).map(({ line: text, jails }) => `${text}: ${jails.join()}`),
      ['one more: another', 'and one: jail 7'],
    );
  });

  test('of a subject is the end of what was added for it, whatever was added between', () => {
    const some = fc.record({
      host: fc.nat({ max: 6 }),
      text: fc.string({ unit: 'binary', maxLength: 40 }),
      times: fc.integer({ min: 1, max: 30 }),
      pattern: fc.constantFrom('relay-denied', 'dnsbl'),
      jails: fc.constantFrom(['mail'], ['mail', 'all']),
    });
    fc.assert(
      fc.property(fc.array(some, { maxLength: 60 }), (steps) => {
        const evidence = new Evidence(8_192);
        const added = new Map<number, EvidenceLine[]>();
        let atMs = 0;
        for (const { host, text, times, pattern, jails } of steps)
          for (let time = 0; time < times; time++) {
            const each = { ...line(text, ++atMs), pattern, jails };
            evidence.add(subject(host), each);
            // As UTF-8 has it.
            added.set(host, [...(added.get(host) ?? []), { ...each, line: text.toWellFormed() }]);
          }
        for (const [host, lines] of added) {
          const kept = evidence.of(subject(host));
          assert.deepEqual(kept, lines.slice(lines.length - kept.length));
          assert.ok(kept.length <= 5);
          // What was added last is always there.
          if (lines.at(-1)?.atMs === atMs) assert.ok(kept.length > 0);
          if (evidence.evicted === 0) assert.equal(kept.length, Math.min(5, lines.length));
        }
      }),
    );
  });
});
