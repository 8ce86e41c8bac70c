import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { fileTrouble } from './file-trouble.ts';
import type { TimeOf } from './file-start.ts';
import { type JournalPlace, isMatch, parseMatches, systemJournal } from './journalctl.ts';
import { LogRegions, type TakeRegion, splitRegion } from './log-regions.ts';
import type { Entry, RegionReader } from './region-reader.ts';
import { isGzip, readGzip } from './read-gzip.ts';

/** A log that is there to be read to its end, as a person names it. */
export type LogPlace =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'stdin' }
  | { readonly kind: 'journal'; readonly matches: readonly (readonly string[])[] }
  /** The argument is itself a line of a log. */
  | { readonly kind: 'line'; readonly text: string };

/** Who reads a log line by line; numbers count from 1. Of the journal there are entries instead of lines. */
export interface LineReader {
  readonly line: (text: string, number: number) => void;
  readonly entry: (entry: Entry, number: number) => void;
}

export interface LogDeps {
  /** Default: the process's own. */
  readonly stdin?: Readable;
  /** Default: the system's. */
  readonly journal?: JournalPlace;
  /** Memory to read files into; default: a mebibyte. */
  readonly chunk?: Buffer;
}

/** Enough for one line at least, and its date. */
const firstBytes = 64 * 1024;
const chunkBytes = 1024 * 1024;
const journalPrefix = 'journal:';

/**
 * `-`: stdin; `journal:FIELD=value ...`: the systemd journal; a path that exists; else, if it has a space, a line of a log.
 *
 * @returns undefined for what is none of these
 */
export function placeOfLog(name: string): LogPlace | undefined {
  if (name === '-') return { kind: 'stdin' };
  if (name.startsWith(journalPrefix)) {
    const matches = parseMatches(name.slice(journalPrefix.length));
    return matches.flat().every(isMatch) ? { kind: 'journal', matches } : undefined;
  }
  if (statSync(name, { throwIfNoEntry: false }) !== undefined) return { kind: 'file', path: name };
  return name.includes(' ') ? { kind: 'line', text: name } : undefined;
}

/** When a file was last written, ms since the epoch: the "now" of its lines. Undefined for what is no file. */
export function endOfLog(place: LogPlace): number | undefined {
  if (place.kind !== 'file') return undefined;
  const status = statSync(place.path, { throwIfNoEntry: false });
  return status?.isFile() === true ? status.mtimeMs : undefined;
}

/** Whether it can be read twice for little: a file that is not compressed. */
export function isPlainFile(place: LogPlace): boolean {
  if (place.kind !== 'file' || statSync(place.path, { throwIfNoEntry: false })?.isFile() !== true) return false;
  const head = Buffer.alloc(2);
  try {
    const file = openSync(place.path, 'r');
    readSync(file, head);
    closeSync(file);
  } catch {
    return false; // reading it will say why
  }
  return !isGzip(head);
}

/** The time of the first line that has one, ms since the epoch, to put logs in order; undefined if it cannot be known beforehand. */
export async function startOfLog(place: LogPlace, timeOf: TimeOf): Promise<number | undefined> {
  if (place.kind !== 'file' || endOfLog(place) === undefined) return undefined;
  const head = await headOf(place.path).catch(() => Buffer.alloc(0)); // reading it will say what is wrong
  return firstTime(isGzip(head) ? await headOfGzip(place.path) : head, timeOf);
}

/** @returns why it could not be read to its end; what is before a damage was handed over */
export async function readLog(place: LogPlace, { line, entry }: LineReader, deps: LogDeps = {}): Promise<string | undefined> {
  let number = 1;
  return readRegions(
    place,
    {
      region: (region) => {
        number = splitRegion(region, number, line);
      },
      entry: (one) => entry(one, number++),
    },
    deps,
  );
}

/**
 * As readLog. A file is gzip by its first bytes, whatever it is called.
 *
 * @throws what the reader throws
 */
export async function readRegions(place: LogPlace, reader: RegionReader, deps: LogDeps = {}): Promise<string | undefined> {
  const guard = new ReaderGuard(reader);
  try {
    await readPlace(place, guard, deps);
    return undefined;
  } catch (error) {
    if (guard.failure !== undefined) throw guard.failure.error;
    if (place.kind === 'file' && error instanceof Error && 'syscall' in error) return fileTrouble(place.path, error);
    return error instanceof Error ? error.message : String(error);
  }
}

