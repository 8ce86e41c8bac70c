import { type Address, familyOf, prefixOf, splitPrefix } from '../model/address.ts';
import { problemOf } from './kernel-table.ts';
import { allowSets, type KernelSet, type Layout } from './layout.ts';
import type { NftChild } from './nft-child.ts';
import { tableName } from './nft-script.ts';

/** What the kernel holds on an address: elements of ban sets, and of the allow sets (`allow_h4`, `allow_m4_24`, ...). */
export type LookedUp =
  | { readonly kind: 'found'; readonly elements: readonly { readonly set: string; readonly element: string }[] }
  | { readonly kind: 'unknown'; readonly why: string };

/**
 * Asks the kernel in which of our sets the address is.
 *
 * `nft get element` would do, but nft 1.0.6 reads every element of every set for it (17 s at a million). `create element` is refused if the
 * element exists, and with `-c` nothing is written: 4 ms, whatever the sets hold. When the element runs out cannot be learnt in this way.
 */
export async function lookUp(child: NftChild, layout: Layout, address: Address): Promise<LookedUp> {
  const family = familyOf(address);
  const sets: KernelSet[] = [
    ...layout.groups.values().flatMap((group) => group.sets.values()),
    ...[...allowSets(layout.allow).values()].map(({ set }) => set),
  ];
  const asked = sets
    .filter((set) => set.family === family)
    .map(({ name, length }) => ({ set: name, element: splitPrefix(prefixOf(address, length)).address }));
  if (asked.length === 0) return { kind: 'found', elements: [] };
  const input = `${asked.map(({ set, element }) => `create element inet ${tableName} ${set} { ${element} }`).join('\n')}\n`;
  const ran = await child.run({ program: 'nft', args: ['-c', '-f', '-'], input });
  const problem = problemOf(ran);
  if (problem === undefined) return { kind: 'found', elements: [] };
  if (ran.kind !== 'exit' || problem.line === undefined || problem.kind === 'missing') return { kind: 'unknown', why: problem.text };
  const elements = ran.stderr
    .matchAll(/^[^\n]*?:(\d+):\d+-\d+: Error: Could not process rule: File exists$/gm)
    .map(([, line]) => asked[Number(line) - 1])
    .filter((element) => element !== undefined);
  return { kind: 'found', elements: [...elements] };
}
