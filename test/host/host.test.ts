import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type HostPaths, readHost } from '../../src/host/host.ts';
import { utmpLayouts } from '../../src/host/utmp.ts';
import { formatProtection } from '../../src/model/protection.ts';
import { without } from '../environment.ts';
import { createNetworkPair } from '../support/netns.ts';

const nowMs = Date.parse('2026-11-22T20:00:00Z');

/** A host's files, made by the test; nothing of this machine. */
class Files {
  readonly directory = mkdtempSync(join(tmpdir(), 'slu-host-'));
  readonly paths: HostPaths = {
    proc: join(this.directory, 'proc'),
    resolvConf: [join(this.directory, 'resolv.conf'), join(this.directory, 'missing.conf')],
    utmp: join(this.directory, 'utmp'),
    wtmp: join(this.directory, 'wtmp'),
    sessions: join(this.directory, 'sessions'),
  };

  write(path: string, text: string | Buffer): void {
    const whole = join(this.directory, path);
    mkdirSync(join(whole, '..'), { recursive: true });
    writeFileSync(whole, text);
  }

  /** A process as /proc shows it. */
  process(
    pid: number,
    {
      comm,
      title,
      parent,
      uid,
      sockets = [],
    }: {
      readonly comm: string;
      readonly title: string;
      readonly parent: number;
      readonly uid: number;
      readonly sockets?: readonly number[];
    },
  ): void {
    this.write(`proc/${pid}/comm`, `${comm}\n`);
    this.write(`proc/${pid}/cmdline`, `${title}\0`);
    this.write(`proc/${pid}/status`, `Name:\t${comm}\nPPid:\t${parent}\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
    mkdirSync(join(this.directory, `proc/${pid}/fd`), { recursive: true });
    symlinkSync('/dev/null', join(this.directory, `proc/${pid}/fd/0`));
    for (const [index, inode] of sockets.entries()) symlinkSync(`socket:[${inode}]`, join(this.directory, `proc/${pid}/fd/${index + 3}`));
  }

  /** Established connections to local ports, `remote` in hexadecimal as the kernel writes it. */
  connections(list: readonly { readonly port: number; readonly remote: string; readonly inode: number; readonly state?: string }[]): void {
    const lines = list.map(
      ({ port, remote, inode, state = '01' }) =>
        `   0: 0100007F:${port.toString(16).padStart(4, '0')} ${remote}:D431 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1 0 100 0 0 10 0`,
    );
    this.write(
      'proc/net/tcp',
      ['  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode', ...lines, ''].join('\n'),
    );
  }
}

describe('what a host must never ban', () => {
  let files: Files;
  before(() => {
    files = new Files();
  });
  after(() => rmSync(files.directory, { recursive: true }));
  const said = async (options: Parameters<typeof readHost>[0] = {}) => {
    const facts = await readHost({ nowMs, paths: files.paths, ...options });
    const texts = facts.protections
      .filter(({ reason }) => reason !== 'own address')
      .map((each) => `${each.prefix} ${formatProtection(each)}`);
    return { ...facts, texts };
  };

  test('where there is nothing to read there is no problem either', async () => {
    mkdirSync(files.paths.proc);
    const { texts, problems } = await said();
    assert.deepEqual([texts, problems], [[], []]);
  });

  test('gateways, resolvers and sessions of systemd, each with where it is from', async () => {
    files.write('proc/net/route', 'Iface Destination Gateway Flags\neth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n');
    files.write('resolv.conf', 'nameserver 192.0.2.53\n');
    files.write('sessions/5', 'USER=alice\nREMOTE=1\nREMOTE_HOST=198.51.100.7\nCLASS=user\n');
    files.write('sessions/5.ref', 'USER=nobody\nREMOTE=1\nREMOTE_HOST=198.51.100.8\nCLASS=user\n');
    const { texts } = await said();
    assert.deepEqual(texts, [
      '192.0.2.1/32 gateway (eth0)',
      `192.0.2.53/32 resolver (${files.paths.resolvConf[0]})`,
      '198.51.100.7/32 session of alice',
    ]);
  });

  test('a session that has ended protects for an hour more', async () => {
    const previous = await said();
    rmSync(join(files.paths.sessions, '5'));
    assert.ok((await said({ previous, nowMs: nowMs + 3_600_000 })).texts.includes('198.51.100.7/32 session of alice'));
    assert.ok(!(await said({ previous, nowMs: nowMs + 3_600_001 })).texts.includes('198.51.100.7/32 session of alice'));
  });

  test('what cannot be read is a problem, and what was read last stays', async () => {
    const previous = await said();
    rmSync(join(files.paths.proc, 'net/route'));
    mkdirSync(join(files.paths.proc, 'net/route'));
    const { texts, problems } = await said({ previous });
    assert.ok(texts.includes('192.0.2.1/32 gateway (eth0)'));
    assert.match(problems.join(), /^Cannot read the gateways: EISDIR/);
    rmSync(join(files.paths.proc, 'net/route'), { recursive: true });
  });

  test('only who is logged in by SSH, not who is connected to its port', async () => {
    files.process(10, { comm: 'sshd', title: 'sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups', parent: 1, uid: 0 });
    files.process(11, { comm: 'sshd', title: 'sshd: alice [priv]', parent: 10, uid: 0, sockets: [101] });
    files.process(12, { comm: 'sshd', title: 'sshd: alice@notty', parent: 11, uid: 1000, sockets: [101, 105] });
    files.process(13, { comm: 'sshd', title: 'sshd: root@pts/0', parent: 10, uid: 0, sockets: [102] });
    files.process(14, { comm: 'sshd', title: 'sshd: guess [net]', parent: 10, uid: 104, sockets: [103] });
    files.process(15, { comm: 'bash', title: '-bash', parent: 12, uid: 1000 });
    // A user's own program, named like a session, with a connection that somebody made to it.
    files.process(16, { comm: 'sshd', title: 'sshd: mallory@pts/9', parent: 15, uid: 1000, sockets: [104] });
    files.process(20, { comm: 'sshd-session', title: 'sshd-session: bob@dom.example@pts/2', parent: 10, uid: 1001, sockets: [106] });
    files.connections([
      { port: 22, remote: '0A6433C6', inode: 101 },
      { port: 22, remote: '0B6433C6', inode: 102 },
      { port: 22, remote: '0C6433C6', inode: 103 },
      { port: 22, remote: '0D6433C6', inode: 104 },
      // alice forwards a port: whoever comes there is not logged in.
      { port: 8080, remote: '0E6433C6', inode: 105 },
      { port: 22, remote: '0F6433C6', inode: 106 },
    ]);
    const { texts } = await said();
    assert.deepEqual(texts.filter((text) => text.includes('session')).toSorted(), [
      '198.51.100.10/32 session of alice',
      '198.51.100.11/32 session of root',
      '198.51.100.15/32 session of bob@dom.example',
    ]);
    assert.ok((await said({ sshPorts: [2222] })).texts.every((text) => !text.includes('session')));
  });

  test('reads no more than the end of a long wtmp', async () => {
    const old = Buffer.concat(Array.from({ length: 5_000 }, () => login('early', [203, 0, 113, 1], nowMs)));
    const late = login('late', [203, 0, 113, 2], nowMs);
    files.write('wtmp', Buffer.concat([login('first', [203, 0, 113, 3], nowMs), old, late]));
    const { sessions } = await said();
    const users = sessions.map(({ user }) => user);
    assert.ok(users.includes('late') && users.includes('early') && !users.includes('first'), users.join());
  });
});

/** A login record of wtmp. */
function login(user: string, address: readonly number[], atMs: number): Buffer {
  const bytes = Buffer.alloc(utmpLayouts.short.recordBytes);
  bytes.writeInt16LE(7, 0);
  bytes.write('pts/0', 8);
  bytes.write(user, 44);
  bytes.writeUInt32LE(atMs / 1_000, 340);
  Buffer.from(address).copy(bytes, 348);
  return bytes;
}

test('own addresses and gateways of a real host, both families', { skip: without('root', 'ip') }, () => {
  const pair = createNetworkPair();
  try {
    const host = fileURLToPath(new URL('../../src/host/host.ts', import.meta.url));
    pair.host.run('ip', 'addr', 'add', '198.51.100.99/32', 'dev', 'eth0');
    pair.host.run('ip', '-6', 'route', 'add', 'default', 'via', '2001:db8::fe');
    const script = `const { readHost } = await import(${JSON.stringify(host)}); console.log(JSON.stringify((await readHost()).protections));`;
    const protections: readonly { readonly prefix: string; readonly reason: string; readonly detail: string }[] = JSON.parse(
      pair.host.run(process.execPath, '--no-warnings', '--input-type=module', '-e', script),
    );
    const of = (reason: string) =>
      protections.filter((each) => each.reason === reason && !each.prefix.startsWith('fe80')).map(({ prefix }) => prefix);
    assert.deepEqual(of('own address').toSorted(), ['127.0.0.1/32', '192.0.2.1/32', '198.51.100.99/32', '2001:db8::1/128', '::1/128']);
    assert.deepEqual(of('gateway').toSorted(), ['192.0.2.2/32', '2001:db8::2/128', '2001:db8::fe/128']);
  } finally {
    pair.remove();
  }
});
