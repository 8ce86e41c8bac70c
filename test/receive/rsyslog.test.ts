import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import type { Source } from '../../src/model/source.ts';
import { openSyslogTcp } from '../../src/receive/syslog-tcp.ts';
import { openSyslogUdp } from '../../src/receive/syslog-udp.ts';
import { without } from '../environment.ts';
import { recordedSink, type RecordedSink } from '../support/recorded-sink.ts';
import { type Rsyslog, startRsyslog } from '../support/rsyslog.ts';
import { loopbackSettings, testDeps } from './syslog-listener.ts';

const skip = without('root', 'rsyslogd', 'logger');

const sources: Source[] = [];
const daemons: Rsyslog[] = [];
afterEach(async () => {
  await Promise.all(daemons.splice(0).map((daemon) => daemon.remove()));
  await Promise.all(sources.splice(0).map((source) => source.stop()));
});

async function listening(transport: 'udp' | 'tcp', sink: RecordedSink, port = 0): Promise<Source & { readonly port: number }> {
  const open = transport === 'tcp' ? openSyslogTcp : openSyslogUdp;
  const source = await open(loopbackSettings(transport, { port }), sink, testDeps({ nowMs: Date.now }));
  sources.push(source);
  return source;
}

async function rsyslog(actions: string): Promise<Rsyslog> {
  const daemon = await startRsyslog(actions);
  daemons.push(daemon);
  return daemon;
}

const templates = ['RSYSLOG_TraditionalForwardFormat', 'RSYSLOG_ForwardFormat', 'RSYSLOG_SyslogProtocol23Format'];
const transports: readonly [name: string, transport: 'udp' | 'tcp', parameters: string][] = [
  ['TCP, LF framing', 'tcp', 'protocol="tcp"'],
  ['TCP, octet counting', 'tcp', 'protocol="tcp" TCP_Framing="octet-counted"'],
  ['TCP, NUL framing', 'tcp', 'protocol="tcp" TCP_FrameDelimiter="0"'],
  ['UDP', 'udp', 'protocol="udp"'],
];

/** What rsyslog makes of control characters is its own text: the receiver leaves it alone. */
const texts: readonly [sent: string, received: string][] = [
  ['NOQUEUE: reject: RCPT from unknown[192.0.2.4]: 454 4.7.1 <a@b.example>: Relay access denied', ''],
  ['Ж — 漢字 \u2028 \u{1f600}', ''],
  ['\u001b[31mred\ttab', '#033[31mred#011tab'],
  ['helo=<[198.51.100.7]> <22>1 2026-01-01T00:00:00Z x postfix/smtpd 1 - - forged', ''],
  [' a space first', ''],
];

describe('a real rsyslogd', { skip }, () => {
  for (const template of templates) {
    for (const [name, transport, parameters] of transports) {
      test(`${template} over ${name}`, async () => {
        const sink = recordedSink();
        const { port } = await listening(transport, sink);
        const slash = 'global(parser.permitSlashInProgramName="on")';
        const daemon = await rsyslog(
          `${slash}\naction(type="omfwd" target="127.0.0.1" port="${port}" template="${template}" ${parameters})`,
        );
        daemon.log(
          'postfix/smtpd',
          texts.map(([sent]) => sent),
          { pid: 4_194_304 },
        );
        await sink.until(() => sink.records.filter(({ appName }) => appName === 'postfix/smtpd').length === texts.length);
        const records = sink.records.filter(({ appName }) => appName === 'postfix/smtpd');
        assert.deepEqual(
          records.map(({ text }) => text),
          texts.map(([sent, received]) => received || sent),
        );
        for (const { facility, severity, procId, stamp } of records) {
          assert.deepEqual([facility, severity, procId], [2, 6, '4194304']);
          assert.ok(stamp !== undefined && Math.abs(stamp.ms - Date.now()) < 60_000);
        }
      });
    }
  }
});

