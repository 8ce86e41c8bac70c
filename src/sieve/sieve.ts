import { writeTables } from './fingerprints.ts';
import type { Sieve } from '../model/sieve.ts';
import type { Needle } from './needles.ts';
import { startKernel } from './kernel.ts';
import { layout, slackBytes } from './scan-kernel.ts';

/** Other bytes are copied this many at a time. What comes first is copied in little, because the next needle may be near. */
const nearBytes = 4 * 1024;
const windowBytes = 64 * 1024;
/** As long as the longest needle. */
const overlapBytes = 64;

const lineFeed = 0x0a;

/** @param inputBytes size of `input` */
export function createSieve(needles: readonly Needle[], inputBytes: number): Sieve {
  const { memory, find: findIn } = startKernel(layout.input + windowBytes + overlapBytes + 2 * slackBytes + inputBytes);
  const whole = Buffer.from(memory.buffer);
  writeTables(whole, needles);
  const said = new Int32Array(memory.buffer, 0, 2);
  const inputAt = layout.input + windowBytes + overlapBytes + slackBytes;
  const input = whole.subarray(inputAt, inputAt + inputBytes);
  let lines = 0;
  let lineStart = 0;

  const findHere = (address: number, start: number, end: number): number => {
    const found = findIn(address + start, address + end) - address;
    lines = said[0] ?? 0;
    const behind = said[1] ?? 0;
    lineStart = behind === 0 ? start : behind - address;
    return found;
  };

  const findCopied = (bytes: Buffer, start: number, end: number): number => {
    lines = 0;
    lineStart = start;
    let size = nearBytes;
    for (let from = start; ; ) {
      const to = Math.min(end, from + size);
      bytes.copy(whole, layout.input, from, to);
      const found = findIn(layout.input, layout.input + to - from) - layout.input + from;
      const behind = said[1] ?? 0;
      lines += said[0] ?? 0;
      if (behind !== 0) lineStart = behind - layout.input + from;
      if (found < to || to === end) return found;
      // A needle may begin in this window and end behind it.
      from = to - overlapBytes;
      for (let at = from; at < to; at += 1) if (bytes[at] === lineFeed) lines -= 1;
      size = windowBytes;
    }
  };

  const find = (bytes: Buffer, start: number, end: number): number =>
    bytes.buffer === memory.buffer ? findHere(bytes.byteOffset, start, end) : findCopied(bytes, start, end);
  return { find, lines: () => lines, lineStart: () => lineStart, input };
}
