import { parsePrefix } from '../model/address.ts';
import type { KernelChange } from '../model/decision.ts';
import { type Drift, parseElements } from './kernel-listing.ts';
import { allowSets, type Layout, placeOf } from './layout.ts';
import type { NftChild } from './nft-child.ts';
import { tableName } from './nft-script.ts';

/** What one set holds: address, and the seconds until it runs out (undefined: never). */
export type Held = ReadonlyMap<string, number | undefined>;

/** Elements that differ between the kernel and what we know, and what mends that. */
export interface AuditFinding {
  readonly drift: readonly Drift[];
  readonly mending: readonly KernelChange[];
  /** An allow set is not as it should be: the table is to be made again. */
  readonly allowDiffers: boolean;
}

/** Both sides round, and the list takes a moment. */
const marginS = 3;

/**
 * Compares sets, element by element: somebody flushed one, an unban was lost with the process, a kernel before 6.12 kept an old timeout. What we do
 * not know is removed: an element without a timeout would stay for ever, and no unban could name it.
 *
 * @param held what the kernel showed; sets that are not in it are not judged
 * @param touched elements that were decided upon since the kernel was asked: `SET ADDRESS`
 */
export function auditSets(
  held: ReadonlyMap<string, Held>,
  layout: Layout,
  state: Iterable<KernelChange>,
  touched: ReadonlySet<string>,
  nowMs: number,
): AuditFinding {
  const missing = new Map<string, number>();
  const unexpected = new Map<string, number>();
  const mending: KernelChange[] = [];
  const known = new Set<string>();
  for (const change of state) {
    if (change.kind === 'remove') continue;
    const { set, address } = placeOf(change.ports, change.subject);
    const key = `${set} ${address}`;
    known.add(key);
    const elements = held.get(set);
    const leftS = (change.untilMs - nowMs) / 1_000;
    if (elements === undefined || touched.has(key) || leftS < marginS) continue;
    const kernelS = elements.has(address) ? (elements.get(address) ?? Infinity) : 0;
    if (kernelS === leftS || Math.abs(kernelS - leftS) <= marginS) continue;
    add(kernelS < leftS ? missing : unexpected, set);
    mending.push({ ...change, mayExist: true });
  }
  for (const { ports, sets } of layout.groups.values()) {
    for (const { name, length } of sets.values()) {
      for (const [address, expiresS] of held.get(name) ?? []) {
        const key = `${name} ${address}`;
        const subject = parsePrefix(`${address}/${length}`);
        if (subject === undefined || known.has(key) || touched.has(key) || (expiresS !== undefined && expiresS < marginS)) continue;
        add(unexpected, name);
        mending.push({ kind: 'remove', ports, subject });
      }
    }
  }
  const allowed = [...allowSets(layout.allow)];
  const differing = allowed.filter(([name, { addresses }]) => {
    const elements = held.get(name);
    return elements !== undefined && (elements.size !== addresses.size || [...addresses].some((address) => !elements.has(address)));
  });
  return {
    drift: [
      ...[...missing].map(([name, count]) => ({ kind: 'missing' as const, what: 'element' as const, name, count })),
      ...[...unexpected].map(([name, count]) => ({ kind: 'unexpected' as const, what: 'element' as const, name, count })),
      ...differing.map(([name]) => ({ kind: 'missing' as const, what: 'element' as const, name, count: 1 })),
    ],
    mending,
    allowDiffers: differing.length > 0,
  };
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/**
 * What one of two listings shows; a set must be in both. After 100,000 adds the first listing lacked up to 7,000 elements and showed as many
 * twice, because the kernel's hash table was still growing; the second was exact.
 */
export function eitherOf(first: ReadonlyMap<string, Held>, second: ReadonlyMap<string, Held>): ReadonlyMap<string, Held> {
  const both = new Map<string, Held>();
  for (const [name, elements] of second) {
    const before = first.get(name);
    if (before !== undefined) both.set(name, new Map([...before, ...elements]));
  }
  return both;
}

const maxBytesPerElement = 160;
const timeoutMs = 2_000;

/**
 * Reads all our sets. A dump is quadratic in the kernel (10,000 elements 50 ms, a million 46 s), and begins again when something changes meanwhile:
 * a set that cannot be read in 2 s, or holds far more than we know of, is left out, and what is unknown in it is left to run out.
 */
export async function readSets(child: NftChild, layout: Layout, maxElements: number): Promise<ReadonlyMap<string, Held>> {
  const held = new Map<string, Held>();
  const names = layout.groups.values().flatMap(({ sets }) => sets.keys());
  for (const name of [...names, ...allowSets(layout.allow).keys()]) {
    const maxOutputBytes = (maxElements + 1_000) * maxBytesPerElement;
    const args = ['-j', 'list', 'set', 'inet', tableName, name];
    const ran = await child.run({ program: 'nft', args, maxOutputBytes, timeoutMs });
    const elements = ran.kind === 'exit' && ran.code === 0 && !ran.cut ? parseElements(ran.stdout) : undefined;
    if (elements !== undefined) held.set(name, elements);
  }
  return held;
}
