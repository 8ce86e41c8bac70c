import { setTimeout as pause } from 'node:timers/promises';
import { createNetworkPair } from '../test/support/netns.ts';
import type { Case } from './case.ts';
import { startBuiltIn } from './daemon.ts';
import { cpuMs, residentBytes } from './process.ts';

const seconds = 30;

/** The built-in defaults, with nothing to do. */
export const benchIdle: Case = async () => {
  process.stderr.write(`idle, ${seconds} s\n`);
  const network = createNetworkPair();
  try {
    const sluice = await startBuiltIn(network);
    await pause(30_000); // what the start left behind: first polls, and garbage, which it looks for every 10 s
    const before = cpuMs(sluice.pid);
    await pause(seconds * 1_000);
    const share = (cpuMs(sluice.pid) - before) / (seconds * 10);
    const figures = { '% of a core': share, 'MB resident': residentBytes(sluice.pid) / 1e6 };
    await sluice.stop();
    return [{ what: `idle, built-in defaults, ${seconds} s`, who: 'sluice', figures }];
  } finally {
    network.remove();
  }
};
