import type { Readable } from 'node:stream';
import split2 from 'split2';

export interface LineReader {
  readonly pause: () => void;
  readonly resume: () => void;
  /** Whether the input is over; lines may still follow, the last of them possibly unfinished. */
  readonly inputEnded: () => boolean;
  /** When all lines have been handed over. Never rejects: an error of the input ends it. */
  readonly ended: Promise<void>;
}

/**
 * Hands over the lines of a stream of UTF-8, split at LF alone: U+2028 and CR are text.
 *
 * @param maxLength characters. A longer line is left out whole, which `oversize` tells, once a line; without the bound one line
 *   without an end would take all memory.
 */
export function readLines(
  input: Readable,
  { maxLength, line, oversize }: { readonly maxLength: number; readonly line: (text: string) => void; readonly oversize: () => void },
): LineReader {
  const options = { maxLength, skipOverflow: true };
  const splitter = split2('\n', options);
  let overflowed = false;
  let inputEnded = false;

  input.on('data', (chunk: Buffer) => {
    const room = splitter.write(chunk);
    // split2 tells nobody when it starts to skip, but it shows.
    const overflows: unknown = Reflect.get(splitter, 'overflow');
    if (overflows === true && !overflowed) oversize();
    overflowed = overflows === true;
    if (!room) input.pause();
  });
  splitter.on('drain', () => input.resume());
  splitter.on('data', line);
  const end = () => {
    inputEnded = true;
    splitter.end();
  };
  input.once('end', end).once('error', end).once('close', end);

  return {
    pause: () => splitter.pause(),
    resume: () => splitter.resume(),
    inputEnded: () => inputEnded,
    ended: new Promise((resolve) => {
      splitter.once('end', resolve).once('close', resolve);
    }),
  };
}
