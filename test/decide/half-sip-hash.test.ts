import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKey } from '../../src/decide/half-sip-hash.ts';

/** The bytes first, first + 1, ... as little-endian words. */
function countingWords(first: number, words: number): Uint32Array {
  const bytes = new DataView(new ArrayBuffer(words * 4));
  for (let index = 0; index < words * 4; index++) bytes.setUint8(index, first + index);
  return Uint32Array.from({ length: words }, (_, index) => bytes.getUint32(index * 4, true));
}

test('is HalfSipHash-1-3: the vector for the bytes 0 to 19 under the key 0 to 7 in the Linux kernel (lib/tests/siphash_kunit.c)', () => {
  const [seed0 = 0, seed1 = 0] = countingWords(0, 2);
  assert.equal(hashKey(countingWords(0, 5), [seed0, seed1]).toString(16), '911bb605');
});

test('another seed puts the same keys elsewhere', () => {
  assert.notEqual(hashKey(countingWords(0, 5), [1, 2]), hashKey(countingWords(0, 5), [1, 3]));
});
