import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createNetworkPair } from '../test/support/netns.ts';
import { writeAttack } from './attack.ts';
import type { Case } from './case.ts';
import { startDaemon } from './daemon.ts';
import { hasFail2ban, startFail2ban } from './fail2ban-server.ts';
import { offendersInKernel, watchKernel } from './kernel-watch.ts';
import { offender } from './mail-log.ts';
import { until } from './process.ts';
import type { Result } from './result.ts';
import { median } from './timed-run.ts';

/** So many hosts in one second, each banned for its first rejection, through the whole daemon: from the file's appearing to the last element. */
export const benchBurst: Case = async ({ rounds }) => {
  const results: Result[] = [];
  for (const count of [10_000, 100_000]) {
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      process.stderr.write(`burst of ${count}, round ${round + 1}\n`);
      times.push(await ofSluice(count));
    }
    const ms = median(times);
    results.push({
      what: `burst of ${count.toLocaleString('en')} offenders`,
      who: 'sluice',
      figures: { ms, 'bans/s': (count / ms) * 1_000 },
    });
  }
  if (hasFail2ban()) {
    process.stderr.write('burst of 500, fail2ban\n');
    const ms = await ofFail2ban(500);
    results.push({ what: 'burst of 500 offenders', who: 'fail2ban-server', figures: { ms, 'bans/s': (500 / ms) * 1_000 } });
  }
  return results;
};

async function ofSluice(count: number): Promise<number> {
  const network = createNetworkPair();
  try {
    const log = join(network.directory, 'mail.log');
    const yaml = `sources: { own: files, journal: { enabled: false }, files: [{ path: ${log}, name: measured, from: start }] }
metrics: off
jails: { burst: { filters: [postfix/relay-denied], maxretry: 1 } }
`;
    const sluice = await startDaemon(network, yaml);
    writeAttack(`${log}.new`, addresses(count));
    const begun = performance.now();
    renameSync(`${log}.new`, log);
    // What it says is in the kernel; asking nft for 100,000 elements again and again would be most of the figure. It is asked once, afterwards.
    // The metrics take some ms each time, so they are asked for only when all is decided.
    await until(`${count} bans decided on`, 120_000, async () => banned(await sluice.ask.get<Status>('/v1/status')) >= count, 25);
    const done = await until(`${count} bans in the kernel`, 120_000, async () => reached(await sluice.ask.text('/v1/metrics')) >= count);
    const there = offendersInKernel(network, count);
    if (there !== count) throw new Error(`${count} were said to be in the kernel, and ${there} are`);
    await sluice.stop();
    return done - begun;
  } finally {
    network.remove();
  }
}

interface Status {
  readonly jails: readonly { readonly bansNow: number }[];
}

function banned({ jails }: Status): number {
  return jails.reduce((sum, { bansNow }) => sum + bansNow, 0);
}

function reached(metrics: string): number {
  const counts = [...metrics.matchAll(/^sluice_event_to_kernel_seconds_count\S* (\d+)/gm)];
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

async function ofFail2ban(count: number): Promise<number> {
  const network = createNetworkPair();
  try {
    const log = join(network.directory, 'mail.log');
    writeFileSync(log, '');
    const server = await startFail2ban(network, { log, maxretry: 1, backend: 'auto' });
    const watch = await watchKernel(network);
    writeAttack(`${log}.new`, addresses(count));
    const begun = performance.now();
    appendFileSync(log, readFileSync(`${log}.new`));
    const done = await until(`${count} bans of fail2ban in the kernel`, 120_000, () => watch.seen.size >= count);
    watch.stop();
    // Not in peace: it would take back its bans one by one.
    process.kill(server.pid, 'SIGKILL');
    return done - begun;
  } finally {
    network.remove();
  }
}

function* addresses(count: number): Generator<string> {
  for (let index = 0; index < count; index += 1) yield offender(index);
}