/** Tells what the reader throws from what is wrong with the log, and gives him nothing after that. */
class ReaderGuard implements RegionReader {
  readonly #reader: RegionReader;
  failure: { readonly error: unknown } | undefined;

  constructor(reader: RegionReader) {
    this.#reader = reader;
  }

  readonly region: TakeRegion = (region) => this.#call(() => this.#reader.region(region));
  readonly entry = (entry: Entry): void | Promise<void> => this.#call(() => this.#reader.entry(entry));

  #call(take: () => void | Promise<void>): void | Promise<void> {
    if (this.failure !== undefined) throw this.failure.error;
    try {
      return take()?.catch((error: unknown) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): never {
    this.failure = { error };
    throw error;
  }
}

async function readPlace(place: LogPlace, reader: RegionReader, deps: LogDeps): Promise<void> {
  switch (place.kind) {
    case 'stdin':
      return readStream(deps.stdin ?? process.stdin, reader);
    case 'journal': {
      // What runs journalctl takes longer to load than many a log to read.
      const { readJournal } = await import('./read-journal.ts');
      return readJournal(place.matches, deps.journal ?? systemJournal, reader);
    }
    case 'line':
      return reader.region(Buffer.from(place.text));
    case 'file':
      return readPath(place.path, reader, deps.chunk);
  }
}

async function readPath(path: string, reader: RegionReader, chunk: Buffer | undefined): Promise<void> {
  const status = statSync(path);
  if (status.isDirectory()) throw new Error(`${path} is a directory: name the files in it`);
  // A pipe can be read only once, so nothing of it is looked at before: `test <(zcat x)`.
  if (!status.isFile()) return readStream(createReadStream(path), reader);
  const head = await headOf(path);
  refuseOther(path, head);
  if (isGzip(head)) await readGzipLog(path, reader);
  else await readFile(path, reader, chunk ?? Buffer.allocUnsafeSlow(chunkBytes));
}

async function headOf(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(firstBytes), 0, firstBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Compressed otherwise: its bytes would be lines that match nothing, and nobody would know why. */
function refuseOther(path: string, head: Buffer): void {
  const hex = head.toString('hex', 0, 6);
  const program = hex.startsWith('fd377a585a00')
    ? 'xz'
    : hex.startsWith('425a68')
      ? 'bzip2'
      : hex.startsWith('28b52ffd')
        ? 'zstd'
        : undefined;
  if (program !== undefined) throw new Error(`${path} is compressed with ${program}: ${program} -dc ${path} | sluice ... -`);
}

async function readFile(path: string, { region }: RegionReader, chunk: Buffer): Promise<void> {
  const regions = new LogRegions(region);
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const count = readSync(file, chunk);
      if (count === 0) break;
      await regions.push(chunk.subarray(0, count));
    }
    await regions.end();
  } finally {
    closeSync(file);
  }
}

async function readStream(stream: Readable, { region }: RegionReader): Promise<void> {
  const regions = new LogRegions(region);
  let source: AsyncIterable<Buffer> | undefined;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (source === undefined && isGzip(chunk)) throw new Error('stdin is compressed: gzip -dc FILE | sluice ... -');
    source = stream;
    await regions.push(chunk);
  }
  await regions.end();
}

async function readGzipLog(path: string, { region }: RegionReader): Promise<void> {
  let lines = 0;
  const regions = new LogRegions((bytes) => {
    for (let at = bytes.indexOf(0x0a); at !== -1; at = bytes.indexOf(0x0a, at + 1)) lines += 1;
    return region(bytes);
  });
  try {
    await readGzip(path, (chunk) => regions.push(chunk));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${path} is damaged behind line ${lines} (${why}): the lines before it were read`, { cause: error });
  }
  await regions.end();
}

async function headOfGzip(path: string): Promise<Buffer> {
  const file = await open(path);
  const gunzip = file.createReadStream().pipe(createGunzip());
  let head = Buffer.alloc(0);
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      head = Buffer.concat([head, chunk]);
      if (head.length >= firstBytes) break;
    }
  } catch {
    // damaged: reading it will say so
  } finally {
    gunzip.destroy();
    await file.close();
  }
  return head;
}

function firstTime(head: Buffer, timeOf: TimeOf): number | undefined {
  let found: number | undefined;
  splitRegion(head, 1, (text) => (found ??= timeOf(text)));
  return found;
}
