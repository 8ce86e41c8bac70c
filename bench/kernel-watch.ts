import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { NetworkPair } from '../test/support/netns.ts';
import { until } from './process.ts';

/** What an outsider sees of the sets in a namespace, whoever fills them: `nft monitor`, a process of its own. Its time is in the figures. */
export interface KernelWatch {
  /** When each address was first seen in a set, ns of the monotonic clock. */
  readonly seen: ReadonlyMap<string, bigint>;
  readonly stop: () => void;
}

/** @returns once it is known to hear everything */
export async function watchKernel({ host }: NetworkPair): Promise<KernelWatch> {
  const monitor: ChildProcess = host.start('nft', 'monitor', 'new', 'elements');
  const seen = new Map<string, bigint>();
  let rest = '';
  monitor.stdout?.on('data', (chunk: Buffer) => {
    const now = process.hrtime.bigint();
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines)
      for (const [address] of line.slice(line.indexOf('{')).matchAll(/\d+\.\d+\.\d+\.\d+/g)) if (!seen.has(address)) seen.set(address, now);
  });
  // It says nothing when it begins: so it is shown something until it tells of it.
  host.run('nft', 'add table inet probe; add set inet probe seen { type ipv4_addr; }');
  let tried = 0;
  await until('nft monitor hears of an element', 10_000, () => {
    tried += 1;
    if (tried < 250) host.run('nft', `add element inet probe seen { 192.0.2.${tried} }`);
    return seen.size > 0;
  });
  host.run('nft', 'delete table inet probe');
  seen.clear();
  return {
    seen,
    stop: () => {
      monitor.kill();
      void once(monitor, 'exit');
    },
  };
}

/** How many of the generated offenders are in any set. A listing may lack elements while the kernel resizes the set: asked again if there should be more. */
export function offendersInKernel({ host }: NetworkPair, expected: number): number {
  const seen = new Set<string>();
  for (let tries = 0; tries < 5 && seen.size < expected; tries++)
    for (const address of host.run('nft', 'list', 'ruleset').match(/\b198\.1[89]\.\d+\.\d+/g) ?? []) seen.add(address);
  return seen.size;
}
