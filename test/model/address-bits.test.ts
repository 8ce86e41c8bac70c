import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { parseAddress, parsePrefix, prefixOf } from '../../src/model/address.ts';
import { formatPrefixBits, maskBits, readAddressBits, readPrefixBits } from '../../src/model/address-bits.ts';

/** Addresses with many zero groups, where the short form is hard. */
const groups = fc.array(fc.oneof(fc.constant(0), fc.constant(0xffff), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 });
const ipv6 = groups.map((each) => each.map((group) => group.toString(16)).join(':'));
const anyAddress = fc.oneof(ipv6, fc.ipV6(), fc.ipV4()).map(parseAddress);

describe('addresses as words', () => {
  test('masking and writing gives the same text as prefixOf', () => {
    fc.assert(
      fc.property(anyAddress, fc.integer({ min: 0, max: 128 }), (address, length) => {
        if (address === undefined) return;
        const words = new Uint32Array(4);
        const offset = readAddressBits(address, words);
        const kept = Math.min(length, 128 - offset);
        maskBits(words, kept + offset);
        assert.equal(formatPrefixBits(words, kept + offset), prefixOf(address, length));
      }),
      { numRuns: 3_000 },
    );
  });

  const cases: readonly [prefix: string, words: readonly number[], length: number][] = [
    ['192.0.2.0/24', [0, 0, 0xffff, 0xc0000200], 120],
    ['0.0.0.0/0', [0, 0, 0xffff, 0], 96],
    ['::/0', [0, 0, 0, 0], 0],
    ['2001:db8::/32', [0x20010db8, 0, 0, 0], 32],
    ['2001:db8:0:1::/64', [0x20010db8, 1, 0, 0], 64],
    ['2001:db8::1/128', [0x20010db8, 0, 0, 1], 128],
    ['::1/128', [0, 0, 0, 1], 128],
    ['fe80:1:2:3:4:5:6:7/128', [0xfe800001, 0x20003, 0x40005, 0x60007], 128],
  ];
  for (const [text, words, length] of cases) {
    test(`${text} is ${words.map((word) => word.toString(16)).join(' ')} / ${length}, and back`, () => {
      const prefix = parsePrefix(text);
      assert.ok(prefix);
      const out = new Uint32Array(4);
      assert.equal(readPrefixBits(prefix, out), length);
      assert.deepEqual([...out], words);
      assert.equal(formatPrefixBits(out, length), text);
    });
  }
});
