import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { without } from '../environment.ts';
import { createNetworkPair, type Namespace } from '../support/netns.ts';
import { livesIn } from './lives.ts';
import { forwarded, offenderAt } from './load-client.ts';
import { refusal } from './offenders.ts';

/**
 * What a sender over TCP takes for delivered is what this host's kernel has acknowledged. A daemon that is killed loses of it what it had not read
 * yet, at most the receive buffer, and what it had read and not stored, at most what came in the last 200 ms and while one commit was written.
 */
const storedEveryMs = 200;
/** A commit of all that a flood brings in 200 ms, on two processors that others use as well. */
const commitMs = 1_000;

describe('killed while syslog pours in over TCP', { skip: without('root', 'nft', 'ip', 'nsenter') }, () => {
  test('everything is stored but the receive buffer and the last moment', async (t) => {
    const network = createNetworkPair();
    t.after(network.remove);
    const { directory, host } = network;
    const port = 5514;
    const yaml = `sources: { own: syslog, journal: { enabled: false }, syslog: [{ listen: 'tcp://127.0.0.1:${port}' }] }
jails: { relay: { filters: [postfix/relay-denied], maxretry: 5, findtime: 1h, bantime: 1h } }`;
    const lives = livesIn(join(directory, 'daemon'), yaml, host);
    const life = lives.begin();
    t.after(() => life.end('SIGKILL'));
    await life.ready;
    // Addresses of one length, so that bytes tell how many lines they are.
    const [first, count] = [0x1000_1000, 60_000];
    const load = { kind: 'offenders', of: 'networks', first, count, times: 1, port };
    const client = host.start(process.execPath, '--no-warnings', join(import.meta.dirname, 'load-client.ts'), JSON.stringify(load));
    const progress: { readonly atMs: number; readonly lines: number }[] = [];
    for (let lines = 0; lines < 12_000; await pause(5)) {
      lines = (await life.status(() => true)).sources[0]?.records ?? 0;
      progress.push({ atMs: performance.now(), lines });
    }
    process.kill(life.pid, 'SIGSTOP');
    const stoppedMs = performance.now();
    const { acknowledged, unread } = await standstill(host, port);
    await life.end('SIGKILL');
    client.kill();
    if (client.exitCode === null && client.signalCode === null) await once(client, 'exit');

    const stored = new Set(lives.stored().windows.map((row) => row.split(' ')[1]));
    const lineBytes = Buffer.byteLength(forwarded(refusal(offenderAt('networks', first)), Date.now()));
    const has = (index: number): boolean => stored.has(`${offenderAt('networks', first + index).replace(/1$/, '')}/64`);
    let complete = 0;
    while (complete < count && has(complete)) complete++;
    assert.equal(complete, stored.size, 'no line is missing among those that came before it');

    const delivered = Math.floor(acknowledged / lineBytes);
    const inBuffer = Math.ceil(unread / lineBytes);
    const age = stoppedMs - (progress.findLast(({ lines }) => lines <= complete)?.atMs ?? 0);
    t.diagnostic(
      `of ${delivered} lines that the kernel acknowledged ${delivered - complete} are gone: ${inBuffer} in its receive buffer (${unread} bytes), ` +
        `${delivered - complete - inBuffer} read and not stored, of the last ${Math.round(age)} ms`,
    );
    assert.ok(complete > 0 && delivered >= complete, `${complete} of ${delivered}`);
    const due = progress.findLast(({ atMs }) => atMs <= stoppedMs - storedEveryMs - commitMs)?.lines ?? 0;
    assert.ok(complete >= due, `stored are ${complete} lines, but ${due} had been handled more than ${storedEveryMs + commitMs} ms before`);
  });
});

/** Once nothing moves any more: what the sender knows to have arrived, and what of it nobody has read; bytes. ss(8). */
async function standstill(host: Namespace, port: number): Promise<{ readonly acknowledged: number; readonly unread: number }> {
  let before = '';
  for (;;) {
    const sender = host.run('ss', '-tinH', `dport = :${port}`);
    const unread =
      /^\S+\s+(\d+)/.exec(host.run('ss', '-tnH', 'state', 'established', `sport = :${port}`).replace(/^(?=\d)/, 'ESTAB '))?.[1] ?? '';
    const acknowledged = /bytes_acked:(\d+)/.exec(sender)?.[1] ?? '';
    const now = `${acknowledged} ${unread}`;
    if (now === before && acknowledged !== '') return { acknowledged: Number(acknowledged), unread: Number(unread) };
    before = now;
    await pause(200); // the sender fills the buffers meanwhile
  }
}
