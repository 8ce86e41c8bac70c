import type { Message, Parsed } from '../model/record.ts';
import { digitAt, space } from './digits.ts';
import { readTag, readTagOnly } from './tag.ts';
import { type Clock, readIsoStamp, readSyslogStamp } from './timestamp.ts';

const userNotice = 13;
const largestPri = 191;
const byteOrderMark = 0xfeff;

const empty: Parsed = { kind: 'unparsed', reason: 'empty' };
const badHeader: Parsed = { kind: 'unparsed', reason: 'header' };

/**
 * Parses one syslog message, decoded as UTF-8: RFC 5424, RFC 3164, and RFC 3164 with the time of RFC 3339 (RSYSLOG_ForwardFormat).
 *
 * A message without a PRI, or with an impossible one, is user.notice (RFC 3164 section 4.3.3). Without a date and tag it is all text. Only
 * what says that it is RFC 5424 and does not hold to it is unparsed (`header`), and what is empty.
 *
 * @throws {RangeError} only if clock.timezone does not exist
 */
export function parseSyslog(frame: string, clock: Clock): Parsed {
  const end = textEnd(frame);
  if (end === 0) return empty;
  const text = end === frame.length ? frame : frame.slice(0, end);

  const { pri, end: headerStart } = readPri(text);
  if (headerStart > 0 && text.charCodeAt(headerStart) === 0x31 && text.charCodeAt(headerStart + 1) === space) {
    return parseRfc5424(text, headerStart + 2, pri, clock);
  }
  return { kind: 'message', message: parseRfc3164(text, headerStart, pri, clock) };
}

/** Where a message ends: LF, CR and NUL at its end are framing, not text. */
export function textEnd(text: string): number {
  let end = text.length;
  for (; end > 0; end -= 1) {
    const code = text.charCodeAt(end - 1);
    if (code !== 0x0a && code !== 0x0d && code !== 0) break;
  }
  return end;
}

/** `<22>` -> 22 and 4. What is in angle brackets but impossible (`<192>`, `<013>`) is passed over, as if there were no PRI. */
function readPri(text: string): { readonly pri: number; readonly end: number } {
  if (text.charCodeAt(0) !== 0x3c) return { pri: userNotice, end: 0 };
  let pri = 0;
  let at = 1;
  for (; at <= 5; at += 1) {
    const value = digitAt(text, at);
    if (value < 0) break;
    pri = pri * 10 + value;
  }
  if (at === 1 || text.charCodeAt(at) !== 0x3e) return { pri: userNotice, end: 0 };
  const leadingZero = at > 2 && text.charCodeAt(1) === 0x30;
  return { pri: pri > largestPri || leadingZero ? userNotice : pri, end: at + 1 };
}

function parseRfc3164(text: string, start: number, pri: number, clock: Clock): Message {
  const stampAt = readSyslogStamp(text, start, clock) ?? readIsoStamp(text, start, clock);
  const dated = stampAt !== undefined && text.charCodeAt(stampAt.end) === space;
  const tag = dated ? readTag(text, stampAt.end + 1) : readTagOnly(text, start, undefined);
  return {
    facility: pri >> 3,
    severity: pri & 7,
    stamp: dated ? stampAt.stamp : undefined,
    hostname: tag.hostname,
    appName: tag.appName,
    procId: tag.procId,
    msgId: undefined,
    structuredData: undefined,
    text: text.slice(behindByteOrderMark(text, tag.textStart)),
    repeats: 1,
  };
}

/**
 * RFC 5424 section 6, behind `<PRI>1 `.
 *
 * One space before MSG is dropped: rsyslog sends `TAG: text` on as ` text`, and rules shall find the same text whichever way it came.
 */
function parseRfc5424(text: string, start: number, pri: number, clock: Clock): Parsed {
  let stamp: Message['stamp'];
  let at = start;
  if (text.charCodeAt(at) === 0x2d) at += 1;
  else {
    const stampAt = readIsoStamp(text, at, clock);
    if (stampAt === undefined) return badHeader;
    stamp = stampAt.stamp;
    at = stampAt.end;
  }
  if (text.charCodeAt(at) !== space) return badHeader;

  const hostEnd = fieldEnd(text, at + 1);
  const appEnd = fieldEnd(text, hostEnd + 1);
  const procEnd = fieldEnd(text, appEnd + 1);
  const msgIdEnd = fieldEnd(text, procEnd + 1);
  const dataEnd = structuredDataEnd(text, msgIdEnd + 1);
  if (hostEnd === -1 || appEnd === -1 || procEnd === -1 || msgIdEnd === -1 || dataEnd === -1) return badHeader;
  if (dataEnd < text.length && text.charCodeAt(dataEnd) !== space) return badHeader;

  let textStart = dataEnd + 1;
  if (text.charCodeAt(textStart) === space) textStart += 1;
  return {
    kind: 'message',
    message: {
      facility: pri >> 3,
      severity: pri & 7,
      stamp,
      hostname: field(text, at + 1, hostEnd),
      appName: field(text, hostEnd + 1, appEnd),
      procId: field(text, appEnd + 1, procEnd),
      msgId: field(text, procEnd + 1, msgIdEnd),
      structuredData: field(text, msgIdEnd + 1, dataEnd),
      text: text.slice(behindByteOrderMark(text, textStart)),
      repeats: 1,
    },
  };
}

/** The space behind a field of at least one character; -1 if there is none. */
function fieldEnd(text: string, start: number): number {
  if (start === 0) return -1;
  const end = text.indexOf(' ', start);
  return end > start ? end : -1;
}

/** `-` is the nil value. */
function field(text: string, start: number, end: number): string | undefined {
  return end === start + 1 && text.charCodeAt(start) === 0x2d ? undefined : text.slice(start, end);
}

/**
 * The index behind STRUCTURED-DATA (RFC 5424 section 6.3): `-`, or `[id name="value" ...]` one after another. In a value `\"`, `\\` and `\]`
 * are escapes; any other backslash stands for itself.
 *
 * @returns -1 if it does not end
 */
function structuredDataEnd(text: string, start: number): number {
  if (start === 0) return -1;
  if (text.charCodeAt(start) === 0x2d) return start + 1;
  let at = start;
  while (text.charCodeAt(at) === 0x5b) {
    let quoted = false;
    for (at += 1; ; at += 1) {
      const code = text.charCodeAt(at);
      if (Number.isNaN(code)) return -1;
      if (code === 0x22) quoted = !quoted;
      else if (quoted && code === 0x5c) {
        const next = text.charCodeAt(at + 1);
        if (next === 0x22 || next === 0x5c || next === 0x5d) at += 1;
      } else if (!quoted && code === 0x5d) break;
    }
    at += 1;
  }
  return at > start ? at : -1;
}

function behindByteOrderMark(text: string, start: number): number {
  return text.charCodeAt(start) === byteOrderMark ? start + 1 : start;
}
