import assert from 'node:assert/strict';
import { endianness } from 'node:os';
import { describe, test } from 'node:test';
import { parseAddress } from '../../src/model/address.ts';
import { createDatagramTrust, uidOf } from '../../src/receive/sender-trust.ts';
import type { Endpoint, SocketTables } from '../../src/receive/socket-owner.ts';

const loopback = parseAddress('127.0.0.1');
assert.ok(loopback !== undefined);
const sender: Endpoint = { address: loopback, port: 0x9c40 };
const skip = endianness() === 'LE' ? false : 'the tables below are of a little-endian machine';

function row(uid: number, inode: number, local = '0100007F:9C40'): string {
  return `  100: ${local} 00000000:0000 07 00000000:00000000 00:00000000 00000000 ${uid} 0 ${inode} 2 0000000084064d87 0\n`;
}

/** A clock and a kernel that the test moves. */
function asking(believed: readonly number[] = [0]): { ask: (atMs: number, rows: string) => string; readings: () => number } {
  let nowMs = 0;
  let rows = '';
  let readings = 0;
  const read = (): SocketTables => {
    readings += 1;
    return { ipv4: rows, ipv6: '' };
  };
  const trust = createDatagramTrust(new Set(believed), () => nowMs, read);
  return {
    ask: (atMs, table) => {
      nowMs = atMs;
      rows = table;
      return trust(sender);
    },
    readings: () => readings,
  };
}

describe('a datagram of this host', { skip }, () => {
  const cases: readonly [rows: string, trust: string, because: string][] = [
    [row(0, 1), 'full', 'root'],
    [row(1_000, 1), 'low', 'anybody'],
    [row(104, 1), 'full', 'a listed uid'],
    ['', 'low', 'a socket that is closed already'],
    [row(0, 0), 'low', 'a socket that no process has open: the kernel says uid 0'],
    [row(0, 1) + row(1_000, 2), 'low', 'two that share the port: both must be believed'],
    [row(0, 1, '00000000:9C40') + row(1_000, 2), 'low', 'one of them bound to every address'],
    [row(0, 1) + row(104, 2), 'full', 'two that share the port and are believed'],
    [row(0, 1, '0100007F:9C41'), 'low', 'another port'],
  ];
  for (const [rows, trust, because] of cases) test(`${because}: ${trust}`, () => assert.equal(asking([0, 104]).ask(0, rows), trust));

  test('is believed by a reading that is 10 ms old, not by an older one', () => {
    const { ask, readings } = asking();
    assert.equal(ask(0, row(0, 1)), 'full');
    assert.equal(ask(9, row(1_000, 2)), 'full');
    assert.equal(readings(), 1);
    assert.equal(ask(10, row(1_000, 2)), 'low');
    assert.equal(readings(), 2);
  });

  test('from a port that the last reading does not have is looked up again soon, but not for every datagram', () => {
    const { ask, readings } = asking();
    assert.equal(ask(0, ''), 'low');
    assert.equal(ask(0.5, row(0, 1)), 'low');
    assert.equal(ask(1, row(0, 1)), 'full');
    assert.equal(readings(), 2);
  });

  test('is not believed where the kernel says nothing', () => {
    const trust = createDatagramTrust(
      new Set([0]),
      () => 0,
      () => {
        throw new Error('ENOENT');
      },
    );
    assert.equal(trust(sender), 'low');
  });
});

test('a user is found in passwd(5)', () => {
  const passwd =
    'root:x:0:0:root:/root:/bin/bash\nsyslogger:x:9:9::/:/bin/sh\nsyslog:x:104:110::/home/syslog:/usr/sbin/nologin\nbad:x:no:1::/:/bin/sh\n';
  assert.equal(uidOf('syslog', passwd), 104);
  assert.equal(uidOf('bad', passwd), undefined);
  assert.equal(uidOf('sys', passwd), undefined);
});
