import { type Address, familyOf, type Prefix, prefixOf, splitPrefix } from '../model/address.ts';

/** Networks in which an address is looked up at once, however many they are: one look for each length that occurs. */
export interface NetworkSet {
  readonly covers: (address: Address) => boolean;
}

export function createNetworkSet(networks: Iterable<Prefix>): NetworkSet {
  const byLength = { ipv4: new Map<number, Set<Prefix>>(), ipv6: new Map<number, Set<Prefix>>() };
  for (const network of networks) {
    const lengths = byLength[familyOf(network)];
    const { length } = splitPrefix(network);
    lengths.set(length, (lengths.get(length) ?? new Set<Prefix>()).add(network));
  }
  return { covers: (address) => byLength[familyOf(address)].entries().some(([length, set]) => set.has(prefixOf(address, length))) };
}
