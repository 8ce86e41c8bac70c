import type { Family } from '../model/address.ts';
import { allowSets, type Group, type KernelSet, type Layout, portRanges } from './layout.ts';

/** Everything of ours is in this one table; nothing else is touched. */
export const tableName = 'sluice';
const table = `inet ${tableName}`;

/**
 * Base chains. `by_port` stands before connection tracking (-200), where a drop is cheapest. `all_ports` stands behind it, because a ban on
 * all ports must let the answers to our own connections pass, and only the tracker knows which those are; both stand before
 * DNAT (-100), so that published container ports are covered with the ports that the client sees.
 */
export const baseChains = { by_port: -310, all_ports: -190 } as const;

/** One chain as it should be. `priority`: undefined for a chain that is jumped to. */
export interface WantedChain {
  readonly name: string;
  readonly priority: number | undefined;
  readonly rules: readonly string[];
}

/** What a listing of the table should show. */
export interface Shape {
  readonly chains: ReadonlyMap<string, WantedChain>;
  readonly sets: ReadonlyMap<string, KernelSet>;
  /** Named, so that they keep counting when the chains are filled anew. A counter has the name of its set. */
  readonly counters: ReadonlySet<string>;
}

export function shapeOf(layout: Layout): Shape {
  const chains = new Map<string, WantedChain>();
  const allow = allowSets(layout.allow);
  const sets = new Map<string, KernelSet>([...allow].map(([name, { set }]) => [name, set]));
  const counters = new Set<string>();
  // Allowed first in both base chains: a mistake in a ban must not cut off a host that is on the list.
  const passing = ['iif lo accept', ...[...allow.values()].map(({ set }) => `${lookup(set)} accept`)];
  const jumps: string[] = [];
  for (const group of layout.groups.values()) {
    for (const set of group.sets.values()) {
      sets.set(set.name, set);
      counters.add(set.name);
    }
    const drops = [...group.sets.values()].map((set) => `${lookup(set)} counter name ${set.name} drop`);
    if (group.ports.kind === 'all') {
      // ICMPv6 carries neighbour discovery: without it a ban on our own /64 cuts off our router.
      // Everything but answers, instead of only `ct direction original`: what the tracker does not know would slip through.
      const rules = [...passing, 'meta l4proto icmpv6 accept', 'ct direction reply accept', ...drops];
      chains.set('all_ports', { name: 'all_ports', priority: baseChains.all_ports, rules });
    } else {
      chains.set(group.name, { name: group.name, priority: undefined, rules: drops });
      jumps.push(`${portMatch(group)} jump ${group.name}`);
    }
  }
  chains.set('by_port', { name: 'by_port', priority: baseChains.by_port, rules: [...passing, ...jumps] });
  return { chains, sets, counters };
}

/** What a listing shows in our table and the layout does not name. */
export interface Stale {
  readonly chains: readonly string[];
  readonly sets: readonly string[];
  readonly counters: readonly string[];
}

export const nothingStale: Stale = { chains: [], sets: [], counters: [] };

/**
 * The whole table but the elements of the ban sets, as one transaction: may be run at any time, and keeps what the sets hold. The
 * chains and the allow sets are filled anew; no packet sees them empty.
 *
 * @param setSize elements that a set takes; the kernel refuses more (ENFILE)
 * @param fresh drop the table and begin again, where definitions have changed in a way that nft cannot follow
 */
export function ensureScript(layout: Layout, setSize: number, stale: Stale = nothingStale, fresh = false): string {
  const shape = shapeOf(layout);
  const out = [`add table ${table}`];
  if (fresh) out.push(`delete table ${table}`, `add table ${table}`);
  for (const { name, priority } of shape.chains.values())
    out.push(
      `add chain ${table} ${name}${priority === undefined ? '' : ` { type filter hook prerouting priority ${priority}; policy accept; }`}`,
    );
  // Empty all chains before filling one: a rule may still jump to a chain, or look into a set, that goes.
  for (const name of [...shape.chains.keys(), ...stale.chains]) out.push(`flush chain ${table} ${name}`);
  for (const name of stale.chains) out.push(`delete chain ${table} ${name}`);
  for (const name of stale.sets) out.push(`delete set ${table} ${name}`);
  for (const name of stale.counters) out.push(`delete counter ${table} ${name}`);
  const allow = allowSets(layout.allow);
  for (const { name, family } of shape.sets.values()) {
    const type = family === 'ipv4' ? 'ipv4_addr' : 'ipv6_addr';
    // Plain hash sets: one interval set in any table makes every later nft command read that set.
    out.push(`add set ${table} ${name} { type ${type}; ${allow.has(name) ? '' : `flags timeout; size ${setSize}; `}}`);
  }
  for (const [name, { addresses }] of allow)
    out.push(`flush set ${table} ${name}`, `add element ${table} ${name} {`, [...addresses].join(',\n'), '}');
  for (const name of shape.counters) out.push(`add counter ${table} ${name}`);
  for (const { name, rules } of shape.chains.values()) for (const rule of rules) out.push(`add rule ${table} ${name} ${rule}`);
  return `${out.join('\n')}\n`;
}

