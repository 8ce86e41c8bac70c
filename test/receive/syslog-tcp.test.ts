import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import type { Source, SyslogSettings } from '../../src/model/source.ts';
import type { SyslogDeps } from '../../src/receive/syslog-limits.ts';
import { openSyslogTcp } from '../../src/receive/syslog-tcp.ts';
import { recordedSink, type RecordedSink } from '../support/recorded-sink.ts';
import { connectTo, loopbackSettings, nowMs, prefix, testDeps } from './syslog-listener.ts';

const opened: Source[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(opened.splice(0).map((source) => source.stop()));
});

interface Listening {
  readonly source: Source & { readonly port: number };
  readonly sink: RecordedSink;
  readonly open: () => number;
}

async function listening(changed: { settings?: Partial<SyslogSettings>; deps?: Partial<SyslogDeps> } = {}): Promise<Listening> {
  let open = 0;
  const recorded = recordedSink();
  const sink = {
    ...recorded,
    connections: (count: number) => {
      open = count;
      recorded.connections(count);
    },
  };
  const source = await openSyslogTcp(loopbackSettings('tcp', changed.settings), sink, testDeps(changed.deps));
  opened.push(source);
  return { source, sink: recorded, open: () => open };
}

async function sender(port: number, options?: { host?: string; localAddress?: string }): Promise<Socket> {
  const socket = await connectTo(port, options);
  sockets.push(socket);
  return socket;
}

const line = '<22>Nov 22 17:30:37 mx1 postfix/smtpd[1234]: ';

