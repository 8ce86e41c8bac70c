import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { placeOf } from '../src/enforce/layout.ts';
import type { Ports } from '../src/model/filter.ts';
import { createNetworkPair } from '../test/support/netns.ts';
import { storeBans, storedSubject } from '../test/reliability/stored-bans.ts';
import type { Case } from './case.ts';
import { startDaemon } from './daemon.ts';
import type { Result } from './result.ts';
import { median } from './timed-run.ts';

const ports: Ports = { kind: 'list', protocol: 'tcp', ports: [25] };

/** From exec of the daemon to the first and the last of its stored bans in the kernel, the table being gone. */
export const benchRestart: Case = async ({ rounds }) => {
  const results: Result[] = [];
  for (const bans of [0, 20_000, 100_000]) {
    const times: { readonly firstMs: number; readonly lastMs: number; readonly readyMs: number }[] = [];
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`restart, ${bans} bans, round ${round + 1}\n`);
      times.push(await measure(bans));
    }
    results.push({
      what: `start with ${bans.toLocaleString('en')} stored bans, table gone`,
      who: 'from exec',
      figures: {
        'first element ms': median(times.map(({ firstMs }) => firstMs)),
        'last element ms': median(times.map(({ lastMs }) => lastMs)),
        'ready ms': median(times.map(({ readyMs }) => readyMs)),
      },
    });
  }
  return results;
};

async function measure(bans: number): Promise<{ readonly firstMs: number; readonly lastMs: number; readonly readyMs: number }> {
  const network = createNetworkPair();
  const { directory, host } = network;
  try {
    const state = join(directory, 'sluice');
    mkdirSync(state, { mode: 0o700 });
    storeBans(join(state, 'sluice.db'), bans, 0);
    const yaml = `sources: { own: syslog, journal: { enabled: false }, syslog: [{ listen: 'tcp://127.0.0.1:5514' }] }
metrics: off
jails: { relay: { filters: [postfix/relay-denied], ports: [25] } }\n`;
    const wanted = bans === 0 ? [] : [0, bans - 1];
    const seen = elementsOf(host.name, wanted);
    const startedMs = Date.now();
    const sluice = await startDaemon(network, yaml);
    const readyMs = Date.now() - startedMs;
    const [firstMs = NaN, lastMs = NaN] = (await seen).map((atMs) => atMs - startedMs);
    await sluice.stop();
    return { firstMs, lastMs, readyMs };
  } finally {
    network.remove();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** When each of them is in the kernel, ms since the epoch, as nft sees it when it is asked again and again. */
async function elementsOf(namespace: string, indexes: readonly number[]): Promise<readonly number[]> {
  const asks = indexes.map((index) => {
    const { set, address } = placeOf(ports, storedSubject(index));
    return `until nft get element inet sluice ${set} '{ ${address} }' >/dev/null 2>&1; do sleep 0.002; done; date +%s%N`;
  });
  const shell = spawn('ip', ['netns', 'exec', namespace, '/bin/sh', '-c', asks.join('\n')], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  shell.stdout.on('data', (chunk: Buffer) => (said += String(chunk)));
  await once(shell, 'close');
  return said
    .split('\n')
    .filter(Boolean)
    .map((nanoseconds) => Number(nanoseconds) / 1e6);
}
