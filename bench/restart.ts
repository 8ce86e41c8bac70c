import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createNetworkPair } from '../test/support/netns.ts';
import { storeBans } from '../test/reliability/stored-bans.ts';
import type { Case } from './case.ts';
import { startDaemon } from './daemon.ts';
import { offendersInKernel } from './kernel-watch.ts';
import type { Result } from './result.ts';
import { median } from './timed-run.ts';

/**
 * From exec of the daemon until the last of its stored bans is in the kernel, the table being gone. It says so itself; nft is asked afterwards, because
 * looking for an element reads the whole set, again and again.
 */
export const benchRestart: Case = async ({ rounds }) => {
  const results: Result[] = [];
  for (const bans of [0, 20_000, 100_000]) {
    const times: { readonly lastMs: number; readonly readyMs: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`restart, ${bans} bans, round ${round + 1}\n`);
      times.push(await measure(bans));
    }
    results.push({
      what: `start with ${bans.toLocaleString('en')} stored bans, table gone`,
      who: 'from exec',
      figures: {
        ...(bans === 0 ? {} : { 'last element ms': median(times.map(({ lastMs }) => lastMs)) }),
        'ready ms': median(times.map(({ readyMs }) => readyMs)),
      },
    });
  }
  return results;
};

async function measure(bans: number): Promise<{ readonly lastMs: number; readonly readyMs: number }> {
  const network = createNetworkPair();
  const { directory } = network;
  try {
    const state = join(directory, 'sluice');
    mkdirSync(state, { mode: 0o700 });
    storeBans(join(state, 'sluice.db'), bans, 0);
    const yaml = `sources: { own: syslog, journal: { enabled: false }, syslog: [{ listen: 'tcp://127.0.0.1:5514' }] }
metrics: off
jails: { relay: { filters: [postfix/relay-denied], ports: [25] } }\n`;
    const startedMs = performance.now();
    const sluice = await startDaemon(network, yaml);
    const readyMs = performance.now() - startedMs;
    const lastMs = (sluice.saidAt('bans are in the kernel') ?? NaN) - startedMs;
    const there = offendersInKernel(network, bans);
    if (there !== bans) throw new Error(`${bans} were said to be in the kernel, and ${there} are`);
    await sluice.stop();
    return { lastMs, readyMs };
  } finally {
    network.remove();
    rmSync(directory, { recursive: true, force: true });
  }
}
