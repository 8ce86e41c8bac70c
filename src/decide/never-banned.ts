import { type Address, covers, parsePrefix, type Prefix, splitPrefix } from '../model/address.ts';
import { wordsOfAddress } from '../model/address-bits.ts';
import type { Protection } from '../model/protection.ts';
import { columnsOf, orderOf } from './prefix-order.ts';
import { lengthOf, newKey, readSubject, type SubjectKey, wholeAddress } from './subject-key.ts';

/** What is never banned on any host. */
const always: readonly Protection[] = ['127.0.0.0/8', '::1/128'].flatMap((text) => {
  const prefix = parsePrefix(text);
  return prefix === undefined ? [] : [{ prefix, reason: 'loopback' as const, detail: '' }];
});

/** The answer for an address that a jail would ban with `length` bits. */
export type Verdict =
  | { readonly kind: 'free' }
  /** The network holds something protected: ban the one address. */
  | { readonly kind: 'narrow'; readonly because: Protection }
  | { readonly kind: 'protected'; readonly because: Protection };

const free: Verdict = { kind: 'free' };

/**
 * The addresses and networks that are never banned, with the reason. A value: a changed list is a new table.
 *
 * Prefixes nest or lie apart, they never overlap otherwise. So the widest ones alone, sorted, answer by one binary search whether
 * something protected covers an address or lies within its network; the narrower ones matter only to `reasons`.
 */
export class NeverBanned {
  readonly entries: readonly Protection[];
  readonly #widest: readonly Protection[];
  /** First address of each of #widest, four words each, ascending; and its mapped length. */
  readonly #starts: Uint32Array;
  readonly #lengths: Uint8Array;
  /** Of #widest: IPv4 stands first. */
  readonly #ipv4Count: number;
  readonly #key = newKey();

  /** @param listed loopback is added by itself */
  constructor(listed: readonly Protection[]) {
    this.entries = [...always, ...listed];
    const all = columnsOf(this.entries.map(({ prefix }) => prefix));
    const widest: Protection[] = [];
    const starts = new Uint32Array(all.words.length);
    const lengths = new Uint8Array(all.lengths.length);
    let ipv4Count = 0;
    for (const index of orderOf(all)) {
      const entry = this.entries[index];
      if (entry === undefined) continue;
      const at = widest.length;
      // The last one begins at or before this one, so it holds it or lies apart. `::/0` holds the mapped range, yet nothing of IPv4: families apart.
      const ofLast = all.ipv6[index] === 1 ? at > ipv4Count : at > 0;
      if (ofLast && sameNetwork(all.words, starts, at - 1, lengths[at - 1] ?? 0, index)) continue;
      for (let word = 0; word < wordsOfAddress; word++) starts[at * wordsOfAddress + word] = all.words[index * wordsOfAddress + word] ?? 0;
      lengths[at] = all.lengths[index] ?? 0;
      if (all.ipv6[index] === 0) ipv4Count++;
      widest.push(entry);
    }
    this.#widest = widest;
    this.#starts = starts;
    this.#lengths = lengths;
    this.#ipv4Count = ipv4Count;
  }

  /** Why the address is never banned; undefined: it may be. */
  why(address: Address): Protection | undefined {
    readSubject(this.#key, address, wholeAddress);
    return this.#covering(this.#key, address.includes(':'));
  }

  /** Why the network, or a part of it, is never banned. */
  whyOverlapping(prefix: Prefix): Protection | undefined {
    const { address, length } = splitPrefix(prefix);
    readSubject(this.#key, address, wholeAddress);
    const ipv6 = prefix.includes(':');
    return this.#covering(this.#key, ipv6) ?? this.#within(address, length);
  }

  /** May a jail ban this address with so many bits? @param length bits of the address's own family */
  verdict(address: Address, length: number): Verdict {
    readSubject(this.#key, address, wholeAddress);
    const covering = this.#covering(this.#key, address.includes(':'));
    if (covering !== undefined) return { kind: 'protected', because: covering };
    const within = this.#within(address, length);
    return within === undefined ? free : { kind: 'narrow', because: within };
  }

  /** Every entry that covers the address, not only the widest. */
  reasons(address: Address): readonly Protection[] {
    return this.entries.filter(({ prefix }) => covers(prefix, address));
  }

  #covering(key: SubjectKey, ipv6: boolean): Protection | undefined {
    const at = this.#lastNotAfter(key, ipv6);
    return at >= this.#first(ipv6) && sameNetwork(key, this.#starts, at, this.#lengths[at] ?? 128) ? this.#widest[at] : undefined;
  }

  /** Something protected inside the network, given that nothing covers it whole. */
  #within(address: Address, length: number): Protection | undefined {
    readSubject(this.#key, address, length);
    const mapped = lengthOf(this.#key);
    const ipv6 = address.includes(':');
    // The first that begins at or behind the network's first address.
    const before = this.#lastNotAfter(this.#key, ipv6);
    for (const at of [before, before + 1]) {
      if (at < this.#first(ipv6) || at >= this.#end(ipv6)) continue;
      if (sameNetwork(this.#key, this.#starts, at, mapped)) return this.#widest[at];
    }
    return undefined;
  }

  #first(ipv6: boolean): number {
    return ipv6 ? this.#ipv4Count : 0;
  }

  #end(ipv6: boolean): number {
    return ipv6 ? this.#widest.length : this.#ipv4Count;
  }

  /** The last entry of the family that begins at or before the address; less than the family's first if there is none. */
  #lastNotAfter(key: Uint32Array, ipv6: boolean): number {
    let low = this.#first(ipv6);
    let high = this.#end(ipv6);
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareWords(this.#starts, middle, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

/** Compares the `index`-th address of a table with a single one. */
function compareWords(table: Uint32Array, index: number, words: Uint32Array): number {
  for (let word = 0; word < wordsOfAddress; word++) {
    const difference = (table[index * wordsOfAddress + word] ?? 0) - (words[word] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether the first `length` bits (mapped) of two addresses are the same: of the `index`-th of a table, and of the `which`-th of the other. */
function sameNetwork(words: Uint32Array, table: Uint32Array, index: number, length: number, which = 0): boolean {
  for (let word = 0; word < wordsOfAddress; word++) {
    const kept = length - word * 32;
    if (kept <= 0) return true;
    const difference = (words[which * wordsOfAddress + word] ?? 0) ^ (table[index * wordsOfAddress + word] ?? 0);
    if ((kept >= 32 ? difference : difference >>> (32 - kept)) !== 0) return false;
  }
  return true;
}
