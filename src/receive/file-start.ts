import type { FileHandle } from 'node:fs/promises';
import type { StartAt } from '../model/source.ts';

const blockBytes = 64 * 1024;
const lineFeed = 0x0a;

/** The time of a line, ms since the epoch; undefined if it has none. */
export type TimeOf = (line: string) => number | undefined;

/** Where to begin in a file that is read for the first time: always at the beginning of a line. */
export async function startOffset(handle: FileHandle, startAt: StartAt, timeOf: TimeOf): Promise<number> {
  const { size } = await handle.stat();
  switch (startAt.kind) {
    case 'start':
      return 0;
    case 'end':
      return lastLineStart(handle, size);
    case 'since':
      return offsetSince(handle, size, startAt.sinceMs, timeOf);
  }
}

/**
 * The first line of that time or later, by halving: a log is in order but for seconds. Some 2 x 64 KiB and one block for each doubling of
 * the size are read. Without any time in it, the file is read from its end: its lines would all count as written now.
 */
async function offsetSince(handle: FileHandle, size: number, sinceMs: number, timeOf: TimeOf): Promise<number> {
  let low = 0; // a line begins here, and those before it are too old
  let high = size; // lines from here on are wanted, or have no time
  let timed = false;
  while (high - low > blockBytes) {
    const middle = Math.floor((low + high) / 2);
    const line = await firstTimedLine(handle, middle, timeOf, () => true);
    timed ||= line !== undefined;
    if (line !== undefined && line.ms < sinceMs) low = Math.max(line.start, low + 1);
    else high = middle;
  }
  const first = await firstTimedLine(handle, low, timeOf, (ms) => ms >= sinceMs);
  if (first !== undefined) return first.start;
  return timed && high < size ? nextLineStart(handle, high, size) : lastLineStart(handle, size);
}

/** Of the lines that begin within two blocks from `from` on. `from` need not be the beginning of a line, unless it is 0. */
async function firstTimedLine(
  handle: FileHandle,
  from: number,
  timeOf: TimeOf,
  wanted: (ms: number) => boolean,
): Promise<{ readonly start: number; readonly ms: number } | undefined> {
  // One byte earlier: if that is an LF, a line begins at `from`.
  const position = Math.max(0, from - 1);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(2 * blockBytes), 0, 2 * blockBytes, position);
  const block = buffer.subarray(0, bytesRead);
  let start = from === 0 ? 0 : block.indexOf(lineFeed) + 1;
  if (from > 0 && start === 0) return undefined;
  for (let end = block.indexOf(lineFeed, start); end !== -1; end = block.indexOf(lineFeed, start)) {
    const ms = timeOf(block.toString('utf8', start, end));
    if (ms !== undefined && wanted(ms)) return { start: position + start, ms };
    start = end + 1;
  }
  return undefined;
}

async function nextLineStart(handle: FileHandle, from: number, size: number): Promise<number> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(blockBytes), 0, blockBytes, from - 1);
  const found = buffer.subarray(0, bytesRead).indexOf(lineFeed);
  return found === -1 ? lastLineStart(handle, size) : from + found;
}

/** Behind the last LF: what is being written there is handed over whole, once it is. A last line of more than a block is cut. */
async function lastLineStart(handle: FileHandle, size: number): Promise<number> {
  const position = Math.max(0, size - blockBytes);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(blockBytes), 0, size - position, position);
  const found = buffer.subarray(0, bytesRead).lastIndexOf(lineFeed);
  if (found !== -1) return position + found + 1;
  return position === 0 ? 0 : size;
}
