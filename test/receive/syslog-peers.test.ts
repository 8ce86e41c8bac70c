import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { describe, test } from 'node:test';
import { parseAddress } from '../../src/model/address.ts';
import { createPeerCheck, isOwnAddress } from '../../src/receive/syslog-peers.ts';
import { prefix } from './syslog-listener.ts';

describe('who may send', () => {
  const check = createPeerCheck('::', [prefix('192.0.2.0/24'), prefix('2001:db8::/32'), prefix('fe80::/10'), prefix('127.0.0.0/8')]);
  const cases: readonly [address: string, listed: string | undefined, because: string][] = [
    ['192.0.2.25', '192.0.2.25', 'in a listed network'],
    ['::ffff:192.0.2.25', '192.0.2.25', 'an IPv6 socket shows IPv4 senders so'],
    ['2001:db8::25', '2001:db8::25', 'IPv6'],
    ['fe80::1%eth0', 'fe80::1', 'link-local, with the interface'],
    ['198.51.100.25', undefined, 'not listed'],
    ['::ffff:198.51.100.25', undefined, 'not listed, whatever the spelling'],
    ['', undefined, 'a connection that is gone already'],
  ];
  for (const [address, listed, because] of cases) {
    test(`${address}: ${because}`, () => {
      const verdict = check(address);
      assert.equal(verdict.kind === 'listed' ? verdict.address : undefined, listed);
      assert.equal(check(address), verdict, 'remembered');
    });
  }

  test('without a list is loopback, on loopback', () => {
    for (const host of ['127.0.0.1', '::1']) {
      const local = createPeerCheck(host, []);
      assert.deepEqual(
        ['127.0.0.1', '127.9.9.9', '::1', '192.0.2.25'].map((address) => local(address).kind),
        ['listed', 'listed', 'listed', 'denied'],
      );
    }
  });

  test('answers for more addresses than it remembers', () => {
    for (let i = 0; i < 20_000; i += 1) assert.equal(check(`198.51.${i >> 8}.${i & 255}`).kind, 'denied');
    assert.equal(check('192.0.2.25').kind, 'listed');
  });
});

test('own addresses are loopback and those of the interfaces', () => {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  for (const text of ['127.0.0.1', '127.1.2.3', '::1', ...own.map(({ address }) => address.replace(/%.*/, ''))]) {
    const address = parseAddress(text);
    assert.ok(address !== undefined && isOwnAddress(address), text);
  }
  const other = parseAddress('203.0.113.77');
  assert.ok(other !== undefined && !isOwnAddress(other));
});
