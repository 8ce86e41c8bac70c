import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type MeasuredDaemon, startDaemon } from './daemon.ts';
import { createNetworkPair } from '../test/support/netns.ts';
import { writeMailLog } from './mail-log.ts';
import { cpuMs } from './process.ts';
import type { Result } from './result.ts';
import { median } from './timed-run.ts';

/** Ten jails that share one filter's lines, as an installation grown over years has them. */
const patterns = [
  'relay-denied',
  'unknown-user',
  'sasl-failed',
  'dnsbl',
  'refused',
  'pipelining',
  'non-smtp',
  'pregreet',
  'helo-refused',
  'auth-rate',
];
export const jails = `jails:\n${patterns.map((pattern) => `  ${pattern}: { filters: [postfix/${pattern}], maxretry: 5, findtime: 1h }`).join('\n')}`;

/** The daemon with ten jails, 10 % rejects and 2,500 offenders, in a network namespace of its own: from a file, and over TCP. */
export async function benchLive(directory: string, lines: number, rounds: number): Promise<readonly Result[]> {
  const written = join(directory, 'live.log');
  // Written within the last minute, so that every stamp is believed and every ban is made.
  const shape = { lines, rejectShare: 0.1, offenders: 2_500, seed: 11, startMs: Date.now() - 60_000, linesPerSecond: lines / 60 };
  writeMailLog(written, shape);
  const rates = new Map<string, { rate: number; cpu: number }[]>([
    ['from a file', []],
    ['over TCP', []],
  ]);
  for (let round = 0; round < rounds; round += 1) {
    for (const [way, measured] of rates) {
      process.stderr.write(`live, ${way}, round ${round + 1}\n`);
      measured.push(await measure(way === 'over TCP' ? 'tcp' : 'file', written, lines));
    }
  }
  return [...rates].map(([way, measured]) => ({
    what: `live, ten jails, 2,500 offenders, ${lines.toLocaleString('en')} lines`,
    who: way,
    figures: { 'lines/s': median(measured.map(({ rate }) => rate)), 'CPU ms': median(measured.map(({ cpu }) => cpu)) },
  }));
}

async function measure(way: 'file' | 'tcp', written: string, lines: number): Promise<{ readonly rate: number; readonly cpu: number }> {
  const network = createNetworkPair();
  try {
    const log = join(network.directory, 'mail.log');
    const source =
      way === 'file'
        ? `sources: { own: files, journal: { enabled: false }, files: [{ path: ${log}, name: measured, from: start }] }`
        : `sources: { own: syslog, journal: { enabled: false }, syslog: [{ listen: 'tcp://127.0.0.1:5514', name: measured }] }`;
    const sluice = await startDaemon(network, `${source}\nmetrics: off\n${jails}\n`);
    try {
      const cpuBefore = cpuMs(sluice.pid);
      const begun = performance.now();
      if (way === 'file') renameSync(written, log);
      else network.host.start('/bin/bash', '-c', 'cat "$0" > /dev/tcp/127.0.0.1/5514', written);
      const reached = await waitFor(sluice, lines);
      const result = { rate: (lines / (reached - begun)) * 1_000, cpu: cpuMs(sluice.pid) - cpuBefore };
      if (way === 'file') renameSync(log, written);
      return result;
    } finally {
      await sluice.stop();
    }
  } finally {
    network.remove();
  }
}

/** @returns when all lines had been read, by performance.now() */
async function waitFor(sluice: MeasuredDaemon, lines: number): Promise<number> {
  for (;;) {
    const { sources } = await sluice.ask.get<{ sources: { name: string; records: number }[] }>('/v1/status');
    if ((sources.find(({ name }) => name === 'measured')?.records ?? 0) >= lines) return performance.now();
    await pause(5);
  }
}