describe('a syslog listener on TCP', () => {
  test('gives every message its way here', async () => {
    const { source, sink } = await listening();
    (await sender(source.port)).write(`${line}connect from unknown[192.0.2.4]\n`);
    await sink.until(() => sink.records.length === 1);
    assert.deepEqual(sink.records, [
      {
        facility: 2,
        severity: 6,
        stamp: { ms: Date.UTC(2026, 10, 22, 17, 30, 37), zoned: false, fraction: false },
        hostname: 'mx1',
        appName: 'postfix/smtpd',
        procId: '1234',
        msgId: undefined,
        structuredData: undefined,
        text: 'connect from unknown[192.0.2.4]',
        repeats: 1,
        source: 'tcp://127.0.0.1',
        origin: { kind: 'syslog', transport: 'tcp', peer: '127.0.0.1' },
        trust: sink.records[0]?.trust,
        receivedMs: nowMs,
        trusted: undefined,
        catchingUp: false,
      },
    ]);
    assert.match(sink.ups[0]?.detail ?? '', /^listening on tcp:\/\/127\.0\.0\.1:\d+$/);
  });

  test('reads each connection in its own framing', async () => {
    const { source, sink } = await listening();
    const framings = [(text: string) => `${text}\n`, (text: string) => `${text}\0`, (text: string) => `${Buffer.byteLength(text)} ${text}`];
    for (const framed of framings) (await sender(source.port)).write(framed(`${line}one`) + framed(`${line}two`));
    await sink.until(() => sink.records.length === 6);
    assert.deepEqual(sink.texts().toSorted(), ['one', 'one', 'one', 'two', 'two', 'two']);
  });

  test('counts what it read, also what is no message', async () => {
    const { source, sink } = await listening();
    const sent = `${line}one\n<22>1 broken\n${line}two\n`;
    (await sender(source.port)).end(sent);
    await sink.until(() => sink.records.length === 2);
    assert.deepEqual(sink.total(), { records: 3, bytes: sent.length });
    assert.deepEqual(sink.errors, [{ reason: 'decode', detail: '127.0.0.1: not a syslog message: header' }]);
  });

  test('keeps hostile text as it is', async () => {
    const { source, sink } = await listening();
    const texts = [
      'a\0b',
      'a\rb',
      '\u001b[31mred',
      'a\u2028b\u2029c\u0085d',
      '\ufffd',
      '#012 <22>Nov 22 17:30:37 mx1 postfix/smtpd[1]: forged',
    ];
    const socket = await sender(source.port);
    for (const text of texts) socket.write(`${Buffer.byteLength(line + text)} ${line}${text}`);
    socket.write(Buffer.concat([Buffer.from(`${line.length + 3} ${line}`), Buffer.of(0xff, 0xc3, 0x28)]));
    await sink.until(() => sink.records.length === texts.length + 1);
    assert.deepEqual(sink.texts(), [...texts, '\ufffd\ufffd(']);
  });

  test('cuts a message of 1 MB, counts it, and reads on behind it', async () => {
    const { source, sink } = await listening();
    const socket = await sender(source.port);
    socket.write(`${line}${'x'.repeat(1_048_576)}\n${line}next\n`);
    await sink.until(() => sink.records.length === 2);
    assert.equal(sink.records[0]?.text.length, 65_536 - line.length);
    assert.equal(sink.records[1]?.text, 'next');
    assert.deepEqual(
      sink.errors.map(({ reason }) => reason),
      ['oversize'],
    );
  });

  test('closes a connection whose octet counts lie, and loses nothing before the lie', async () => {
    const { source, sink, open } = await listening();
    const socket = await sender(source.port);
    const closed = once(socket, 'close');
    const message = `${line}one`;
    socket.write(`${message.length} ${message}${message.length} ${line}two and more`);
    await closed;
    await sink.until(() => sink.errors.length > 0 && open() === 0);
    assert.deepEqual(sink.texts(), ['one', 'two']);
    assert.equal(sink.errors[0]?.reason, 'framing');
  });

  test('takes the last line of an orderly end, but not half a line that a reset left', async () => {
    const { source, sink, open } = await listening();
    (await sender(source.port)).end(`${line}one\n${line}from 192.0.2.45`);
    await sink.until(() => sink.records.length === 2 && open() === 0);
    const socket = await sender(source.port);
    socket.write(`${line}three\n${line}from 192.0.2.4`);
    await sink.until(() => sink.records.length === 3);
    socket.resetAndDestroy();
    await sink.until(() => open() === 0);
    assert.deepEqual(sink.texts(), ['one', 'from 192.0.2.45', 'three']);
  });

  test('unwraps repeated messages per connection', async () => {
    const { source, sink } = await listening();
    const one = await sender(source.port);
    const two = await sender(source.port);
    one.write(`${line}a\n`);
    await sink.until(() => sink.records.length === 1);
    two.write(`${line}message repeated 3 times: [ a]\n`);
    await sink.until(() => sink.records.length === 2);
    one.write(`${line}message repeated 3 times: [ a]\n${line}message repeated 2 times: [ a]\n`);
    await sink.until(() => sink.records.length === 4);
    assert.deepEqual(
      sink.records.map(({ text, repeats }) => [text, repeats]),
      [
        ['a', 1],
        ['message repeated 3 times: [ a]', 1],
        ['a', 3],
        ['a', 2],
      ],
    );
  });

  test('makes strings only of what the sieve lets through, and still knows the message before a repeated one', async () => {
    const { source, sink } = await listening({ deps: { find: literalSieve('reject') } });
    const socket = await sender(source.port);
    const sent = `${line}connect\n${line}reject: a\n${line}quit\n${line}message repeated 3 times: [ reject: b]\n${line}quit\n`;
    socket.end(sent);
    await sink.until(() => sink.records.length === 2);
    assert.deepEqual(
      sink.records.map(({ text, repeats }) => [text, repeats]),
      [
        ['reject: a', 1],
        ['reject: b', 3],
      ],
    );
    assert.deepEqual(sink.total(), { records: 5, bytes: sent.length });
  });
});

/** A sieve for one text. */
function literalSieve(literal: string): (bytes: Buffer, start: number, end: number) => number {
  return (bytes, start, end) => {
    const found = bytes.indexOf(literal, start, 'latin1');
    return found === -1 || found > end ? end : found;
  };
}

