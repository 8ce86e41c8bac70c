/**
 * Runs inside a namespace. `offend`: offenders one after the other at irregular intervals, and says of each when it was written: its address and
 * ns of the monotonic clock, one a line. `load`: other lines over TCP, as many a second as it is told and can.
 */
import { openSync, writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { relayDenied, saslFailed, stampNow } from './attack.ts';
import { mailLines, offender } from './mail-log.ts';

export interface Offending {
  /** A path, or a port of 127.0.0.1. */
  readonly to: string | number;
  readonly count: number;
  readonly gapMs: readonly [least: number, most: number];
  /** Before each, another offence of one that is banned already, for which he is banned longer. */
  readonly renewals: boolean;
  /** Failed logins rather than relaying: for a jail that counts those. */
  readonly sasl: boolean;
}

const [what, given = '{}'] = process.argv.slice(2);
if (what === 'offend') await offend(JSON.parse(given) as Offending);
else if (what === 'load') await load(JSON.parse(given) as { readonly port: number; readonly linesPerSecond: number });

async function offend({ to, count, gapMs: [least, most], renewals, sasl }: Offending): Promise<void> {
  const write = await writerTo(to);
  // Always the same gaps, none of them a multiple of another.
  const gap = (index: number): number => least + ((most - least) * ((index * 7_919) % 1_009)) / 1_009;
  for (let index = 0; index < count; index += 1) {
    if (renewals && index >= 10) {
      write(`${stampNow()} ${saslFailed(offender(index - 10))}\n`);
      await pause(gap(index + 500));
    }
    await pause(gap(index));
    const line = `${stampNow()} ${(sasl ? saslFailed : relayDenied)(offender(index))}\n`;
    const now = process.hrtime.bigint();
    write(line);
    process.stdout.write(`${offender(index)} ${now}\n`);
  }
  process.exit(0);
}

async function writerTo(to: string | number): Promise<(line: string) => void> {
  if (typeof to === 'number') {
    const socket = await connected(to);
    return (line) => void socket.write(`<22>${line}`);
  }
  const file = openSync(to, 'a');
  return (line) => void writeSync(file, line);
}

function connected(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => resolve(socket));
    socket.once('error', reject);
  });
}

async function load({ port, linesPerSecond }: { readonly port: number; readonly linesPerSecond: number }): Promise<void> {
  const socket = await connected(port);
  socket.on('error', () => process.exit(0)); // the daemon has gone
  const everyMs = 5;
  const lines = Math.round((linesPerSecond * everyMs) / 1_000);
  const shape = { lines, rejectShare: 0, offenders: 1, seed: 5, startMs: Date.now(), linesPerSecond: 1 };
  const block = Buffer.from([...mailLines(shape)].map((line) => `<22>${line}\n`).join(''));
  let next = performance.now();
  for (;;) {
    next += everyMs;
    if (socket.writableLength < 4 * block.length) socket.write(block);
    const waitMs = next - performance.now();
    if (waitMs > 0) await pause(waitMs);
    else await new Promise(setImmediate);
  }
}
