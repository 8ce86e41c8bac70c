import { type Address, type Prefix, parsePrefix } from './address.ts';

/**
 * Addresses as numbers, for tables that hold a million of them: four 32-bit words, IPv4 in the IPv4-mapped range (`::ffff:0:0/96`), so that
 * one form serves both families. An IPv4 prefix length is 96 more here. No IPv6 address comes out the same: parseAddress makes
 * IPv4 of every mapped one.
 */
export const wordsOfAddress = 4;

const mappedMarker = 0xffff;
/** What the length of an IPv4 prefix is more here. */
export const mappedBits = 96;
const [dot, colon, digitZero, letterA] = ['.', ':', '0', 'a'].map((char) => char.charCodeAt(0)) as [number, number, number, number];

/** Writes the words of the address to the first four places of `out`. @returns bits of its family's offset: 96 for IPv4, 0 for IPv6. */
export function readAddressBits(address: Address, out: Uint32Array): 96 | 0 {
  if (readIpv4(address, out)) return mappedBits;
  readIpv6(address, out);
  return 0;
}

/** The words and the mapped length of a prefix: `192.0.2.0/24` has the length 120. */
export function readPrefixBits(prefix: Prefix, out: Uint32Array): number {
  const slash = prefix.indexOf('/');
  return readAddressBits(prefix.slice(0, slash) as Address, out) + Number(prefix.slice(slash + 1));
}

/** Clears everything behind the first `length` bits (mapped: 0 to 128). */
export function maskBits(words: Uint32Array, length: number): void {
  for (let word = 0; word < wordsOfAddress; word++) {
    const kept = length - word * 32;
    if (kept <= 0) words[word] = 0;
    else if (kept < 32) words[word] = (words[word] ?? 0) & (-1 << (32 - kept));
  }
}

/** The text of a prefix; the words must be masked already. The inverse of readPrefixBits. */
export function formatPrefixBits(words: Uint32Array, length: number): Prefix {
  const [a = 0, b = 0, c = 0, d = 0] = words;
  if (length >= mappedBits && a === 0 && b === 0 && c === mappedMarker)
    return `${d >>> 24}.${(d >>> 16) & 0xff}.${(d >>> 8) & 0xff}.${d & 0xff}/${length - mappedBits}` as Prefix;
  // The networks that people use: the lower half is zero and the run of zeros reaches the end.
  if (c === 0 && d === 0 && a >>> 16 !== 0 && (a & 0xffff) !== 0) {
    const high = `${(a >>> 16).toString(16)}:${(a & 0xffff).toString(16)}`;
    if (b === 0) return `${high}::/${length}` as Prefix;
    const third = (b >>> 16).toString(16);
    return ((b & 0xffff) === 0 ? `${high}:${third}::/${length}` : `${high}:${third}:${(b & 0xffff).toString(16)}::/${length}`) as Prefix;
  }
  // Which run of zeros is shortened is decided in one place only.
  const groups = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff, c >>> 16, c & 0xffff, d >>> 16, d & 0xffff];
  const prefix = parsePrefix(`${groups.map((group) => group.toString(16)).join(':')}/${length}`);
  if (prefix === undefined) throw new Error(`not a prefix: ${groups.join(':')}/${length}`);
  return prefix;
}

function readIpv4(address: string, out: Uint32Array): boolean {
  let value = 0;
  let octet = 0;
  for (let index = 0; index < address.length; index++) {
    const code = address.charCodeAt(index);
    if (code === dot) {
      value = (value << 8) | octet;
      octet = 0;
    } else {
      const digit = code - digitZero;
      if (digit < 0 || digit > 9) return false; // a colon or a letter: IPv6
      octet = octet * 10 + digit;
    }
  }
  out[0] = 0;
  out[1] = 0;
  out[2] = mappedMarker;
  out[3] = (value << 8) | octet;
  return true;
}

/** Canonical text only: at most one `::`, no dotted tail. */
function readIpv6(address: string, out: Uint32Array): void {
  let gap = -1;
  let count = 0;
  let group = 0;
  let digits = 0;
  const { length } = address;
  const put = (at: number, value: number) => {
    const word = at >> 1;
    out[word] = (at & 1) === 0 ? value << 16 : ((out[word] ?? 0) & 0xffff0000) | value;
  };
  for (let index = 0; index <= length; index++) {
    const code = index < length ? address.charCodeAt(index) : colon;
    if (code !== colon) {
      group = (group << 4) | (code >= letterA ? code - letterA + 10 : code - digitZero);
      digits++;
      continue;
    }
    if (digits > 0) put(count++, group);
    else if (index > 0 && gap === -1 && index < length) gap = count;
    group = 0;
    digits = 0;
  }
  if (gap === -1) return;
  // Move what stands behind the gap to the end, and fill the gap with zeros.
  const take = (at: number) => ((out[at >> 1] ?? 0) >>> ((at & 1) === 0 ? 16 : 0)) & 0xffff;
  const tail: number[] = [];
  for (let at = gap; at < count; at++) tail.push(take(at));
  for (let at = gap; at < 8; at++) put(at, at < 8 - tail.length ? 0 : (tail[at - (8 - tail.length)] ?? 0));
}
