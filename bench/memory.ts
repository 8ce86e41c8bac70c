import { closeSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createNetworkPair } from '../test/support/netns.ts';
import { relayDenied, stampNow } from './attack.ts';
import type { Case } from './case.ts';
import { type MeasuredDaemon, startDaemon } from './daemon.ts';
import { cpuMs, residentBytes, until } from './process.ts';
import type { Result } from './result.ts';

/** The daemon's own bound by default, limits.subjects. */
export const mostSubjects = 1_000_000;

/** What a subject costs that failed once and is remembered: the growth of resident memory, with next to no evidence kept and with the default. */
export const benchMemory: Case = async ({ lines }) => {
  const subjects = Math.min(lines, mostSubjects);
  return [await grown(subjects, '1MiB'), await grown(subjects, '64MiB')];
};

async function grown(subjects: number, evidence: string): Promise<Result> {
  process.stderr.write(`memory, ${subjects} subjects, evidence ${evidence}\n`);
  const network = createNetworkPair();
  try {
    const log = join(network.directory, 'mail.log');
    const yaml = `sources: { own: files, journal: { enabled: false }, files: [{ path: ${log}, name: measured, from: start }] }
metrics: off
limits: { evidence: ${evidence} }
jails: { tracking: { filters: [postfix/relay-denied], maxretry: 5, findtime: 1h } }
`;
    const sluice = await startDaemon(network, yaml);
    await quiet(sluice);
    const before = residentBytes(sluice.pid);
    writeSubjects(`${log}.new`, subjects);
    renameSync(`${log}.new`, log);
    await tracked(sluice, subjects);
    await quiet(sluice);
    const growth = residentBytes(sluice.pid) - before;
    await sluice.stop();
    return {
      what: `memory, ${subjects.toLocaleString('en')} /64s tracked`,
      who: `evidence ${evidence}`,
      figures: { 'MB before': before / 1e6, 'MB more': growth / 1e6, 'bytes a subject': growth / subjects },
    };
  } finally {
    network.remove();
  }
}

/** One failure of each of so many networks; 2001:db8::/64 is the namespace's own. */
export function writeSubjects(path: string, subjects: number): void {
  const file = openSync(path, 'w');
  const stamp = stampNow();
  for (let from = 0; from < subjects; from += 10_000) {
    const lines = Array.from({ length: Math.min(10_000, subjects - from) }, (_, index) => {
      const subject = 0x1_0000 + from + index;
      return `${stamp} ${relayDenied(`2001:db8:${(subject >> 16).toString(16)}:${(subject & 0xffff).toString(16)}::1`)}\n`;
    });
    writeSync(file, lines.join(''));
  }
  closeSync(file);
}

/** @returns once all of them are tracked */
export async function tracked(sluice: MeasuredDaemon, subjects: number): Promise<void> {
  await until('all subjects are tracked', 600_000, async () => {
    const { jails } = await sluice.ask.get<{ jails: readonly { tracked: number }[] }>('/v1/status');
    return jails.some((jail) => jail.tracked >= subjects);
  });
}

/** Waits until it has nothing left to do: rows to write, garbage to collect and give back, which it looks for every 10 s. */
async function quiet({ pid }: MeasuredDaemon): Promise<void> {
  let lastCpu = -1_000;
  let lastBytes = 0;
  await until('it has nothing left to do', 300_000, async () => {
    await pause(20_000);
    const [cpu, bytes] = [cpuMs(pid), residentBytes(pid)];
    const settled = cpu - lastCpu <= 400 && Math.abs(bytes - lastBytes) < 1e6;
    [lastCpu, lastBytes] = [cpu, bytes];
    return settled;
  });
}
