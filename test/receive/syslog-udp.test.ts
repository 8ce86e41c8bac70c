import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import type { Source, SyslogSettings } from '../../src/model/source.ts';
import type { SyslogDeps } from '../../src/receive/syslog-limits.ts';
import { openSyslogUdp } from '../../src/receive/syslog-udp.ts';
import { recordedSink, type RecordedSink } from '../support/recorded-sink.ts';
import { loopbackSettings, nowMs, prefix, testDeps } from './syslog-listener.ts';

const opened: Source[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.close();
  await Promise.all(opened.splice(0).map((source) => source.stop()));
});

async function listening(changed: { settings?: Partial<SyslogSettings>; deps?: Partial<SyslogDeps> } = {}): Promise<{
  readonly source: Source & { readonly port: number };
  readonly sink: RecordedSink;
}> {
  const sink = recordedSink();
  const source = await openSyslogUdp(loopbackSettings('udp', changed.settings), sink, testDeps(changed.deps));
  opened.push(source);
  return { source, sink };
}

/** A socket that sends to the port and waits until the kernel has each datagram. */
async function sender(port: number, from = '127.0.0.1'): Promise<(bytes: string | Buffer) => Promise<void>> {
  const socket = createSocket('udp4').bind(0, from);
  await once(socket, 'listening');
  sockets.push(socket);
  return (bytes) =>
    new Promise((resolve, reject) => {
      socket.send(bytes, port, '127.0.0.1', (error) => (error === null ? resolve() : reject(error)));
    });
}

const line = '<22>Nov 22 17:30:37 mx1 postfix/smtpd[1234]: ';

