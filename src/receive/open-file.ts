import type { TextDecoder } from 'node:util';
import { constants, readlinkSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { setImmediate as othersServed } from 'node:timers/promises';
import type { Origin } from '../model/record.ts';
import type { FileSettings, Sink } from '../model/source.ts';
import type { Sieve } from '../model/sieve.ts';
import { continuesHead, headBytes, headMark } from './file-head.ts';
import { type ParseLine, type RegionOf, deliverLine, deliverRegion, maxLineBytes } from './file-lines.ts';

/** Read at once: 1 M lines/s are some 600 such reads, and each holds up the other sources for a millisecond or two. */
export const chunkBytes = 256 * 1024;

/** Where lines are dear, no more of a chunk is handed over at once than takes so long; then others are served. Looked at every few lines. */
const turnMs = 5;
const linesBetweenLooks = 16;

const lineFeed = 0x0a;

/** How far a file was read. */
export type FilePosition = Omit<Origin & { readonly kind: 'file' }, 'kind'>;

/** What came of reading one chunk. */
export type ReadOutcome =
  | { readonly kind: 'more' }
  | { readonly kind: 'end' }
  /** It shrank, or was written anew: it will be read from its beginning. `was`: how far it had been read. */
  | { readonly kind: 'replaced'; readonly was: FilePosition };

const more: ReadOutcome = { kind: 'more' };
const end: ReadOutcome = { kind: 'end' };

/** What all files of a source share. */
export interface Reading {
  readonly settings: FileSettings;
  readonly sink: Sink;
  readonly parse: ParseLine;
  readonly decoder?: TextDecoder | undefined;
  readonly sieve: Sieve | undefined;
  readonly nowMs: () => number;
  readonly paused: () => boolean;
  /** Of chunkBytes; one is enough, because the files of a source are read one after the other. */
  readonly buffer: Buffer;
}

/**
 * One file, by its inode, wherever it is renamed to.
 *
 * Nothing is kept of an unfinished line but its place: it is read again with what is appended. So the offset always stands between two
 * lines, and what a restart reads is what this would have read.
 */
export class OpenFile {
  /** The name in the records' origin. */
  path: string;
  /** Made by copytruncate: if it ends in half a line, the other half stands in the truncated file. */
  isCopy = false;
  readonly device: bigint;
  readonly inode: bigint;
  readonly #handle: FileHandle;
  readonly #reading: Reading;
  /** Behind the last line handed over. */
  #offset: number;
  /** There is no LF between #offset and here. */
  #searched: number;
  #head: Buffer = Buffer.alloc(0);
  #mark = headMark(Buffer.alloc(0));
  #previous: Buffer | undefined;
  #catchingUp = true;
  #grewMs: number;

  private constructor(path: string, handle: FileHandle, identity: { device: bigint; inode: bigint }, reading: Reading) {
    this.path = path;
    this.device = identity.device;
    this.inode = identity.inode;
    this.#handle = handle;
    this.#reading = reading;
    this.#offset = 0;
    this.#searched = 0;
    this.#grewMs = reading.nowMs();
  }

  /** @throws what open(2) says; or that it is no regular file: a FIFO or a device has no offsets to come back to */
  static async open(path: string, reading: Reading): Promise<OpenFile> {
    // O_NONBLOCK: opening a FIFO would wait for somebody who writes.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      const stat = await handle.stat({ bigint: true });
      if (!stat.isFile()) throw new Error(`${path} is not a regular file`);
      const file = new OpenFile(path, handle, { device: stat.dev, inode: stat.ino }, reading);
      await file.#isItself();
      return file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get handle(): FileHandle {
    return this.#handle;
  }

  /** When it was last seen to grow, ms since the epoch. */
  get grewMs(): number {
    return this.#grewMs;
  }

  /** Whether nothing has been read of it. */
  get fresh(): boolean {
    return this.#offset === 0 && this.#searched === 0;
  }

  /** A path that follows the inode: for inotify, which takes a path where we have a file. */
  get watchPath(): string {
    return `/proc/self/fd/${this.#handle.fd}`;
  }

  /** What the file is called now; ends in ` (deleted)` if nothing. */
  currentPath(): string {
    return readlinkSync(this.watchPath);
  }

  /** Its first bytes, as they were when it was last looked at. */
  get head(): Buffer {
    return this.#head;
  }

  beginAt(offset: number): void {
    this.#offset = offset;
    this.#searched = offset;
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  /**
   * Reads one chunk and hands over its lines.
   *
   * @throws what read(2) says
   */
  async read(): Promise<ReadOutcome> {
    const { buffer } = this.#reading;
    // A line of ordinary length is read again from its beginning; of an endless one, only what was not searched yet.
    const endless = this.#searched - this.#offset > maxLineBytes;
    const position = endless ? this.#searched : this.#offset;
    const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, position);
    // Behind the read, so that these bytes are known to be of the file whose lines came before: a truncated one may have grown beyond
    // our offset already.
    if (!(await this.#isItself())) return this.#restart();
    if (bytesRead === 0 && position > 0) {
      const size = await this.size();
      if (size < this.#offset) return this.#restart();
      if (size < this.#searched) this.#searched = this.#offset; // only the unfinished line was taken back
    }
    if (position + bytesRead > this.#searched) this.#grewMs = this.#reading.nowMs();
    const chunk = buffer.subarray(0, bytesRead);
    let left: Buffer | undefined;
    if (endless) await this.#search(chunk);
    else left = this.#deliver(chunk);
    while (left !== undefined && !this.#reading.paused()) {
      await othersServed();
      left = this.#deliver(left);
    }
    if (left !== undefined || this.#reading.paused() || bytesRead === buffer.length) return more;
    if (endless && this.#searched === this.#offset) return more; // its end was found: there may be lines behind it
    this.#catchingUp = false;
    return end;
  }

  /** Nobody will finish the last line: it is handed over as it is. */
  async finish(): Promise<void> {
    const { buffer, sink } = this.#reading;
    const { bytesRead } = await this.#handle.read(buffer, 0, maxLineBytes + 1, this.#offset);
    const line = buffer.subarray(0, bytesRead);
    if (bytesRead === 0 || line.includes(lineFeed)) return;
    const behind = await this.size();
    deliverLine(line, { start: 0, end: bytesRead, behind }, this.#regionOf(), sink);
    sink.read(1, behind - this.#offset);
    this.beginAt(behind);
  }

  /** Whether it ends in half a line, once it was read to its end. */
  async isUnfinished(): Promise<boolean> {
    return (await this.size()) > this.#offset;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #restart(): ReadOutcome {
    const was = { path: this.path, inode: this.inode, offsetBytes: this.#offset, head: this.#mark };
    this.#head = Buffer.alloc(0);
    this.#mark = headMark(this.#head);
    this.#previous = undefined;
    this.beginAt(0);
    return { kind: 'replaced', was };
  }

  /** @returns what is left, if it was paused, or held up others for long enough, before the end */
  #deliver(chunk: Buffer): Buffer | undefined {
    const end = chunk.lastIndexOf(lineFeed) + 1;
    const region = chunk.subarray(0, end);
    const { paused, sink } = this.#reading;
    const untilMs = performance.now() + turnMs;
    let lines = 0;
    const over = (): boolean => ++lines % linesBetweenLooks === 0 && performance.now() >= untilMs;
    const done = deliverRegion(region, this.#offset, { ...this.#regionOf(), paused: () => paused() || over() }, sink);
    if (done > 0) {
      const lastStart = done < 2 ? 0 : region.lastIndexOf(lineFeed, done - 2) + 1;
      this.#previous = Buffer.from(region.subarray(lastStart, done - 1));
      this.beginAt(this.#offset + done);
    }
    if (done < end) return chunk.subarray(done);
    const rest = chunk.subarray(end);
    const behind = this.#offset + rest.length;
    // NULs before a line are no text (see textStart in file-lines.ts), and there may be gigabytes of them.
    if (rest.length > maxLineBytes) this.#offset += leadingNuls(rest);
    this.#searched = behind;
    return undefined;
  }

  /** Looks for the end of a line that is too long; once found, what fits of it is handed over, so that no offset lies inside it. */
  async #search(chunk: Buffer): Promise<void> {
    const found = chunk.indexOf(lineFeed);
    if (found === -1) {
      this.#searched += chunk.length;
      return;
    }
    const behind = this.#searched + found + 1;
    const { buffer, sink } = this.#reading;
    const { bytesRead } = await this.#handle.read(buffer, 0, maxLineBytes + 1, this.#offset);
    deliverLine(buffer, { start: 0, end: bytesRead, behind }, this.#regionOf(), sink);
    sink.read(1, behind - this.#offset);
    this.#previous = undefined;
    this.beginAt(behind);
  }

  /** Whether the file begins as it did when it was last read. Takes note of its first bytes as it grows. */
  async #isItself(): Promise<boolean> {
    const { buffer, bytesRead } = await this.#handle.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    const head = buffer.subarray(0, bytesRead);
    if (!continuesHead(this.#head, head)) return false;
    if (head.length > this.#head.length) {
      this.#head = head;
      this.#mark = headMark(head);
    }
    return true;
  }

  #regionOf(): RegionOf {
    const { settings, parse, decoder, sieve, nowMs, paused } = this.#reading;
    return {
      source: settings.name,
      path: this.path,
      inode: this.inode,
      head: this.#mark,
      catchingUp: this.#catchingUp,
      context: { nowMs: nowMs(), timezone: settings.timezone, program: settings.program },
      parse,
      decoder,
      sieve,
      previous: this.#previous,
      paused,
    };
  }
}

function leadingNuls(bytes: Buffer): number {
  const end = bytes.findIndex((byte) => byte !== 0);
  return end === -1 ? bytes.length : end;
}
