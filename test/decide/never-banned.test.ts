import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { NeverBanned } from '../../src/decide/never-banned.ts';
import { type Address, covers, parseAddress, parsePrefix, type Prefix, prefixOf } from '../../src/model/address.ts';
import { formatProtection, type Protection } from '../../src/model/protection.ts';

function address(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed, text);
  return parsed;
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed, text);
  return parsed;
}

function allow(text: string, detail = ''): Protection {
  return { prefix: prefix(text), reason: 'allowlist', detail };
}

describe('never banned', () => {
  const table = new NeverBanned([
    allow('192.0.2.0/24', '/etc/sluice/sluice.yaml:12'),
    { prefix: prefix('198.51.100.1/32'), reason: 'gateway', detail: 'eth0' },
    { prefix: prefix('2001:db8:1:2::7/128'), reason: 'session', detail: 'alice' },
    { prefix: prefix('192.0.2.9/32'), reason: 'resolver', detail: '' },
  ]);
  const cases: readonly [text: string, length: number, verdict: string, because: string | undefined][] = [
    ['127.0.0.53', 32, 'protected', 'loopback'],
    ['::1', 64, 'protected', 'loopback'],
    ['192.0.2.9', 32, 'protected', 'allowlist (/etc/sluice/sluice.yaml:12)'],
    ['192.0.3.1', 32, 'free', undefined],
    ['192.0.3.1', 16, 'narrow', 'allowlist (/etc/sluice/sluice.yaml:12)'],
    ['198.51.100.1', 32, 'protected', 'gateway (eth0)'],
    ['198.51.100.2', 24, 'narrow', 'gateway (eth0)'],
    ['2001:db8:1:2::7', 64, 'protected', 'session of alice'],
    ['2001:db8:1:2::8', 64, 'narrow', 'session of alice'],
    ['2001:db8:1:2::8', 128, 'free', undefined],
    ['2001:db8:1:3::8', 64, 'free', undefined],
    ['::2', 64, 'narrow', 'loopback'],
  ];
  for (const [text, length, kind, because] of cases) {
    test(`${text} as a /${length}: ${kind}${because === undefined ? '' : `, ${because}`}`, () => {
      const verdict = table.verdict(address(text), length);
      assert.equal(verdict.kind, kind);
      assert.equal(verdict.kind === 'free' ? undefined : formatProtection(verdict.because), because);
    });
  }

  test('gives all reasons when asked', () => {
    assert.deepEqual(table.reasons(address('192.0.2.9')).map(formatProtection), ['allowlist (/etc/sluice/sluice.yaml:12)', 'resolver']);
  });
  test('everything of IPv6 on the list says nothing of IPv4', () => {
    assert.equal(new NeverBanned([allow('::/0')]).why(address('192.0.2.1')), undefined);
    assert.equal(new NeverBanned([allow('0.0.0.0/0')]).why(address('2001:db8::1')), undefined);
  });
});

test('says the same as looking at every entry', () => {
  // Few bits differ, so that networks nest often.
  const ipv4 = fc.tuple(fc.constantFrom(0, 128), fc.nat(3)).map(([third, fourth]) => `198.51.${third}.${fourth}`);
  const ipv6 = fc.tuple(fc.nat(2), fc.nat(2)).map(([third, last]) => `2001:db8:${third}::${last}`);
  const listed = fc.oneof(
    fc.tuple(ipv4, fc.constantFrom(0, 8, 16, 17, 24, 30, 31, 32)).map(([text, length]) => `${text}/${length}`),
    fc.tuple(ipv6, fc.constantFrom(0, 32, 47, 48, 64, 127, 128)).map(([text, length]) => `${text}/${length}`),
  );
  fc.assert(
    fc.property(fc.array(listed, { maxLength: 8 }), fc.oneof(ipv4, ipv6), fc.nat(128), (list, text, length) => {
      const table = new NeverBanned(list.map((each) => allow(each)));
      const asked = address(text);
      const subject = prefixOf(asked, length);
      const protects = table.entries.some((entry) => covers(entry.prefix, asked));
      const overlaps = table.entries.some((entry) => covers(entry.prefix, subject) || covers(subject, entry.prefix));
      assert.equal(table.verdict(asked, length).kind, protects ? 'protected' : overlaps ? 'narrow' : 'free');
      assert.equal(table.why(asked) !== undefined, protects);
      assert.equal(table.whyOverlapping(subject) !== undefined, overlaps);
    }),
    { numRuns: 2_000 },
  );
});
