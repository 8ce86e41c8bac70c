import { parseAddress } from '../model/address.ts';
import { type Shape, type Stale, tableName } from './nft-script.ts';

/** What `nft -j -t list ruleset inet` shows of our table: everything but the elements. It takes 3 ms, however large the sets are. */
export interface Listing {
  readonly present: boolean;
  readonly chains: ReadonlyMap<string, { readonly priority: number | undefined; readonly rules: number }>;
  /** The kernel's handles of table and set: another one means that the set was made anew, and is empty. */
  readonly sets: ReadonlyMap<string, string>;
  readonly counters: ReadonlyMap<string, { readonly packets: number; readonly bytes: number }>;
}

/** Arguments of nft for a listing. `list table` and `get element` would read every element in nft 1.0.6: 17 s at a million. */
export const listingArgs = ['-j', '-t', 'list', 'ruleset', 'inet'] as const;

/** @returns undefined for anything that is not nft's JSON */
export function parseListing(json: string): Listing | undefined {
  const items = parseItems(json);
  if (items === undefined) return undefined;
  let table: unknown;
  const chains = new Map<string, { priority: number | undefined; rules: number }>();
  const sets = new Map<string, string>();
  const counters = new Map<string, { packets: number; bytes: number }>();
  const chain = (name: string): { priority: number | undefined; rules: number } => {
    const known = chains.get(name) ?? { priority: undefined, rules: 0 };
    chains.set(name, known);
    return known;
  };
  for (const { kind, value } of items) {
    const name = String(value['name']);
    if (kind === 'table' && name === tableName) table = value['handle'];
    if (value['table'] !== tableName) continue;
    if (kind === 'chain') {
      // A hook other than prerouting counts as no hook: the chain is not where it should be.
      chain(name).priority = value['hook'] === 'prerouting' ? Number(value['prio']) : undefined;
    } else if (kind === 'rule') chain(String(value['chain'])).rules++;
    else if (kind === 'set') sets.set(name, `${String(table)}.${String(value['handle'])}`);
    else if (kind === 'counter') counters.set(name, { packets: Number(value['packets']), bytes: Number(value['bytes']) });
  }
  return { present: table !== undefined, chains, sets, counters };
}

export interface Drift {
  readonly kind: 'missing' | 'unexpected';
  readonly what: 'table' | 'chain' | 'rule' | 'set' | 'element';
  /** Of the chain or the set; for an element and a rule, where it is. */
  readonly name: string;
  readonly count: number;
}

/** How the kernel's table differs from the wanted one. Empty: it does not. */
export function compareListing(shape: Shape, listing: Listing): Drift[] {
  if (!listing.present) return [{ kind: 'missing', what: 'table', name: tableName, count: 1 }];
  const drift: Drift[] = [];
  for (const { name, priority, rules } of shape.chains.values()) {
    const found = listing.chains.get(name);
    if (found === undefined || found.priority !== priority) drift.push({ kind: 'missing', what: 'chain', name, count: 1 });
    else if (found.rules < rules.length) drift.push({ kind: 'missing', what: 'rule', name, count: rules.length - found.rules });
    else if (found.rules > rules.length) drift.push({ kind: 'unexpected', what: 'rule', name, count: found.rules - rules.length });
  }
  for (const name of shape.sets.keys()) if (!listing.sets.has(name)) drift.push({ kind: 'missing', what: 'set', name, count: 1 });
  const stale = staleIn(shape, listing);
  for (const name of stale.chains) drift.push({ kind: 'unexpected', what: 'chain', name, count: 1 });
  for (const name of stale.sets) drift.push({ kind: 'unexpected', what: 'set', name, count: 1 });
  return drift;
}

/** What is in our table and not wanted: sets of lists of ports that no jail has any more. */
export function staleIn(shape: Shape, listing: Listing): Stale {
  return {
    chains: beside(listing.chains.keys(), shape.chains),
    sets: beside(listing.sets.keys(), shape.sets),
    counters: beside(listing.counters.keys(), shape.counters),
  };
}

function beside(found: Iterable<string>, wanted: { has: (name: string) => boolean }): string[] {
  return [...found].filter((name) => !wanted.has(name) && ownName.test(name));
}

/** What somebody else put into our table may have a name that a script cannot repeat without quotes: that stays. */
const ownName = /^(?:all_ports|by_port|allow|tcp|udp|both)(?:_[a-z0-9_-]+)?$/;

/** Elements of one set, from `nft -j list set`: address, and the seconds until it runs out (undefined: never). */
export function parseElements(json: string): ReadonlyMap<string, number | undefined> | undefined {
  const set = parseItems(json)?.find(({ kind }) => kind === 'set')?.value;
  if (set === undefined) return undefined;
  const elements = new Map<string, number | undefined>();
  const listed: unknown = set['elem'];
  if (!Array.isArray(listed)) return elements;
  for (const item of listed as readonly unknown[]) {
    if (typeof item === 'string') elements.set(canonical(item), undefined);
    else if (isRecord(item) && isRecord(item['elem'])) {
      const { val, expires } = item['elem'];
      if (typeof val === 'string') elements.set(canonical(val), typeof expires === 'number' ? expires : undefined);
    }
  }
  return elements;
}

/** nft prints the addresses of ::/96 as `::0.128.0.0`; we write `::80:0`, as RFC 5952 does. */
function canonical(address: string): string {
  const bytes = /^::(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address)?.slice(1).map(Number);
  if (bytes === undefined) return address;
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  return parseAddress(`::${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`) ?? address;
}

interface Item {
  readonly kind: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** `{"nftables":[{"set":{...}},...]}`, libnftables-json(5). */
function parseItems(json: string): Item[] | undefined {
  let document: unknown;
  try {
    document = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!isRecord(document) || !Array.isArray(document['nftables'])) return undefined;
  const items: Item[] = [];
  for (const item of document['nftables'] as readonly unknown[]) {
    const [kind, value] = (isRecord(item) ? Object.entries(item)[0] : undefined) ?? [];
    if (kind !== undefined && isRecord(value)) items.push({ kind, value });
  }
  return items;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
