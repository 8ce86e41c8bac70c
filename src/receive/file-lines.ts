import type { TextDecoder } from 'node:util';
import type { Message, Parsed } from '../model/record.ts';
import type { Sieve } from '../model/sieve.ts';
import type { Sink } from '../model/source.ts';
import type { FileLineContext } from '../parse/file-line.ts';
import { saysRepeated, unwrapRepeated } from '../parse/repeated.ts';

/** A longer line is cut there; the rest of it is skipped. */
export const maxLineBytes = 64 * 1024;

const lineFeed = 0x0a;

export type ParseLine = (line: string, context: FileLineContext) => Parsed;

/** Whose lines they are, for one region of a file. */
export interface RegionOf {
  readonly source: string;
  readonly path: string;
  readonly inode: bigint;
  readonly head: string;
  readonly catchingUp: boolean;
  readonly context: FileLineContext;
  readonly parse: ParseLine;
  /** undefined: UTF-8. */
  readonly decoder?: TextDecoder | undefined;
  /** Most lines in which it finds nothing never become strings. */
  readonly sieve: Sieve | undefined;
  /** The line before the region, to which `message repeated n times` refers. */
  readonly previous: Buffer | undefined;
  /** Asked between lines: whether to go no further. */
  readonly paused: () => boolean;
}

/**
 * Hands over the lines in `bytes`, which begins with a line and ends behind an LF; with a sieve those alone in which it finds something, and the
 * last one, which carries the position.
 *
 * @param offset where in the file `bytes` begins
 * @returns how many bytes were handed over, always whole lines
 */
export function deliverRegion(bytes: Buffer, offset: number, of: RegionOf, sink: Sink): number {
  const { sieve, paused } = of;
  const lastLine = bytes.length < 2 ? 0 : bytes.lastIndexOf(lineFeed, bytes.length - 2) + 1;
  let lines = 0;
  let start = 0;
  while (start < bytes.length && !paused()) {
    if (sieve !== undefined && start < lastLine) {
      sieve.find(bytes, start, lastLine);
      lines += sieve.lines();
      start = sieve.lineStart();
    }
    const end = bytes.indexOf(lineFeed, start);
    deliverLine(bytes, { start, end, behind: offset + end + 1 }, of, sink);
    lines += 1;
    start = end + 1;
  }
  sink.read(lines, start);
  return start;
}

/** @param line where it lies in `bytes`, without its LF; `behind`: the offset in the file of what comes next */
export function deliverLine(
  bytes: Buffer,
  line: { readonly start: number; readonly end: number; readonly behind: number },
  of: RegionOf,
  sink: Sink,
): void {
  const start = textStart(bytes, line.start, line.end);
  if (line.end - start > maxLineBytes) sink.error('oversize', `${of.path}: a line of more than ${maxLineBytes} bytes was cut`);
  const parsed = of.parse(decode(bytes, start, Math.min(line.end, start + maxLineBytes), of), of.context);
  if (parsed.kind === 'unparsed') {
    if (parsed.reason !== 'empty') sink.error('decode', `${of.path}: not a log line, before byte ${line.behind}: ${parsed.reason}`);
    return;
  }
  const message = saysRepeated(parsed.message.text) ? unwrapRepeated(parsed.message, messageBefore(bytes, line.start, of)) : parsed.message;
  sink.record({
    facility: message.facility,
    severity: message.severity,
    stamp: message.stamp,
    hostname: message.hostname,
    appName: message.appName,
    procId: message.procId,
    msgId: message.msgId,
    structuredData: message.structuredData,
    text: message.text,
    repeats: message.repeats,
    source: of.source,
    origin: { kind: 'file', path: of.path, inode: of.inode, offsetBytes: line.behind, head: of.head },
    trust: 'full',
    receivedMs: of.context.nowMs,
    trusted: undefined,
    catchingUp: of.catchingUp,
  });
}

/** The line that ends before `start`: also one that the sieve passed over. */
function messageBefore(bytes: Buffer, start: number, of: RegionOf): Message | undefined {
  const { previous, parse, context } = of;
  const line = start === 0 ? previous : bytes.subarray(start < 2 ? 0 : bytes.lastIndexOf(lineFeed, start - 2) + 1, start - 1);
  if (line === undefined) return undefined;
  const parsed = parse(decode(line, 0, Math.min(line.length, maxLineBytes), of), context);
  return parsed.kind === 'message' ? parsed.message : undefined;
}

/** A writer without O_APPEND goes on at its old place after copytruncate, and the kernel fills what is before with NULs. */
function textStart(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] === 0) at += 1;
  return at;
}

function decode(bytes: Buffer, start: number, end: number, { decoder }: RegionOf): string {
  return decoder === undefined ? bytes.toString('utf8', start, end) : decoder.decode(bytes.subarray(start, end));
}
