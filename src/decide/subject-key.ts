import type { Address, Prefix } from '../model/address.ts';
import { formatPrefixBits, maskBits, readAddressBits, readPrefixBits, wordsOfAddress } from '../model/address-bits.ts';
import { keyWords } from './half-sip-hash.ts';

/**
 * What the tables are keyed by: (lane, subject) in five words. The last word holds the lane (24 bits: a jail's number) and the mapped
 * prefix length (8 bits). Keys are scratch space, filled again for each look-up; tables copy what they keep.
 */
export type SubjectKey = Uint32Array & { readonly length: typeof keyWords };

export const maxLanes = 1 << 24;

export function newKey(): SubjectKey {
  return new Uint32Array(keyWords) as SubjectKey;
}

/** @param length bits of the address's own family; beyond 32 or 128 it means the whole address. */
export function readSubject(key: SubjectKey, address: Address, length: number): void {
  const offset = readAddressBits(address, key);
  const mapped = Math.min(length + offset, 128);
  maskBits(key, mapped);
  key[wordsOfAddress] = mapped;
}

export function readSubjectPrefix(key: SubjectKey, prefix: Prefix): void {
  key[wordsOfAddress] = readPrefixBits(prefix, key);
}

/** Mapped: 96 more for IPv4. */
export function lengthOf(key: SubjectKey): number {
  return (key[wordsOfAddress] ?? 0) & 0xff;
}

export function laneOf(key: SubjectKey): number {
  return (key[wordsOfAddress] ?? 0) >>> 8;
}

export function setLane(key: SubjectKey, lane: number): void {
  key[wordsOfAddress] = (lane << 8) | lengthOf(key);
}

/** Makes `key` the same as another. */
export function copyKey(key: SubjectKey, other: SubjectKey): void {
  for (let word = 0; word < keyWords; word++) key[word] = other[word] ?? 0;
}

export function subjectOf(key: SubjectKey): Prefix {
  return formatPrefixBits(key, lengthOf(key));
}

/** subjectOf, without formatting where the key is the whole address. */
export function subjectOfAddress(key: SubjectKey, address: Address): Prefix {
  return lengthOf(key) < wholeAddress ? subjectOf(key) : (`${address}/${address.includes(':') ? 128 : 32}` as Prefix);
}

/** A prefix length that means the whole address in both families. */
export const wholeAddress = 128;
