import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

declare const brand: unique symbol;
/** An IPv4 or IPv6 address in canonical form (RFC 5952). Only parseAddress makes one, so nothing downstream checks again. */
export type Address = string & { readonly [brand]: 'Address' };

/** A network, or one address as /32 or /128, in canonical form with the host bits cleared: `2001:db8::/64`. Only parsePrefix and prefixOf make one. */
export type Prefix = string & { readonly [brand]: 'Prefix' };

export type Family = 'ipv4' | 'ipv6';

/**
 * Parses an address as it stands in a log line. IPv4-mapped IPv6 (`::ffff:192.0.2.1`) becomes IPv4.
 *
 * net.isIP decides, because ipaddr.js also takes `1`, `0x7f.1` and octal octets, which name other hosts than the text seems to.
 * A zone id (`fe80::1%eth0`) is refused: it means nothing to the kernel's sets.
 *
 * @returns undefined for anything that is not exactly one address.
 */
export function parseAddress(text: string): Address | undefined {
  // Nearly all are that already, and ipaddr.js takes two microseconds.
  if (isDottedQuad(text)) return text as Address;
  if (isIP(text) === 0 || text.includes('%')) return undefined;
  return canonical(ipaddr.process(withoutDots(text)));
}

/** `::ffff:192.0.2.1` as `::ffff:c000:201`: ipaddr.js takes `::192.0.2.1`, an address of its own, for IPv4. */
function withoutDots(text: string): string {
  if (!text.includes(':') || !text.includes('.')) return text;
  const tail = text.lastIndexOf(':') + 1;
  const [a = 0, b = 0, c = 0, d = 0] = text.slice(tail).split('.').map(Number);
  return `${text.slice(0, tail)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}

/** Whether the text is an address by net.isIP, a zone id included. */
export function isAddressText(text: string): boolean {
  return isDottedQuad(text) || isIP(text) !== 0;
}

const dot = 0x2e;
const zero = 0x30;
const nine = 0x39;

/** Whether the text, or the first part of it, is four numbers up to 255 without leading zeros: IPv4 in canonical form. */
function isDottedQuad(text: string, length = text.length): boolean {
  if (length < 7 || length > 15) return false;
  let dots = 0;
  let value = -1;
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === dot) {
      if (value === -1) return false;
      dots += 1;
      value = -1;
    } else {
      if (code < zero || code > nine || value === 0) return false;
      value = (value === -1 ? 0 : value * 10) + code - zero;
      if (value > 255) return false;
    }
  }
  return dots === 3 && value !== -1;
}

/** `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`; host bits are cleared. @returns undefined for anything else. */
export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf('/');
  // As we write it ourselves, and nearly all that is read again: it stays the text that it is.
  if (slash === text.length - 3 && text.endsWith('/32') && isDottedQuad(text, slash)) return text as Prefix;
  const address = parseAddress(slash === -1 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const bits = familyOf(address) === 'ipv4' ? 32 : 128;
  if (slash === -1) return prefixOf(address, bits);
  // An IPv4-mapped network has no unmapped spelling with the same length: refuse it instead of guessing.
  if (text.slice(0, slash).includes(':') && bits === 32) return undefined;
  const digits = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(digits) || Number(digits) > bits) return undefined;
  return prefixOf(address, Number(digits));
}

export function familyOf(address: Address | Prefix): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

/** The network of `length` bits that holds the address. Lengths beyond the family's own count as the whole address. */
export function prefixOf(address: Address, length: number): Prefix {
  // Nearly all bans are of single addresses, and ipaddr.js takes two microseconds.
  const whole = familyOf(address) === 'ipv4' ? 32 : 128;
  if (length >= whole) return `${address}/${whole}` as Prefix;
  const parsed = ipaddr.parse(address);
  const bits = parsed.kind() === 'ipv4' ? 32 : 128;
  const kept = Math.min(length, bits);
  const bytes = parsed.toByteArray().map((byte, index) => byte & (0xff << Math.max(0, 8 - Math.max(0, kept - index * 8))) & 0xff);
  return `${canonical(ipaddr.fromByteArray(bytes))}/${kept}` as Prefix;
}

/** `2001:db8::/64` -> its first address and 64. */
export function splitPrefix(prefix: Prefix): { readonly address: Address; readonly length: number } {
  const slash = prefix.indexOf('/');
  return { address: prefix.slice(0, slash) as Address, length: Number(prefix.slice(slash + 1)) };
}

/** Whether the prefix is one single address. */
export function isSingle(prefix: Prefix): boolean {
  return splitPrefix(prefix).length === (familyOf(prefix) === 'ipv4' ? 32 : 128);
}

/** A single address without its length, a network with it: what people write. */
export function formatSubject(prefix: Prefix): string {
  return isSingle(prefix) ? splitPrefix(prefix).address : prefix;
}

/** Whether `inner` (an address or a network) lies wholly within `outer`. */
export function covers(outer: Prefix, inner: Address | Prefix): boolean {
  if (familyOf(outer) !== familyOf(inner)) return false;
  const wide = splitPrefix(outer);
  const narrow = inner.includes('/') ? splitPrefix(inner as Prefix) : { address: inner as Address, length: 128 };
  return narrow.length >= wide.length && prefixOf(narrow.address, wide.length) === outer;
}

function canonical(parsed: ipaddr.IPv4 | ipaddr.IPv6): Address {
  // toRFC5952String, not toString: the latter never shortens the longest run of zeros.
  return (parsed.kind() === 'ipv4' ? parsed.toString() : (parsed as ipaddr.IPv6).toRFC5952String()) as Address;
}
