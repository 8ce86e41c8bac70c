import { appendFileSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { createNetworkPair } from '../test/support/netns.ts';
import { relayDenied, stampNow } from './attack.ts';
import type { Case } from './case.ts';
import { startDaemon } from './daemon.ts';
import { hasFail2ban, startFail2ban, writeConfiguration } from './fail2ban-server.ts';
import { writeMailLog } from './mail-log.ts';
import { cpuMs, until } from './process.ts';
import { median } from './timed-run.ts';

interface Measured {
  readonly rate: number;
  readonly cpu: number;
}

/** The last line comes from it: once it has been found, all lines have been read. */
const sentinel = '203.0.113.99';

/** One Postfix jail each on the same log, which is appended at once: fail2ban-server and sluice in turns. Both ban meanwhile. */
export const benchLiveFail2ban: Case = async ({ directory, lines, rounds }) => {
  if (!hasFail2ban()) throw new Error('fail2ban is not installed');
  const count = Math.min(lines, 300_000);
  const written = join(directory, 'one-jail.log');
  writeMailLog(written, {
    lines: count,
    rejectShare: 0.1,
    offenders: 2_500,
    seed: 17,
    startMs: Date.now() - 30_000,
    linesPerSecond: count / 30,
  });
  appendFileSync(written, `${stampNow()} ${relayDenied(sentinel)}\n`);
  const measured = new Map<string, Measured[]>([
    ['fail2ban-server', []],
    ["sluice, fail2ban's jail", []],
    ['sluice, a native jail', []],
  ]);
  for (let round = 0; round < rounds; round += 1) {
    for (const [who, all] of measured) {
      process.stderr.write(`live, one jail, ${who}, round ${round + 1}\n`);
      all.push(await (who === 'fail2ban-server' ? ofFail2ban(written, count + 1) : ofSluice(written, count + 1, who.includes('native'))));
    }
  }
  const rateOf = (who: string): number => median((measured.get(who) ?? []).map(({ rate }) => rate));
  return [...measured].map(([who, all]) => ({
    what: `live, one jail, a file, ${count.toLocaleString('en')} lines`,
    who,
    figures: {
      'lines/s': rateOf(who),
      'CPU ms': median(all.map(({ cpu }) => cpu)),
      'times fail2ban': rateOf(who) / rateOf('fail2ban-server'),
    },
  }));
};

async function ofFail2ban(written: string, lines: number): Promise<Measured> {
  const network = createNetworkPair();
  try {
    const log = join(network.directory, 'mail.log');
    writeFileSync(log, '');
    const server = await startFail2ban(network, { log, maxretry: 5, backend: 'auto' });
    const cpuBefore = cpuMs(server.pid);
    const begun = performance.now();
    append(written, log);
    const done = await until('fail2ban has read all lines', 120_000, () => server.log().includes(`Found ${sentinel}`), 50);
    const cpu = cpuMs(server.pid) - cpuBefore;
    process.kill(server.pid, 'SIGKILL'); // it would take back its bans one by one
    return { rate: (lines / (done - begun)) * 1_000, cpu };
  } finally {
    network.remove();
  }
}

async function ofSluice(written: string, lines: number, native: boolean): Promise<Measured> {
  const network = createNetworkPair();
  try {
    const log = join(network.directory, 'mail.log');
    writeFileSync(log, '');
    const own = `sources: { own: files, journal: { enabled: false }, files: [{ path: ${log}, name: measured, from: start }] }
metrics: off
jails: { bench: { filters: [postfix], maxretry: 5, findtime: 1h, ports: all } }
`;
    const yaml = native ? own : `metrics: off\nfail2ban: { path: ${writeConfiguration(network, { log, maxretry: 5, backend: 'auto' })} }\n`;
    const sluice = await startDaemon(network, yaml);
    const cpuBefore = cpuMs(sluice.pid);
    const begun = performance.now();
    append(written, log);
    const done = await until('sluice has decided on all lines', 60_000, async () => {
      const { windows } = await sluice.ask.get<{ windows: readonly unknown[] }>(`/v1/explain?address=${sentinel}`);
      return windows.length > 0;
    });
    const cpu = cpuMs(sluice.pid) - cpuBefore;
    await sluice.stop();
    return { rate: (lines / (done - begun)) * 1_000, cpu };
  } finally {
    network.remove();
  }
}

function append(from: string, to: string): void {
  execFileSync('/bin/sh', ['-c', 'cat "$0" >> "$1"', from, to]);
}
