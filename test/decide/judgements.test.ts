import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { Judgements } from '../../src/decide/judgements.ts';
import { NeverBanned } from '../../src/decide/never-banned.ts';
import { newKey, readSubject, subjectOf, wholeAddress } from '../../src/decide/subject-key.ts';
import { type Address, parseAddress, parsePrefix } from '../../src/model/address.ts';

/** Enough of them that some share a place. */
const addresses = fc
  .oneof(
    fc.nat(65_535).map((host) => `198.51.${host >> 8}.${host & 0xff}`),
    fc.tuple(fc.nat(300), fc.nat(3)).map(([network, host]) => `2001:db8:${network.toString(16)}::${host + 1}`),
  )
  .map((text): Address => {
    const address = parseAddress(text);
    assert.ok(address);
    return address;
  });
const lists = fc.array(fc.constantFrom('198.51.0.0/18', '198.51.100.7', '2001:db8:4::/48', '2001:db8:9::1'), { maxLength: 3 });

function listed(texts: readonly string[]): NeverBanned {
  return new NeverBanned(
    texts.map((text) => {
      const prefix = parsePrefix(text);
      assert.ok(prefix);
      return { prefix, reason: 'allowlist', detail: '' };
    }),
  );
}

describe('judgements', () => {
  test('are those of the never-banned list in force, however often and in whatever order they are asked for', () => {
    const asked = fc.array(fc.tuple(addresses, fc.constantFrom(16, 24, 32, 48, 64, 128)), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(fc.array(fc.tuple(lists, asked), { minLength: 1, maxLength: 4 }), (rounds) => {
        const judgements = new Judgements();
        for (const [texts, questions] of rounds) {
          const neverBanned = listed(texts);
          for (const [address, length] of [...questions, ...questions]) {
            const { verdict, subject, key } = judgements.judge(address, length, neverBanned);
            const expected = neverBanned.verdict(address, length);
            assert.deepEqual(verdict, expected);
            const plain = newKey();
            readSubject(plain, address, expected.kind === 'free' ? length : wholeAddress);
            assert.deepEqual(key, plain);
            assert.equal(subject, subjectOf(plain));
          }
        }
      }),
    );
  });
});
