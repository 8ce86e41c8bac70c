import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { isAddressText, parseAddress } from '../../src/model/address.ts';

/** What parseAddress is without its short way for IPv4. */
function slowParse(text: string): string | undefined {
  if (isIP(text) === 0 || text.includes('%')) return undefined;
  const parsed = ipaddr.process(text);
  return parsed instanceof ipaddr.IPv6 ? parsed.toRFC5952String() : parsed.toString();
}

const octet = fc.oneof(fc.nat(300).map(String), fc.constantFrom('', '00', '01', '007', '256', '999', '1e1', ' 1', '-1', '٣', '1a'));
const quads = fc.array(octet, { minLength: 3, maxLength: 5 }).map((octets) => octets.join('.'));
const others = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.ipV4().map((ip) => `::ffff:${ip}`),
  fc.string({ maxLength: 17 }),
);

describe('parseAddress', () => {
  test('reads every text as net.isIP and ipaddr.js do', () => {
    fc.assert(
      fc.property(fc.oneof(quads, others), (text) => {
        assert.equal(parseAddress(text), slowParse(text));
        assert.equal(isAddressText(text), isIP(text) !== 0);
      }),
      { numRuns: 5_000 },
    );
  });
});
