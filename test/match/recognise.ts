import { createMatcher } from '../../src/match/matcher.ts';
import { programMatches } from '../../src/match/program.ts';
import type { Recognised } from '../../src/model/detection.ts';
import type { Filter } from '../../src/model/filter.ts';
import type { LogRecord, Message } from '../../src/model/record.ts';
import { parseFileLine } from '../../src/parse/file-line.ts';

/** The corpus ends on this day. */
export const clock = { nowMs: Date.parse('2026-11-23T00:00:00Z'), timezone: 'UTC' };

/** A record of a file that is believed; what is not said is of no matter. */
export function recordOf(message: Partial<Message> & { readonly text: string }, rest: Partial<LogRecord> = {}): LogRecord {
  const unsaid = { facility: undefined, severity: undefined, stamp: undefined, hostname: undefined, procId: undefined };
  const header = { ...unsaid, appName: undefined, msgId: undefined, structuredData: undefined };
  const way = { source: 'test', trust: 'full', receivedMs: 0, trusted: undefined } as const;
  return { ...header, ...message, ...way, origin: { kind: 'file', path: 'mail.log', inode: 0n, offsetBytes: 0, head: '' }, ...rest };
}

/** A line of a mail log as a record; text that is no such line is a message of the program. */
export function recordOfLine(line: string, program: string, filter?: Filter): LogRecord {
  const parsed = parseFileLine(line, { ...clock, program: undefined });
  const isLine = parsed.kind === 'message' && (filter === undefined || isFor(filter, parsed.message.appName ?? ''));
  return recordOf(isLine ? parsed.message : { appName: program, text: line });
}

function isFor(filter: Filter, appName: string): boolean {
  return filter.programs.some((spec) => programMatches(spec, appName));
}

/** What a fresh matcher with this filter alone makes of the last of the lines. */
export function recogniseLines(filter: Filter, lines: readonly string[]): Recognised {
  const matcher = createMatcher([filter]);
  let last: Recognised = { detections: [], none: [] };
  for (const line of lines) last = matcher.match(recordOfLine(line, filter.programs[0] ?? '', filter));
  return last;
}