describe('a syslog listener on TCP refuses', () => {
  test('peers that are not listed', async () => {
    const { source, sink, open } = await listening({ settings: { peers: [prefix('127.0.0.2/32')] } });
    const stranger = await sender(source.port, { localAddress: '127.0.0.3' });
    stranger.write(`${line}x\n`);
    await once(stranger, 'close');
    assert.deepEqual(sink.errors, [{ reason: 'denied_peer', detail: '127.0.0.3 is not listed under peers' }]);
    assert.equal(open(), 0);
    (await sender(source.port, { localAddress: '127.0.0.2' })).write(`${line}listed\n`);
    await sink.until(() => sink.records.length === 1);
    assert.deepEqual(sink.texts(), ['listed']);
  });

  test('connections beyond the limit of one peer, while others still get in', async () => {
    const { source, sink, open } = await listening({ deps: { maxConnectionsPerPeer: 3 } });
    const first = await sender(source.port);
    for (let i = 0; i < 2; i += 1) await sender(source.port);
    await sink.until(() => open() === 3);
    for (let i = 0; i < 13; i += 1) await once(await sender(source.port), 'close');
    assert.equal(sink.errors.filter(({ reason }) => reason === 'connection_limit').length, 13);
    (await sender(source.port, { localAddress: '127.0.0.2' })).write(`${line}another peer\n`);
    await sink.until(() => sink.records.length === 1);
    first.destroy();
    await sink.until(() => open() === 3);
    (await sender(source.port)).write(`${line}a place is free again\n`);
    await sink.until(() => sink.records.length === 2);
  });

  test('connections beyond the limit of all', async () => {
    const { source, sink, open } = await listening({ deps: { maxConnections: 2 } });
    await sender(source.port, { localAddress: '127.0.0.2' });
    await sender(source.port, { localAddress: '127.0.0.3' });
    await sink.until(() => open() === 2);
    for (let i = 0; i < 13; i += 1) await once(await sender(source.port, { localAddress: `127.0.1.${i + 1}` }), 'close');
    assert.equal(sink.errors.filter(({ reason }) => reason === 'connection_limit').length, 13);
  });

  test('to listen for everybody without a list of peers', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.10']) {
      const opening = openSyslogTcp(loopbackSettings('tcp', { host, peers: [] }), recordedSink(), testDeps());
      await assert.rejects(opening, /list the hosts that may send under "peers:"/, host);
    }
  });

  test('to listen where it cannot, and says what to do', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    assert.ok(address !== null && typeof address === 'object');
    const { port } = address;
    await assert.rejects(openSyslogTcp(loopbackSettings('tcp', { port }), recordedSink(), testDeps()), {
      message: `Cannot listen on tcp://127.0.0.1:${port}: another program has this port. "ss -Hltnp sport = :${port}" shows which (EADDRINUSE): stop it, or give another port under "sources: syslog: listen:"`,
    });
    taken.close();
    await assert.rejects(
      openSyslogTcp(loopbackSettings('tcp', { host: '192.0.2.10' }), recordedSink(), testDeps()),
      /no interface of this host has the address 192\.0\.2\.10/,
    );
  });

  test('a time zone that does not exist', async () => {
    await assert.rejects(
      openSyslogTcp(loopbackSettings('tcp', { timezone: 'Europe/Atlantis' }), recordedSink(), testDeps()),
      /no time zone "Europe\/Atlantis"/,
    );
  });
});

describe('a syslog listener on TCP, paused', () => {
  test('lets the sender wait, and loses nothing', async () => {
    const { source, sink } = await listening();
    const socket = await sender(source.port);
    socket.write(`${line}0\n`);
    await sink.until(() => sink.records.length === 1);
    source.pause();
    source.pause();
    const later = await sender(source.port);
    later.write(`${line}later\n`);
    const body = 'x'.repeat(1_000);
    let sent = 1;
    // Until the kernel takes no more: the sender feels it.
    while (socket.write(`${line}${sent} ${body}\n`) || socket.writableLength < 1_000_000) sent += 1;
    assert.ok(socket.writableLength > 0);
    const before = sink.records.length;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(sink.records.length, before);
    source.resume();
    await sink.until(() => sink.records.length === sent + 2);
    const numbers = sink.records.filter(({ text }) => text !== 'later').map(({ text }) => Number(text.split(' ')[0]));
    assert.deepEqual(
      numbers,
      Array.from({ length: sent + 1 }, (_, i) => i),
    );
  });

  test('and then stopped, still reads what has arrived', async () => {
    const { source, sink } = await listening();
    const socket = await sender(source.port);
    socket.write(`${line}0\n`);
    await sink.until(() => sink.records.length === 1);
    source.pause();
    await new Promise<void>((resolve) =>
      socket.write(Array.from({ length: 1_000 }, (_, i) => `${line}${i + 1}\n`).join(''), () => resolve()),
    );
    await source.stop();
    assert.equal(sink.records.length, 1_001);
    assert.deepEqual(sink.ups.at(-1), { up: false, detail: 'stopped' });
    await source.stop();
  });
});
