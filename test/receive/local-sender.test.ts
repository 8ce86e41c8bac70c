import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, test } from 'node:test';
import type { Source, SyslogSettings } from '../../src/model/source.ts';
import { openSyslogTcp } from '../../src/receive/syslog-tcp.ts';
import { openSyslogUdp } from '../../src/receive/syslog-udp.ts';
import { program, without } from '../environment.ts';
import { createNetworkPair } from '../support/netns.ts';
import { recordedSink, type RecordedSink } from '../support/recorded-sink.ts';
import { loopbackSettings, testDeps } from './syslog-listener.ts';

const nobody = 65_534;
const asNobody = ['setpriv', '--reuid', String(nobody), '--regid', String(nobody), '--clear-groups'];

const opened: Source[] = [];
const children: ChildProcess[] = [];
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(opened.splice(0).map((source) => source.stop()));
});

async function listening(transport: 'udp' | 'tcp', settings: Partial<SyslogSettings> = {}): Promise<{ port: number; sink: RecordedSink }> {
  const sink = recordedSink();
  const open = transport === 'tcp' ? openSyslogTcp : openSyslogUdp;
  const source = await open(loopbackSettings(transport, settings), sink, testDeps());
  opened.push(source);
  return { port: source.port, sink };
}

function run(command: readonly string[]): ChildProcess {
  const [name = '', ...args] = command;
  const child = spawn(program(name) ?? name, args, { stdio: ['pipe', 'ignore', 'inherit'] });
  children.push(child);
  return child;
}

/** A program that opens a socket, says one thing, and keeps the socket open until it is killed. */
function sayTo(host: string, transport: 'udp' | 'tcp', port: number, text: string): readonly [string, string, string] {
  return ['bash', '-c', `exec 3<>/dev/${transport}/${host}/${port} && echo '<22>postfix/smtpd[1]: ${text}' >&3 && read -r`];
}

for (const transport of ['udp', 'tcp'] as const) {
  describe(`a sender on this host, over ${transport}`, { skip: without('root', 'logger', 'setpriv') }, () => {
    test("an unprivileged user's logger is not believed", async () => {
      const { port, sink } = await listening(transport);
      const flags = transport === 'tcp' ? '-T' : '-d';
      const logger = run([...asNobody, 'logger', '-n', '127.0.0.1', '-P', String(port), flags, '-t', 'postfix/smtpd', 'NOQUEUE: reject']);
      await Promise.all([sink.until(() => sink.records.length === 1), once(logger, 'exit')]);
      assert.deepEqual([sink.records[0]?.appName, sink.records[0]?.trust], ['postfix/smtpd', 'low']);
    });

    test('an unprivileged user who keeps the socket open is not believed', async () => {
      const { port, sink } = await listening(transport);
      run([...asNobody, ...sayTo('127.0.0.1', transport, port, 'NOQUEUE: reject')]);
      await sink.until(() => sink.records.length === 1);
      assert.deepEqual([sink.records[0]?.text, sink.records[0]?.trust], ['NOQUEUE: reject', 'low']);
    });

    test('root, who keeps the socket open, is believed', async () => {
      const { port, sink } = await listening(transport);
      run(sayTo('127.0.0.1', transport, port, 'NOQUEUE: reject'));
      await sink.until(() => sink.records.length === 1);
      assert.deepEqual([sink.records[0]?.text, sink.records[0]?.trust], ['NOQUEUE: reject', 'full']);
    });

    test('a listed user, who keeps the socket open, is believed', async () => {
      const { port, sink } = await listening(transport, { trustedUids: [nobody] });
      run([...asNobody, ...sayTo('127.0.0.1', transport, port, 'NOQUEUE: reject')]);
      await sink.until(() => sink.records.length === 1);
      assert.deepEqual([sink.records[0]?.text, sink.records[0]?.trust], ['NOQUEUE: reject', 'full']);
    });

    test('a sender that has closed its socket is nobody, whoever it was', async () => {
      const { port, sink } = await listening(transport);
      // This process waits for the sender's end, so that the listener can only look afterwards. The kernel then says uid 0 of such a socket.
      execFileSync('setpriv', [...asNobody.slice(1), 'bash', '-c', `echo '<22>su: x' >/dev/${transport}/127.0.0.1/${port}`]);
      await sink.until(() => sink.records.length === 1);
      assert.deepEqual([sink.records[0]?.text, sink.records[0]?.trust], ['x', 'low']);
    });
  });
}

describe('a sender on an address that others have, too', { skip: without('root', 'ip', 'setpriv') }, () => {
  test('is believed by its owner if it is on this host, over TCP if it is not, never over UDP', async () => {
    const pair = createNetworkPair();
    try {
      const listener = pair.host.start(process.execPath, '--no-warnings', join(import.meta.dirname, 'printing-listener.ts'), '192.0.2.1');
      assert.ok(listener.stdout !== null);
      const lines = createInterface({ input: listener.stdout })[Symbol.asyncIterator]();
      const next = async (): Promise<unknown> => JSON.parse((await lines.next()).value ?? '{}');
      const { tcp, udp } = (await next()) as { tcp: number; udp: number };

      pair.host.start('setpriv', ...asNobody.slice(1), ...sayTo('192.0.2.1', 'tcp', tcp, 'nobody here'));
      assert.deepEqual(await next(), { peer: '192.0.2.1', trust: 'low', text: 'nobody here' });
      pair.host.start(...sayTo('192.0.2.1', 'tcp', tcp, 'root here'));
      assert.deepEqual(await next(), { peer: '192.0.2.1', trust: 'full', text: 'root here' });
      pair.world.start(...sayTo('192.0.2.1', 'tcp', tcp, 'there'));
      assert.deepEqual(await next(), { peer: '192.0.2.2', trust: 'full', text: 'there' });
      pair.world.start(...sayTo('192.0.2.1', 'udp', udp, 'there'));
      assert.deepEqual(await next(), { peer: '192.0.2.2', trust: 'low', text: 'there' });
    } finally {
      pair.remove();
    }
  });
});
