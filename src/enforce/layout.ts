import { createHash } from 'node:crypto';
import { type Address, type Family, familyOf, type Prefix, splitPrefix } from '../model/address.ts';
import type { Ports } from '../model/filter.ts';

/** One plain hash set of our table: addresses of one family, each standing for a network of `length` bits. */
export interface KernelSet {
  readonly name: string;
  readonly family: Family;
  /** 32 or 128: single addresses. Else the packet's address is masked before it is looked up. */
  readonly length: number;
}

/** One distinct list of ports, with its chain and its sets. */
export interface Group {
  readonly name: string;
  readonly ports: Ports;
  readonly sets: ReadonlyMap<string, KernelSet>;
}

/** What our table holds besides the elements of the ban sets. Values, not state: a change makes a new layout. */
export interface Layout {
  readonly groups: ReadonlyMap<string, Group>;
  /** Never dropped: the same list that the decisions keep. */
  readonly allow: readonly Prefix[];
}

export const emptyLayout: Layout = { groups: new Map(), allow: [] };

/** Where an element belongs. */
export interface Place {
  readonly group: string;
  readonly set: string;
  readonly family: Family;
  readonly length: number;
  readonly address: Address;
}

const longestReadableName = 48;
const names = new WeakMap<Ports, string>();

/**
 * The name of the chain for a list of ports, and the first part of its sets' names: `tcp_25_465_587`, `all_ports`. It depends on the list
 * alone, so that a restart or a reload finds its sets again; a name of its own would be a name from a jail, and `ct` or `limit` as a
 * jail's name breaks nft. Long lists are named by their hash.
 */
export function groupName(ports: Ports): string {
  if (ports.kind === 'all') return 'all_ports';
  const known = names.get(ports);
  if (known !== undefined) return known;
  const list = portRanges(ports.ports).join('_');
  const readable = `${ports.protocol}_${list}`;
  const name =
    readable.length <= longestReadableName
      ? readable
      : `${ports.protocol}_x${createHash('sha256').update(list).digest('hex').slice(0, 12)}`;
  names.set(ports, name);
  return name;
}

/** Sorted, without duplicates, neighbours as a range: `25`, `1000-2000`. */
export function portRanges(ports: readonly number[]): string[] {
  const sorted = [...new Set(ports)].toSorted((a, b) => a - b);
  const ranges: { first: number; last: number }[] = [];
  for (const port of sorted) {
    const open = ranges.at(-1);
    if (open !== undefined && port === open.last + 1) open.last = port;
    else ranges.push({ first: port, last: port });
  }
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
}

/** Of each list, by length, what all places have in common: a flood asks for the same one a hundred thousand times. */
const kinds = new WeakMap<Ports, Map<string, Omit<Place, 'address'>>>();

export function placeOf(ports: Ports, subject: Prefix): Place {
  let known = kinds.get(ports);
  if (known === undefined) kinds.set(ports, (known = new Map()));
  const slash = subject.indexOf('/');
  const family = familyOf(subject);
  const key = family === 'ipv4' ? subject.slice(slash) : `6${subject.slice(slash)}`;
  let kind = known.get(key);
  if (kind === undefined) {
    const group = groupName(ports);
    const { length } = splitPrefix(subject);
    known.set(key, (kind = { group, set: setName(group, family, length), family, length }));
  }
  const { group, set, length } = kind;
  return { group, set, family, length, address: subject.slice(0, slash) as Address };
}

/** `tcp_25_h4` for single addresses, `tcp_25_m6_64` for networks. */
export function setName(group: string, family: Family, length: number): string {
  const digit = family === 'ipv4' ? '4' : '6';
  return length === (family === 'ipv4' ? 32 : 128) ? `${group}_h${digit}` : `${group}_m${digit}_${length}`;
}

/** @param lengths prefix lengths that the jails use; those of single addresses are always there */
export function layoutOf(
  lists: readonly Ports[],
  lengths: { readonly ipv4: readonly number[]; readonly ipv6: readonly number[] },
  allow: readonly Prefix[],
): Layout {
  let layout: Layout = { ...emptyLayout, allow };
  for (const ports of lists) {
    for (const length of new Set([32, ...lengths.ipv4])) layout = withSet(layout, ports, 'ipv4', length);
    for (const length of new Set([128, ...lengths.ipv6])) layout = withSet(layout, ports, 'ipv6', length);
  }
  return layout;
}

/** The same layout if it has that set already. */
export function withSet(layout: Layout, ports: Ports, family: Family, length: number): Layout {
  const name = groupName(ports);
  const group = layout.groups.get(name);
  const set = setName(name, family, length);
  if (group?.sets.has(set)) return layout;
  const sets = new Map(group?.sets).set(set, { name: set, family, length });
  return { ...layout, groups: new Map(layout.groups).set(name, { name, ports, sets }) };
}

/** The layout with a set for that subject; the same layout if it has one. */
export function withPlace(layout: Layout, { ports, subject }: Element): Layout {
  const place = placeOf(ports, subject);
  return hasPlace(layout, place) ? layout : withSet(layout, ports, place.family, place.length);
}

/** The layout with sets for all of them. O(n), 0.2 us each. */
export function withPlaces(layout: Layout, elements: Iterable<Element>): Layout {
  return kindsOf(elements).reduce((grown, { ports, first }) => withPlace(grown, { ports, subject: first }), layout);
}

export function hasPlace(layout: Layout, place: Place): boolean {
  return layout.groups.get(place.group)?.sets.has(place.set) ?? false;
}

/** How many of them belong into each set. O(n), 0.2 us each: no names are made for elements of a kind seen before. */
export function countBySet(layout: Layout, elements: Iterable<Element>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { sets } of layout.groups.values()) for (const name of sets.keys()) counts.set(name, 0);
  for (const { ports, first, count } of kindsOf(elements)) {
    const { set } = placeOf(ports, first);
    counts.set(set, (counts.get(set) ?? 0) + count);
  }
  return counts;
}

interface Element {
  readonly ports: Ports;
  readonly subject: Prefix;
}

/** One for each list of ports and prefix length among them. */
function kindsOf(elements: Iterable<Element>): readonly { readonly ports: Ports; readonly first: Prefix; readonly count: number }[] {
  const lists = new Map<Ports, Map<string, { readonly ports: Ports; readonly first: Prefix; count: number }>>();
  for (const { ports, subject } of elements) {
    let lengths = lists.get(ports);
    if (lengths === undefined) lists.set(ports, (lengths = new Map()));
    const length = subject.slice(subject.lastIndexOf('/'));
    const kind = familyOf(subject) === 'ipv4' ? length : `6${length}`;
    const known = lengths.get(kind);
    if (known === undefined) lengths.set(kind, { ports, first: subject, count: 1 });
    else known.count++;
  }
  return [...lists.values()].flatMap((lengths) => [...lengths.values()]);
}

/** The allow list by set; each set's addresses in the order given, without duplicates. */
export function allowSets(
  allow: readonly Prefix[],
): ReadonlyMap<string, { readonly set: KernelSet; readonly addresses: ReadonlySet<string> }> {
  const sets = new Map<string, { set: KernelSet; addresses: Set<string> }>();
  for (const prefix of allow) {
    const family = familyOf(prefix);
    const { address, length } = splitPrefix(prefix);
    const name = setName('allow', family, length);
    const entry = sets.get(name) ?? { set: { name, family, length }, addresses: new Set<string>() };
    entry.addresses.add(address);
    sets.set(name, entry);
  }
  return sets;
}
