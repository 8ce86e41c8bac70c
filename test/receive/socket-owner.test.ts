import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { endianness } from 'node:os';
import { describe, test } from 'node:test';
import { type Address, parseAddress } from '../../src/model/address.ts';
import { boundSockets, connectedSockets, type Endpoint, readSocketTables } from '../../src/receive/socket-owner.ts';
import { connectTo } from './syslog-listener.ts';

function endpoint(address: string, port: number): Endpoint {
  return { address: at(address), port };
}

function at(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new TypeError(text);
  return address;
}

// What the kernel printed on a little-endian machine: 127.0.0.1 is 0100007F, port 5514 is 158A.
const skip = endianness() === 'LE' ? false : 'the tables below are of a little-endian machine';
const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const receiver = endpoint('127.0.0.1', 5514);

const tcp = {
  ipv4: `${head}
   0: 0100007F:158A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 652 1 00000000212462bc 100 0 0 10 0
   1: 0100007F:9C40 0100007F:158A 01 00000000:00000000 00:00000000 00000000  1000        0 9001 1 0000000084064d87 20 0 0 10 -1
   2: 0100007F:158A 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 9002 1 0000000084064d88 20 0 0 10 -1
   3: 0100007F:9C41 0100007F:158A 06 00000000:00000000 03:000016DA 00000000     0        0 0 3 0000000084064d89
   4: 0100007F:9C42 0100007F:158A 05 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000084064d90 20 0 0 10 -1
   5: 0100007F:9C43 0100007F:158B 01 00000000:00000000 00:00000000 00000000     0        0 9003 1 0000000084064d91 20 0 0 10 -1
`,
  ipv6: `${head}
   0: 0000000000000000FFFF00000100007F:9C44 0000000000000000FFFF00000100007F:158A 01 00000000:00000000 00:00000000 00000000   104        0 9004 1 0 20 0 0 10 -1
   1: 00000000000000000000000001000000:9C45 00000000000000000000000001000000:158A 01 00000000:00000000 00:00000000 00000000     0        0 9005 1 0 20 0 0 10 -1
`,
};

describe('the TCP socket of a sender', { skip }, () => {
  const cases: readonly [sender: Endpoint, to: Endpoint, row: readonly [uid: number, inode: number] | undefined, because: string][] = [
    [endpoint('127.0.0.1', 40_000), receiver, [1_000, 9_001], "the sender's row, not the receiver's"],
    [endpoint('127.0.0.1', 40_001), receiver, [0, 0], 'TIME_WAIT shows uid 0 of anybody'],
    [endpoint('127.0.0.1', 40_002), receiver, [0, 0], 'closed by its process, still sending: uid 0 of anybody'],
    [endpoint('127.0.0.1', 40_003), receiver, undefined, 'the same port, connected to somebody else'],
    [endpoint('127.0.0.1', 40_004), receiver, [104, 9_004], 'an IPv6 socket that speaks IPv4'],
    [endpoint('::1', 40_005), endpoint('::1', 5514), [0, 9_005], 'IPv6'],
    [endpoint('127.0.0.1', 40_006), receiver, undefined, 'not there'],
  ];
  for (const [sender, to, expected, because] of cases) {
    test(because, () => {
      const row = connectedSockets(tcp)(sender, to);
      assert.deepEqual(row === undefined ? undefined : [row.uid, row.inode], expected);
    });
  }
});

const udp = {
  ipv4: `${head} ref pointer drops
  100: 0100007F:9C40 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 7001 2 0000000084064d87 0
  101: 00000000:9C40 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7002 2 0000000084064d88 0
  102: 0200007F:9C40 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 7003 2 0000000084064d89 0
  103: 0100007F:158A 00000000:0000 07 00000000:00034200 00:00000000 00000000     0        0 7004 2 0000000084064d90 4711
  104: 0100007F:9C41 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 7005 2 0000000084064d91 0
`,
  ipv6: `${head} ref pointer drops
  200: 00000000000000000000000000000000:9C40 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000   104        0 7006 2 0 0
`,
};

describe('the sockets that a datagram may have come from', { skip }, () => {
  test('are those bound to its address or to every address, in both families', () => {
    assert.deepEqual(
      boundSockets(udp, endpoint('127.0.0.1', 40_000)).map(({ uid, inode }) => [uid, inode]),
      [
        [1_000, 7_001],
        [0, 7_002],
        [104, 7_006],
      ],
    );
    assert.deepEqual(boundSockets(udp, endpoint('127.0.0.1', 40_003)), []);
  });

  test('say what they dropped', () => {
    assert.deepEqual(boundSockets(udp, receiver), [{ uid: 0, inode: 7_004, drops: 4_711 }]);
  });

  test('from any address are those bound to every address', () => {
    assert.deepEqual(
      boundSockets(udp, endpoint('0.0.0.0', 40_000)).map(({ inode }) => inode),
      [7_002, 7_006],
    );
  });
});

test('the kernel names the owner of a real connection, and nobody once it is closed', async () => {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  assert.ok(bound !== null && typeof bound === 'object');
  const accepted = once(server, 'connection');
  const socket = await connectTo(bound.port);
  const [held] = await accepted;
  const sender = endpoint('127.0.0.1', socket.localPort ?? 0);
  const to = endpoint('127.0.0.1', bound.port);
  const open = connectedSockets(await readSocketTables('tcp'))(sender, to);
  assert.ok(open !== undefined && open.inode !== 0);
  assert.equal(open.uid, process.getuid?.());
  socket.destroy();
  await once(socket, 'close');
  assert.equal(connectedSockets(await readSocketTables('tcp'))(sender, to)?.inode ?? 0, 0);
  held.destroy();
  server.close();
});
