import type { Needle } from '../../src/sieve/needles.ts';

export interface Hit {
  readonly found: number;
  readonly lines: number;
  readonly lineStart: number;
}

/** What the sieve must find, byte by byte. */
export function slowFind(bytes: Buffer, start: number, end: number, needles: readonly Needle[] = []): Hit {
  const isHere = (at: number): boolean => needles.some((needle) => at + needle.bytes.length <= end && fits(bytes, at, needle));
  let found = start;
  while (found < end && !isHere(found)) found += 1;
  const before = bytes.subarray(start, found);
  return { found, lines: before.filter((byte) => byte === 0x0a).length, lineStart: start + before.lastIndexOf(0x0a) + 1 };
}

function fits(text: Buffer, at: number, { bytes, fold }: Needle): boolean {
  const here = text.subarray(at, at + bytes.length).toString('latin1');
  const wanted = bytes.toString('latin1');
  return here === wanted || (fold && here.replace(/[A-Z]/g, (letter) => letter.toLowerCase()) === wanted);
}
