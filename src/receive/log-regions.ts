import { isAscii } from 'node:buffer';
import type { Sieve } from '../model/sieve.ts';
import { maxLineBytes } from './file-lines.ts';

const lineFeed = 0x0a;

/** Takes whole lines. A promise holds up the reading. */
export type TakeRegion = (region: Buffer) => void | Promise<void>;

/**
 * Makes regions of whole lines from chunks that end anywhere, without copying what need not be copied.
 *
 * Of a line that goes on for more than maxLineBytes over the end of a chunk, the rest is left out, so that an endless one takes no memory.
 */
export class LogRegions {
  readonly #take: TakeRegion;
  #begun: Buffer[] = [];
  #begunBytes = 0;

  /** @param take is lent the region for the call only, or until its promise is settled: the memory is used again */
  constructor(take: TakeRegion) {
    this.#take = take;
  }

  async push(chunk: Buffer): Promise<void> {
    const end = chunk.lastIndexOf(lineFeed) + 1;
    let start = 0;
    if (end > 0 && this.#begunBytes > 0) {
      start = chunk.indexOf(lineFeed) + 1;
      const line = Buffer.concat([...this.#begun, chunk.subarray(0, start)]);
      this.#begun = [];
      this.#begunBytes = 0;
      const taken = this.#take(line);
      if (taken !== undefined) await taken;
    }
    if (end > start) {
      const taken = this.#take(chunk.subarray(start, end));
      if (taken !== undefined) await taken;
    }
    this.#begin(chunk.subarray(end));
  }

  /** Hands over the last line, which has no LF. */
  async end(): Promise<void> {
    if (this.#begunBytes > 0) await this.#take(Buffer.concat(this.#begun));
    this.#begun = [];
    this.#begunBytes = 0;
  }

  #begin(rest: Buffer): void {
    // One byte more than a line may have: whoever reads it can tell that it was cut.
    const kept = rest.subarray(0, Math.max(0, maxLineBytes + 1 - this.#begunBytes));
    if (kept.length === 0) return;
    this.#begun.push(Buffer.from(kept));
    this.#begunBytes += kept.length;
  }
}

/** @param start offset in the region where the line begins; `end`: behind its LF, or its end */
export type TakeLine = (text: string, number: number, start: number, end: number) => void;

/**
 * The lines of a region as text, without LF and CR LF; bytes that are not UTF-8 become U+FFFD; a line is cut at maxLineBytes.
 *
 * @param ascii whether the region is all ASCII: reading that is quicker
 * @param number of the first line, from 1
 * @returns the number of the line behind the region
 */
export function splitRegion(region: Buffer, number: number, line: TakeLine, ascii = isAscii(region)): number {
  const encoding = ascii ? 'latin1' : 'utf8';
  let start = 0;
  let next = number;
  while (start < region.length) {
    const found = region.indexOf(lineFeed, start);
    const end = found === -1 ? region.length : found;
    const textEnd = end > start && region[end - 1] === 0x0d ? end - 1 : end;
    line(region.toString(encoding, start, Math.min(textEnd, start + maxLineBytes)), next, start, end + 1);
    next += 1;
    start = end + 1;
  }
  return next;
}

/** As splitRegion, but only of the lines that may matter a string is made; the others are counted. */
export function siftRegion(region: Buffer, number: number, sieve: Sieve, line: TakeLine, ascii = isAscii(region)): number {
  const encoding = ascii ? 'latin1' : 'utf8';
  let next = number;
  let at = 0;
  while (at < region.length) {
    const found = sieve.find(region, at, region.length);
    next += sieve.lines();
    if (found === region.length) {
      // The last line of a log may have no LF.
      return region[found - 1] === lineFeed ? next : next + 1;
    }
    const start = sieve.lineStart();
    const lineEnd = region.indexOf(lineFeed, found);
    const end = lineEnd === -1 ? region.length : lineEnd;
    const textEnd = end > start && region[end - 1] === 0x0d ? end - 1 : end;
    line(region.toString(encoding, start, Math.min(textEnd, start + maxLineBytes)), next, start, end + 1);
    next += 1;
    at = end + 1;
  }
  return next;
}