describe('a syslog listener on UDP', () => {
  test('takes one message a datagram, without what frames it', async () => {
    const { source, sink } = await listening();
    const send = await sender(source.port);
    for (const end of ['', '\n', '\r\n', '\0']) await send(`${line}a\nb${end}`);
    await sink.until(() => sink.records.length === 4);
    assert.deepEqual(sink.texts(), ['a\nb', 'a\nb', 'a\nb', 'a\nb']);
    assert.deepEqual(sink.records[0]?.origin, { kind: 'syslog', transport: 'udp', peer: '127.0.0.1' });
    assert.deepEqual(sink.records[0]?.receivedMs, nowMs);
    assert.equal(sink.total().records, 4);
  });

  test('says of every other datagram why it is no message', async () => {
    const { source, sink } = await listening({ deps: { maxFrameBytes: 100 } });
    const send = await sender(source.port);
    await send('');
    await send('\0\0');
    await send('<22>1 broken');
    await send(Buffer.concat([Buffer.from('z'), deflateSync(`${line}compressed`)]));
    await send(`${line}${'x'.repeat(200)}`);
    await sink.until(() => sink.records.length === 1);
    assert.equal(sink.records[0]?.text.length, 100 - line.length);
    assert.deepEqual(
      sink.errors.map(({ reason }) => reason),
      ['decode', 'decode', 'decode', 'decode', 'oversize'],
    );
    assert.match(sink.errors[3]?.detail ?? '', /ZipLevel/);
  });

  test('refuses senders that are not listed', async () => {
    const { source, sink } = await listening({ settings: { peers: [prefix('127.0.0.2/32')] } });
    await (await sender(source.port, '127.0.0.3'))(`${line}stranger`);
    await (await sender(source.port, '127.0.0.2'))(`${line}listed`);
    await sink.until(() => sink.records.length === 1);
    assert.deepEqual(sink.texts(), ['listed']);
    assert.deepEqual(sink.errors, [{ reason: 'denied_peer', detail: '127.0.0.3 is not listed under peers' }]);
  });

  test('unwraps repeated messages per sender', async () => {
    const { source, sink } = await listening();
    const one = await sender(source.port);
    const two = await sender(source.port);
    await one(`${line}a`);
    await two(`${line}message repeated 3 times: [ a]`);
    await one(`${line}message repeated 3 times: [ a]`);
    await sink.until(() => sink.records.length === 3);
    assert.deepEqual(
      sink.records.map(({ text, repeats }) => [text, repeats]),
      [
        ['a', 1],
        ['message repeated 3 times: [ a]', 1],
        ['a', 3],
      ],
    );
  });

  test('paused, holds what fits into its buffer, counts the rest as lost, and goes on where it was', async () => {
    const body = 'x'.repeat(20_000);
    const { source, sink } = await listening({ deps: { receiveBufferBytes: 3 * (line.length + 1 + body.length + 256) } });
    const send = await sender(source.port);
    source.pause();
    for (let i = 0; i < 5; i += 1) await send(`${line}${i}${body}`);
    await sink.until(() => sink.losses.length === 2);
    assert.deepEqual(sink.texts(), []);
    source.resume();
    await send(`${line}5`);
    await sink.until(() => sink.records.length === 4);
    assert.deepEqual(
      sink.texts().map((text) => text[0]),
      ['0', '1', '2', '5'],
    );
    assert.deepEqual(
      sink.losses.map(({ reason, count }) => [reason, count]),
      [
        ['overflow', 1],
        ['overflow', 1],
      ],
    );
  });

  test('stopped, still reads what waits in the kernel', async () => {
    const { source, sink } = await listening();
    sendWhileBlocked(source.port, 500, 100);
    await source.stop();
    assert.equal(sink.records.length, 500);
    assert.deepEqual(sink.ups.at(-1), { up: false, detail: 'stopped' });
  });

  test('counts what the kernel had no room for', async () => {
    const { source, sink } = await listening({ deps: { receiveBufferBytes: 4_096 } });
    assert.match(sink.ups[0]?.detail ?? '', /^listening on udp:/);
    sendWhileBlocked(source.port, 500, 1_000);
    await sink.until(() => sink.losses.length > 0);
    await source.stop();
    const lost = sink.losses.reduce((sum, loss) => sum + loss.count, 0);
    assert.ok(lost > 0);
    assert.equal(sink.records.length + lost, 500);
    assert.ok(sink.losses.every(({ reason, detail }) => reason === 'udp_kernel' && detail.includes('net.core.rmem_max')));
  });

  test('says when the kernel gave a smaller buffer than it was asked for', async () => {
    const { sink } = await listening({ deps: { receiveBufferBytes: 1_073_741_824 } });
    assert.match(sink.ups[0]?.detail ?? '', /with a receive buffer of \d+ bytes: for 1073741824 set net\.core\.rmem_max=1073741824/);
  });

  test('does not listen for everybody without a list of peers, nor where another program does', async () => {
    await assert.rejects(openSyslogUdp(loopbackSettings('udp', { host: '::', peers: [] }), recordedSink(), testDeps()), /list the hosts/);
    const { source } = await listening();
    const again = openSyslogUdp(loopbackSettings('udp', { port: source.port }), recordedSink(), testDeps());
    await assert.rejects(again, /Cannot listen on udp:.*another program has this port\. "ss -Hlunp sport = :\d+" shows which/);
  });

  test('on IPv6 takes IPv4 senders under their IPv4 address', async () => {
    const { source, sink } = await listening({ settings: { host: '::', peers: [prefix('127.0.0.0/8')] } });
    await (await sender(source.port))(`${line}x`);
    await sink.until(() => sink.records.length === 1);
    assert.deepEqual(sink.records[0]?.origin, { kind: 'syslog', transport: 'udp', peer: '127.0.0.1' });
  });
});

/** Sends from another process while this one waits, and so cannot read: the kernel's buffer alone takes them. */
function sendWhileBlocked(port: number, count: number, bytes: number): void {
  const script = `
    const socket = require('node:dgram').createSocket('udp4');
    const text = ${JSON.stringify(line)} + 'x'.repeat(${bytes});
    let left = ${count};
    const next = () => (left-- > 0 ? socket.send(text, ${port}, '127.0.0.1', next) : socket.close());
    next();
  `;
  const done = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
}
