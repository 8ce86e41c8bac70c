import { createMatcher } from '../match/matcher.ts';
import type { Recognised } from '../model/detection.ts';
import type { Filter } from '../model/filter.ts';
import type { LogRecord, Message } from '../model/record.ts';
import { parseFileLine } from '../parse/file-line.ts';
import { parseSyslog } from '../parse/syslog.ts';
import type { Clock } from '../parse/timestamp.ts';

/**
 * One line of a log in any form that has lines: as rsyslog and postlogd write files, or as it came over the wire (`<22>...`).
 *
 * @returns undefined if it is no log line
 */
export function parseLine(line: string, clock: Clock): Message | undefined {
  const parsed = line.startsWith('<') ? parseSyslog(line, clock) : parseFileLine(line, { ...clock, program: undefined });
  return parsed.kind === 'message' ? parsed.message : undefined;
}

/** A message read from somewhere that says nothing of its sender: what `test`, `replay` and the tests inside rules work on. */
export function recordOf(message: Message, source: string, nowMs: number): LogRecord {
  // Field by field: a spread takes longer than reading the message did.
  return {
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
    source,
    origin: { kind: 'file', path: source, inode: 0n, offsetBytes: 0, head: '' },
    trust: 'full',
    receivedMs: message.stamp?.ms ?? nowMs,
    trusted: undefined,
    catchingUp: true,
  };
}

/** A text that is no log line, taken as a message of the program. */
export function bareMessage(text: string, program: string): Message {
  return {
    facility: undefined,
    severity: undefined,
    stamp: undefined,
    hostname: undefined,
    appName: program,
    procId: undefined,
    msgId: undefined,
    structuredData: undefined,
    text,
    repeats: 1,
  };
}

/** What the daemon would make of the last of these lines: for the tests inside rules. A line that is no log line is a message of the filter's first program. */
export function recogniseLines(filter: Filter, lines: readonly string[], nowMs: number): Recognised {
  const matcher = createMatcher([filter]);
  let last: Recognised = { detections: [], none: [] };
  for (const line of lines) {
    const message = parseLine(line, { nowMs, timezone: 'UTC' }) ?? bareMessage(line, filter.programs[0] ?? '');
    last = matcher.match(recordOf(message, 'test', nowMs));
  }
  return last;
}
