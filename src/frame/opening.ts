/** A count of more digits is refused: no message is that long, and whoever sends it wants a buffer of that size. */
export const maxCountDigits = 7;
/** Digits looked at before they are taken for text: enough for any 64-bit number. */
const maxDigits = 20;

/**
 * What stands at the beginning of a frame. `count`: `digits SP`, the MSG-LEN of RFC 6587 section 3.4.1, and what it seems to announce; NaN if it has
 * more than maxCountDigits. `more`: the bytes at hand do not tell.
 */
export type Opening =
  | { readonly kind: 'more' }
  | { readonly kind: 'none' }
  | { readonly kind: 'count'; readonly count: number; readonly textStart: number; readonly content: 'message' | 'compressed' | 'other' };

const more: Opening = { kind: 'more' };
const none: Opening = { kind: 'none' };

/** Looks at no more than 24 bytes. */
export function readOpening(bytes: Buffer, start: number): Opening {
  let at = start;
  let count = 0;
  for (; ; at += 1) {
    const byte = bytes[at];
    if (byte === undefined) return more;
    if (byte === 0x20) break;
    if (byte < 0x30 || byte > 0x39 || (at === start && byte === 0x30) || at - start === maxDigits) return none;
    count = count * 10 + byte - 0x30;
  }
  if (at === start) return none;
  const textStart = at + 1;
  if (at - start > maxCountDigits) count = NaN;

  const first = bytes[textStart];
  if (first === undefined) return more;
  if (first === 0x3c) return { kind: 'count', count, textStart, content: 'message' };
  if (first !== 0x7a || count < 3) return { kind: 'count', count, textStart, content: 'other' };
  if (bytes.length < textStart + 3)
    return bytes[textStart + 1] === 0x78 || bytes.length === textStart + 1 ? more : { kind: 'count', count, textStart, content: 'other' };
  return { kind: 'count', count, textStart, content: isCompressed(bytes, textStart, bytes.length) ? 'compressed' : 'other' };
}

/** A message compressed by rsyslog's omfwd (ZipLevel): `z`, then a zlib stream (RFC 1950 section 2.2). */
export function isCompressed(bytes: Buffer, start: number, end: number): boolean {
  if (end < start + 3 || bytes[start] !== 0x7a || bytes[start + 1] !== 0x78) return false;
  return (0x7800 + (bytes[start + 2] ?? 0)) % 31 === 0;
}

/** Where a frame ends: LF, CR and NUL at its end are framing, not text. */
export function frameEnd(bytes: Buffer, start: number, end: number): number {
  let last = end;
  while (last > start && isFiller(bytes[last - 1])) last -= 1;
  return last;
}

/** LF, CR, NUL: what stands around a frame and is not part of it. */
export function isFiller(byte: number | undefined): boolean {
  return byte === 0x0a || byte === 0x0d || byte === 0;
}
