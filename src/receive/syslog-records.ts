import type { FrameBatch } from '../frame/framer.ts';
import type { Message, Origin, Trust } from '../model/record.ts';
import type { FindCandidate } from '../model/sieve.ts';
import type { Sink } from '../model/source.ts';
import { saysRepeated, unwrapRepeated } from '../parse/repeated.ts';
import { parseSyslog } from '../parse/syslog.ts';
import type { Clock } from '../parse/timestamp.ts';

/** Whose frames they are: one connection, or one sender of datagrams. */
export interface Sender {
  readonly source: string;
  readonly origin: Origin;
  /** For messages to people. */
  readonly shown: string;
  trust: Trust;
  /** The frame before the next one, still as bytes: only `message repeated n times` asks for it. */
  previous: { readonly bytes: Buffer; readonly start: number; readonly end: number } | undefined;
}

/** Decodes and parses frames, and hands them to the sink, in order; those in which `find` finds nothing never become strings. */
export function deliverFrames(
  { bytes, spans }: FrameBatch,
  sender: Sender,
  sink: Sink,
  clock: Clock,
  find: FindCandidate | undefined,
): void {
  let hit = find === undefined ? 0 : -1;
  const bytesEnd = spans[spans.length - 1] ?? 0;
  for (let i = 1; i < spans.length; i += 2) {
    const start = spans[i - 1] ?? 0;
    const end = spans[i] ?? 0;
    if (find !== undefined) {
      if (hit < start) hit = find(bytes, start, bytesEnd);
      if (hit >= end) continue;
    }
    const parsed = parseSyslog(bytes.toString('utf8', start, end), clock);
    if (parsed.kind === 'unparsed') {
      sink.error('decode', `${sender.shown}: not a syslog message: ${parsed.reason}`);
      continue;
    }
    const message = saysRepeated(parsed.message.text)
      ? unwrapRepeated(parsed.message, i > 1 ? messageOf(bytes, spans[i - 3] ?? 0, spans[i - 2] ?? 0, clock) : lastMessage(sender, clock))
      : parsed.message;
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
      source: sender.source,
      origin: sender.origin,
      trust: sender.trust,
      receivedMs: clock.nowMs,
      trusted: undefined,
      catchingUp: false,
    });
  }
  if (spans.length > 1) sender.previous = keepFrame(bytes, spans[spans.length - 2] ?? 0, bytesEnd);
}

/** A copy, unless the frame is most of its buffer: an idle connection shall not keep a whole chunk. */
function keepFrame(bytes: Buffer, start: number, end: number): NonNullable<Sender['previous']> {
  if (bytes.length <= 2 * (end - start)) return { bytes, start, end };
  return { bytes: Buffer.from(bytes.subarray(start, end)), start: 0, end: end - start };
}

function lastMessage({ previous }: Sender, clock: Clock): Message | undefined {
  return previous === undefined ? undefined : messageOf(previous.bytes, previous.start, previous.end, clock);
}

function messageOf(bytes: Buffer, start: number, end: number, clock: Clock): Message | undefined {
  const parsed = parseSyslog(bytes.toString('utf8', start, end), clock);
  return parsed.kind === 'message' ? parsed.message : undefined;
}
