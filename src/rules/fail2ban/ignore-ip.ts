import { isIP } from 'node:net';
import { type Address, familyOf, parseAddress, parsePrefix, type Prefix, prefixOf } from '../../model/address.ts';
import type { SourcedText } from './sourced-text.ts';
import { type Place, placeAt } from './sourced-text.ts';

/** One entry of `ignoreip`, `written` as it stands there. */
export type IgnoreEntry = { readonly written: string; readonly place: Place } & (
  | { readonly kind: 'network'; readonly prefix: Prefix }
  /** A DNS name: whatever it resolves to is ignored. */
  | { readonly kind: 'name' }
  /** A file with one entry a line, read again when it changes (fail2ban 1.1). */
  | { readonly kind: 'file'; readonly path: string }
  /** Neither an address nor a name: fits nothing. */
  | { readonly kind: 'unknown' }
);

/** Entries are separated by spaces, commas or line ends. */
export function parseIgnoreIp(value: SourcedText): readonly IgnoreEntry[] {
  return [...value.text.matchAll(/[^ ,\n]+/g)].flatMap(({ 0: written, index }) => {
    const word = written.trim();
    return word === '' ? [] : [parseEntry(word, placeAt(value, index))];
  });
}

function parseEntry(written: string, place: Place): IgnoreEntry {
  if (written.startsWith('file:')) return { kind: 'file', path: written.replace(/^file:(?:\/\/)?/, ''), written, place };
  const prefix = parseNetwork(written);
  if (prefix !== undefined) return { kind: 'network', prefix, written, place };
  return { kind: /^(?=.*[a-z])[\w-]+(?:\.[\w-]+)*\.?$/i.test(written) ? 'name' : 'unknown', written, place };
}

/** `ADDRESS`, `ADDRESS/LENGTH`, `ADDRESS/NETMASK`. An IPv4 network in its IPv6 form (`::ffff:192.0.2.0/120`) is IPv4. */
export function parseNetwork(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  if (slash === -1) return parsePrefix(text);
  const address = parseAddress(text.slice(0, slash));
  const mask = text.slice(slash + 1);
  if (address === undefined) return undefined;
  const length = isIP(mask) === 0 ? decimal(mask) : maskLength(mask);
  if (length === undefined) return undefined;
  const mapped = text.includes(':') && familyOf(address) === 'ipv4' && isIP(mask) !== 4;
  const bits = mapped ? length - 96 : length;
  return bits < 0 || bits > widthOf(address) ? undefined : prefixOf(address, bits);
}

function widthOf(address: Address): number {
  return familyOf(address) === 'ipv4' ? 32 : 128;
}

function decimal(text: string): number | undefined {
  return /^\d{1,3}$/.test(text) ? Number(text) : undefined;
}

/** `255.255.255.0` is 24. @returns undefined for a mask with holes */
function maskLength(mask: string): number | undefined {
  const bits = mask.includes(':')
    ? bitsOfIpv6(mask)
    : mask
        .split('.')
        .map((octet) => Number(octet).toString(2).padStart(8, '0'))
        .join('');
  return /^1*0*$/.test(bits) ? bits.replace(/0+$/, '').length : undefined;
}

function bitsOfIpv6(mask: string): string {
  const [head = '', tail] = mask.split('::');
  const groups = (part: string | undefined) => (part === undefined || part === '' ? [] : part.split(':'));
  const [before, after] = [groups(head), groups(tail)];
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after].map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0')).join('');
}