describe('what a real rsyslogd does to messages', { skip }, () => {
  test('RFC 5424 loses the daemon’s name unless the sender permits slashes', async () => {
    const sink = recordedSink();
    const { port } = await listening('tcp', sink);
    const daemon = await rsyslog(
      `action(type="omfwd" target="127.0.0.1" port="${port}" protocol="tcp" template="RSYSLOG_SyslogProtocol23Format")`,
    );
    daemon.log('postfix/smtpd', ['x'], { pid: 7 });
    await sink.until(() => sink.texts().includes('x'));
    assert.equal(sink.records.at(-1)?.appName, 'postfix');
  });

  test('tags are cut at 32 characters, and the text behind them is found', async () => {
    const sink = recordedSink();
    const { port } = await listening('tcp', sink);
    const daemon = await rsyslog(`action(type="omfwd" target="127.0.0.1" port="${port}" protocol="tcp" template="RSYSLOG_ForwardFormat")`);
    for (const pid of [12_345, 123_456, 1_234_567]) daemon.log('postfix/submission/smtpd', ['warning: x'], { pid });
    daemon.log('postfix-sub/submission/smtpd', ['warning: x'], { pid: 1_234_567 });
    await sink.until(() => sink.texts().filter((text) => text === 'warning: x').length === 4);
    assert.deepEqual(
      sink.records.slice(-4).map(({ appName, procId }) => [appName, procId]),
      [
        ['postfix/submission/smtpd', '12345'],
        ['postfix/submission/smtpd', '123456'],
        ['postfix/submission/smtpd', '1234567'],
        ['postfix-sub/submission/smtpd', undefined],
      ],
    );
  });

  test('RFC 5424 that it relays as RSYSLOG_ForwardFormat has no colon, and keeps its byte order mark', async () => {
    const sink = recordedSink();
    const { port } = await listening('tcp', sink);
    const daemon = await rsyslog(`action(type="omfwd" target="127.0.0.1" port="${port}" protocol="tcp" template="RSYSLOG_ForwardFormat")`);
    await writeAll(daemon.port(), '<22>1 2026-11-22T17:30:37.336620+00:00 mx1 postfix/smtpd 1234 - - \ufeffrelayed\n');
    await sink.until(() => sink.texts().includes('relayed'));
    const record = sink.records.at(-1);
    assert.deepEqual([record?.hostname, record?.appName, record?.procId], ['mx1', 'postfix/smtpd', '1234']);
  });

  test('repeated messages are reduced to one line, which weighs as many', async () => {
    const sink = recordedSink();
    const { port } = await listening('tcp', sink);
    const daemon = await rsyslog(`$RepeatedMsgReduction on\naction(type="omfwd" target="127.0.0.1" port="${port}" protocol="tcp")`);
    const line = '<22>Nov 22 17:30:37 mx1 postfix/smtpd[7]: ';
    await writeAll(daemon.port(), `${`${line}reject\n`.repeat(5)}${line}disconnect\n`);
    await sink.until(() => sink.texts().includes('disconnect'));
    assert.deepEqual(
      sink.records.slice(-3).map(({ text, repeats }) => [text, repeats]),
      [
        ['reject', 1],
        ['reject', 4],
        ['disconnect', 1],
      ],
    );
  });

  for (const framing of ['traditional', 'octet-counted']) {
    test(`compressed messages are refused and counted, the others are read (${framing})`, async () => {
      const sink = recordedSink();
      const { port } = await listening('tcp', sink);
      const daemon = await rsyslog(
        `action(type="omfwd" target="127.0.0.1" port="${port}" protocol="tcp" TCP_Framing="${framing}" ZipLevel="9")`,
      );
      daemon.log('postfix/smtpd', [`squeezed ${'a'.repeat(500)}`, 'short', `squeezed ${'b'.repeat(500)}`, 'last']);
      await sink.until(() => sink.texts().includes('last'));
      assert.deepEqual(sink.texts().slice(-2), ['short', 'last']);
      assert.ok(sink.errors.length >= 2);
      assert.ok(sink.errors.every(({ reason, detail }) => reason === 'decode' && detail.includes('ZipLevel')));
    });
  }
});

/** Numbered messages to rsyslog's own input. Resolves when the kernel has them all and the connection is ended. */
async function writeAll(port: number, bytes: string): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.end(bytes);
  socket.resume();
  await once(socket, 'close');
}

function numbered(from: number, to: number): string {
  let bytes = '';
  for (let i = from; i < to; i += 1) bytes += `<22>Nov 22 17:30:37 mx1 postfix/smtpd[1]: n=${i}\n`;
  return bytes;
}