/** @returns the script that removes everything of ours; nft refuses it, harmlessly, if there is nothing */
export function removeScript(): string {
  return `delete table ${table}\n`;
}

/** One element to write. `timeoutS`: undefined is permanent. `renew`: an element may be there with another timeout. */
export type Edit =
  | { readonly kind: 'put'; readonly set: string; readonly address: string; readonly timeoutS: number | undefined; readonly renew: boolean }
  | { readonly kind: 'remove'; readonly set: string; readonly address: string };

/** `editAt`: the index of the edit that stands in a line (from 1, as nft counts), undefined for lines of the frame. */
export interface ElementScript {
  readonly text: string;
  readonly editAt: (line: number) => number | undefined;
}

/**
 * One transaction for all edits; the same element must not occur twice. One command per set, because a command for each element takes twice
 * as long; one element per line, because nft names the line of the one it refuses.
 *
 * A renewal is `add; delete; add`, and a removal `add; delete`: that works whether the element is there or has just run out, and on kernels
 * that ignore a new timeout for an element they have. Removals stand first: they make room in a full set.
 */
export function elementScript(edits: readonly Edit[]): ElementScript {
  const out: string[] = [];
  const lines: (number | undefined)[] = [undefined];
  const command = (verb: 'add' | 'delete', set: string, indexes: readonly number[], text: (edit: Edit) => string): void => {
    if (indexes.length === 0) return;
    out.push(`${verb} element ${table} ${set} {`);
    lines.push(undefined);
    for (const index of indexes) {
      const edit = edits[index];
      if (edit === undefined) continue;
      out.push(`${text(edit)},`);
      lines.push(index);
    }
    out.push('}');
    lines.push(undefined);
  };
  const bySet = new Map<string, { cleared: number[]; put: number[] }>();
  for (const [index, edit] of edits.entries()) {
    let group = bySet.get(edit.set);
    if (group === undefined) bySet.set(edit.set, (group = { cleared: [], put: [] }));
    if (edit.kind === 'remove' || edit.renew) group.cleared.push(index);
    if (edit.kind === 'put') group.put.push(index);
  }
  for (const [set, { cleared, put }] of bySet) {
    command('add', set, cleared, ({ address }) => address);
    command('delete', set, cleared, ({ address }) => address);
    command('add', set, put, (edit) =>
      edit.kind === 'put' && edit.timeoutS !== undefined ? `${edit.address} timeout ${formatTimeout(edit.timeoutS)}` : edit.address,
    );
  }
  return { text: `${out.join('\n')}\n`, editAt: (line) => lines[line] };
}

/** A hundred years. The kernel takes 584 (2^64 ns); nothing is gained beyond. */
export const maxTimeoutS = 100 * 365 * 86_400;

/** nft takes numbers of up to eight digits, which are three years of seconds: beyond, in days, rounded up. */
function formatTimeout(seconds: number): string {
  return seconds < 100_000_000 ? `${seconds}s` : `${Math.ceil(seconds / 86_400)}d`;
}

/** Rounded up, so that the kernel never opens before we say so. @returns undefined for permanent, 0 for a time that has passed */
export function timeoutSeconds(untilMs: number, nowMs: number): number | undefined {
  if (untilMs === Infinity) return undefined;
  return Math.max(0, Math.min(maxTimeoutS, Math.ceil((untilMs - nowMs) / 1_000)));
}

function portMatch({ ports }: Group): string {
  if (ports.kind === 'all') return '';
  const list = `{ ${portRanges(ports.ports).join(', ')} }`;
  return ports.protocol === 'both' ? `meta l4proto { tcp, udp } th dport ${list}` : `${ports.protocol} dport ${list}`;
}

function lookup({ name, family, length }: KernelSet): string {
  const source = family === 'ipv4' ? 'ip saddr' : 'ip6 saddr';
  return length === (family === 'ipv4' ? 32 : 128) ? `${source} @${name}` : `${source} & ${mask(family, length)} @${name}`;
}

/** `255.255.255.0`, `ffff:ffff:ffff:ffff:0:0:0:0`. */
function mask(family: Family, length: number): string {
  const [parts, bits] = family === 'ipv4' ? [4, 8] : [8, 16];
  const full = 2 ** bits - 1;
  return Array.from({ length: parts }, (_, index) => {
    const kept = Math.max(0, Math.min(bits, length - index * bits));
    return (full - (2 ** (bits - kept) - 1)).toString(family === 'ipv4' ? 10 : 16);
  }).join(family === 'ipv4' ? '.' : ':');
}
