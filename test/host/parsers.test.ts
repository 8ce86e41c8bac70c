import assert from 'node:assert/strict';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { parseLogindSession } from '../../src/host/logind-session.ts';
import { parseIpv6Routes, parseRoutes, parseTcp } from '../../src/host/proc-net.ts';
import { parseResolvers } from '../../src/host/resolv-conf.ts';
import { rememberSessions, type Session } from '../../src/host/session.ts';
import { type Address, parseAddress } from '../../src/model/address.ts';

function address(text: string): Address {
  const parsed = parseAddress(text);
  assert.ok(parsed, text);
  return parsed;
}

describe('routes', () => {
  test('of IPv4 give every next hop that is up', () => {
    const text = [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
      'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
      'eth1\t006433C6\t056433C6\t0007\t0\t0\t0\tFFFFFFFF\t0\t0\t0',
      'eth2\t00000000\t010200C0\t0203\t0\t0\t0\t00000000\t0\t0\t0',
      '',
    ].join('\n');
    assert.deepEqual(parseRoutes(text), [
      { address: '192.0.2.1', interface: 'eth0' },
      { address: '198.51.100.5', interface: 'eth1' },
    ]);
  });
  test('of IPv6 give every next hop that is up', () => {
    const zeros = '0'.repeat(32);
    const text = [
      `${zeros} 00 ${zeros} 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003     eth0`,
      `20010db8000000000000000000000000 40 ${zeros} 00 ${zeros} 00000100 00000001 00000000 00000001     eth0`,
      `${zeros} 00 ${zeros} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000203       lo`,
      '',
    ].join('\n');
    assert.deepEqual(parseIpv6Routes(text), [{ address: '2001:db8::1', interface: 'eth0' }]);
  });
});

test('resolv.conf gives its name servers and nothing else', () => {
  const text =
    '# nameserver 192.0.2.1\nsearch example.com\nnameserver 192.0.2.53\n nameserver\tfe80::1%eth0 \nnameserver example.net\noptions edns0\n';
  assert.deepEqual(parseResolvers(text), ['192.0.2.53', 'fe80::1']);
});

test('the table of TCP sockets has our own connection, in both families', async () => {
  for (const host of ['127.0.0.1', '::1']) {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    const bound = server.address();
    assert.ok(bound !== null && typeof bound === 'object');
    const client = connect(bound.port, host);
    const [accepted] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
    const inodes = new Set(
      readdirSync('/proc/self/fd').flatMap((name) => /socket:\[(\d+)\]/.exec(tryReadlink(`/proc/self/fd/${name}`))?.[1] ?? []),
    );
    const sockets = parseTcp(readFileSync(`/proc/self/net/${host === '::1' ? 'tcp6' : 'tcp'}`, 'latin1'));
    const ours = sockets.filter(({ localPort }) => localPort === bound.port);
    assert.equal(ours.length, 2, 'the listening one and the accepted one');
    assert.equal(ours.filter((socket) => socket.established).length, 1);
    const established = ours.find((socket) => socket.established);
    assert.equal(established?.remote, host);
    assert.ok(inodes.has(String(established?.inode)), 'its inode is one of our descriptors');
    client.destroy();
    for (const each of accepted) each.destroy();
    server.close();
    await once(server, 'close');
  }
});

/** Empty where the descriptor has gone meanwhile: that of the directory itself. */
function tryReadlink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

describe("a file of systemd-logind's", () => {
  const session =
    '# This is private data. Do not parse.\nUID=1000\nUSER=alice\nACTIVE=1\nSTATE=active\nREMOTE=1\nTYPE=tty\nCLASS=user\nSCOPE=session-5.scope\nREMOTE_HOST=192.0.2.7\nSERVICE=sshd\nLEADER=4711\n';
  test('tells where the user is logged in from', () => {
    assert.deepEqual(parseLogindSession(session, 5), { address: '192.0.2.7', user: 'alice', seenMs: 5 });
  });
  const others: readonly [because: string, text: string][] = [
    ['a name is never looked up', session.replace('192.0.2.7', 'host.example.com')],
    ['nobody came from anywhere', session.replace(/REMOTE_HOST.*\n/, '')],
    ['a greeter is nobody', session.replace('CLASS=user', 'CLASS=greeter')],
    ['it says that it is local', session.replace('REMOTE=1', 'REMOTE=0')],
    ['it is no such file', '\0\0\0'],
  ];
  for (const [because, text] of others) test(`tells nothing: ${because}`, () => assert.equal(parseLogindSession(text, 5), undefined));
  test('may be quoted', () => {
    assert.equal(parseLogindSession(session.replace('USER=alice', 'USER="al\\"ice"'), 5)?.user, 'al"ice');
  });
});

describe('sessions are remembered', () => {
  const hourMs = 3_600_000;
  const alice: Session = { address: address('192.0.2.7'), user: 'alice', seenMs: 0 };
  test('for an hour after they were last seen', () => {
    assert.deepEqual(rememberSessions([alice], [], hourMs), [alice]);
    assert.deepEqual(rememberSessions([alice], [], hourMs + 1), []);
  });
  test('once for a user and an address, as of the latest sight', () => {
    const later = { ...alice, seenMs: 50 };
    assert.deepEqual(rememberSessions([later, alice], [alice], 60), [later]);
  });
  test('as of now, if the clock was ahead when they were seen', () => {
    assert.deepEqual(rememberSessions([{ ...alice, seenMs: hourMs * 24 }], [], 10), [{ ...alice, seenMs: 10 }]);
  });
  test('a thousand of them, the latest', () => {
    const many = Array.from({ length: 3_000 }, (_, index) => ({ ...alice, user: `user${index}`, seenMs: index }));
    const kept = rememberSessions(many, [], 3_000);
    assert.equal(kept.length, 1_000);
    assert.equal(kept[0]?.user, 'user2999');
  });
});