/** A sink that knows which of the numbered messages have come. */
function countingSink(): { readonly sink: RecordedSink; readonly seen: ReadonlySet<number> } {
  const seen = new Set<number>();
  const sink = recordedSink(({ text }) => {
    if (text.startsWith('n=')) seen.add(Number(text.slice(2)));
  });
  return { sink, seen };
}

// The queue of share/rsyslog/sluice.conf. With its default size rsyslog itself loses messages while it moves them to disk and back.
const queue =
  'queue.type="LinkedList" queue.size="100000" queue.filename="q" queue.saveOnShutdown="on" action.resumeRetryCount="-1" action.resumeInterval="1"';

describe('over TCP nothing is lost', { skip }, () => {
  test('while we read slowly, or not at all', async () => {
    const { sink, seen } = countingSink();
    const source = await listening('tcp', sink);
    const daemon = await rsyslog(
      `action(type="omfwd" target="127.0.0.1" port="${source.port}" protocol="tcp" TCP_Framing="octet-counted" ${queue})`,
    );
    await writeAll(daemon.port(), numbered(0, 10_000));
    await sink.until(() => seen.size >= 100);
    source.pause();
    await writeAll(daemon.port(), numbered(10_000, 60_000));
    source.resume();
    await sink.until(() => seen.size === 60_000);
  });

  test('while rsyslogd is restarted', async () => {
    const { sink, seen } = countingSink();
    const source = await listening('tcp', sink);
    const daemon = await rsyslog(`action(type="omfwd" target="127.0.0.1" port="${source.port}" protocol="tcp" ${queue})`);
    source.pause();
    await writeAll(daemon.port(), numbered(0, 20_000));
    await daemon.passed('n=19999');
    const stopping = daemon.stop();
    source.resume();
    await stopping;
    await daemon.start();
    await writeAll(daemon.port(), numbered(20_000, 30_000));
    await sink.until(() => seen.size === 30_000);
  });

  test('while our listener is restarted', async () => {
    const { sink, seen } = countingSink();
    const source = await listening('tcp', sink);
    const daemon = await rsyslog(
      `action(type="omfwd" target="127.0.0.1" port="${source.port}" protocol="tcp" TCP_Framing="octet-counted" ${queue})`,
    );
    await writeAll(daemon.port(), numbered(0, 20_000));
    await sink.until(() => seen.size > 0);
    await source.stop();
    await writeAll(daemon.port(), numbered(20_000, 30_000));
    await listening('tcp', sink, source.port);
    await sink.until(() => seen.size === 30_000);
  });
});

describe('share/rsyslog/sluice.conf, loaded as it is shipped but for the place', { skip }, () => {
  test('sends mail and authentication messages, whole, and keeps them while we are away', async () => {
    const sink = recordedSink();
    const source = await listening('tcp', sink);
    const shipped = readFileSync(join(import.meta.dirname, '../../share/rsyslog/sluice.conf'), 'utf8');
    const place = 'type="omfwd" target="192.0.2.10" port="5514" protocol="tcp"';
    assert.equal(shipped.split(place).length, 2, 'the place stands in one line');
    const daemon = await rsyslog(shipped.replace(place, `type="omfwd" target="127.0.0.1" port="${source.port}" protocol="tcp"`));
    daemon.log('cron', ['not for us'], { priority: 'cron.info' });
    daemon.log('postfix/smtpd', ['first'], { pid: 7 });
    daemon.log('sshd', ['second'], { priority: 'auth.info', pid: 8 });
    daemon.log('sudo', ['third'], { priority: 'authpriv.notice' });
    await sink.until(() => sink.texts().includes('third'));
    assert.deepEqual(
      sink.records.map(({ appName, procId, text, stamp }) => [appName, procId, text, stamp?.zoned, stamp?.fraction]),
      [
        ['postfix/smtpd', '7', 'first', true, true],
        ['sshd', '8', 'second', true, true],
        ['sudo', undefined, 'third', true, true],
      ],
    );
    await source.stop();
    daemon.log('postfix/smtpd', ['while we are away, 1', 'while we are away, 2', 'while we are away, 3']);
    await listening('tcp', sink, source.port);
    daemon.log('postfix/smtpd', ['back']);
    await sink.until(() => sink.texts().includes('back'));
    assert.deepEqual(sink.texts().slice(-4), ['while we are away, 1', 'while we are away, 2', 'while we are away, 3', 'back']);
  });
});
