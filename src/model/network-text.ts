import { isIP } from 'node:net';
import { type Address, familyOf, parseAddress, parsePrefix, type Prefix, prefixOf } from './address.ts';

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
