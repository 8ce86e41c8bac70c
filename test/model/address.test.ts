import assert from 'node:assert/strict';
import { isIP, SocketAddress } from 'node:net';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { isAddressText, parseAddress, parsePrefix, prefixOf } from '../../src/model/address.ts';

/** What the system itself (inet_pton, inet_ntop) makes of the text; mapped IPv4 is spelt `::ffff:a.b.c.d` there. */
function systemSpelling(text: string): string | undefined {
  if (isIP(text) === 0 || text.includes('%')) return undefined;
  const spelt = new SocketAddress({ address: text, family: isIP(text) === 4 ? 'ipv4' : 'ipv6' }).address;
  // inet_ntop spells `::a.b.c.d` with dots; RFC 5952 section 5 leaves that to prefixes that are known to hold IPv4.
  const dotted = /^::(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(spelt)?.slice(1).map(Number);
  if (dotted === undefined) return spelt.replace(/^::ffff:(?=\d+\.)/, '');
  const [a = 0, b = 0, c = 0, d = 0] = dotted;
  return `::${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
}

const octet = fc.oneof(fc.nat(300).map(String), fc.constantFrom('', '00', '01', '007', '256', '999', '1e1', ' 1', '-1', '٣', '1a'));
const quads = fc.array(octet, { minLength: 3, maxLength: 5 }).map((octets) => octets.join('.'));
const others = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.ipV4().map((ip) => `::ffff:${ip}`),
  fc.ipV4().map((ip) => `64:ff9b::${ip}`),
  fc.string({ maxLength: 17 }),
);

describe('parseAddress', () => {
  test('reads every text as the system does', () => {
    fc.assert(
      fc.property(fc.oneof(quads, others), (text) => {
        assert.equal(parseAddress(text), systemSpelling(text));
        assert.equal(isAddressText(text), isIP(text) !== 0);
      }),
      { numRuns: 5_000 },
    );
  });

  const cases: readonly [text: string, address: string | undefined, because: string][] = [
    ['192.0.2.1', '192.0.2.1', 'canonical already'],
    ['192.0.2.01', undefined, 'octal or decimal: nobody knows'],
    ['::ffff:192.0.2.1', '192.0.2.1', 'mapped IPv4 is that host'],
    ['::FFFF:C000:201', '192.0.2.1', 'the same in hexadecimal'],
    ['::192.0.2.1', '::c000:201', 'an IPv6 address of its own, not the IPv4 host'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201', 'behind NAT64 stands somebody else'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1', 'RFC 5952: lower case, the first longest run of zeros'],
    ['fe80::1%eth0', undefined, 'a zone means nothing to the kernel'],
    ['[2001:db8::1]', undefined, 'brackets are not part of it'],
    ['1', undefined, 'ipaddr.js would take it for 0.0.0.1'],
  ];
  for (const [text, address, because] of cases) {
    test(`${text}: ${because}`, () => assert.equal(parseAddress(text), address));
  }
});

describe('parsePrefix', () => {
  const cases: readonly [text: string, prefix: string | undefined][] = [
    ['192.0.2.77/24', '192.0.2.0/24'],
    ['192.0.2.77', '192.0.2.77/32'],
    ['2001:db8:1:2:3::/64', '2001:db8:1:2::/64'],
    ['192.0.2.0/33', undefined],
    ['192.0.2.0/024', undefined],
    ['192.0.2.0/', undefined],
    ['::ffff:192.0.2.0/120', undefined],
    ['192.0.2.1/32/32', undefined],
    ['192.0.2/32', undefined],
    ['192.0.2.256/32', undefined],
  ];
  for (const [text, prefix] of cases) test(`${text}: ${prefix ?? 'refused'}`, () => assert.equal(parsePrefix(text), prefix));

  test('prefixOf clears the bits behind the length', () => {
    const address = parseAddress('203.0.113.255');
    assert.ok(address !== undefined);
    assert.deepEqual(
      [0, 8, 25, 32].map((length) => prefixOf(address, length)),
      ['0.0.0.0/0', '203.0.0.0/8', '203.0.113.128/25', '203.0.113.255/32'],
    );
  });
});
