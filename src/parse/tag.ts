import { isIP } from 'node:net';
import { digit, space } from './digits.ts';

/** HOSTNAME and TAG of RFC 3164, and where the text begins. */
export interface Tag {
  readonly hostname: string | undefined;
  readonly appName: string | undefined;
  readonly procId: string | undefined;
  readonly textStart: number;
}

/** rsyslog's forwarding templates cut the tag here: `%syslogtag:1:32%`. */
const cutTagLength = 32;
/** pid_max is at most 2^22 (proc(5)), so that seven digits are a whole pid. */
const longestPid = 7;

const colon = 0x3a;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/**
 * Reads `HOST TAG: ` behind the date. The tag ends at the first colon or space, as rsyslog's own parser has it (pmrfc3164).
 *
 * Accepted besides: no host, as in syslog(3)'s own form; no colon behind `]`, as rsyslog relays RFC 5424 messages; and a tag of exactly 32
 * characters that a space ends, which rsyslog cut off: it may have lost the end of the pid, and then has none. Any other word
 * before a space is no tag but text: a daemon that writes no tag must not lend its first word, which an outsider may have chosen, to
 * the choice of rules.
 */
export function readTag(text: string, start: number): Tag {
  const firstEnd = spaceFrom(text, start);
  // A bracket or a final colon belongs to a tag: this line has no host. IPv6 addresses as host names may end in colons.
  if (firstEnd < text.length && firstEnd > start && !looksLikeTag(text, start, firstEnd))
    return readTagOnly(text, firstEnd + 1, text.slice(start, firstEnd));
  return readTagOnly(text, start, undefined);
}

/** `TAG: `, where no host can stand before it. */
export function readTagOnly(text: string, start: number, hostname: string | undefined): Tag {
  let end = start;
  let bracket = -1;
  for (; end < text.length; end += 1) {
    const code = text.charCodeAt(end);
    if (code === colon || code === space) break;
    if (code === openBracket) bracket = end;
  }
  const closed = bracket > start && text.charCodeAt(end - 1) === closeBracket;
  const ended = text.charCodeAt(end) === colon;
  const cut = !ended && !closed && end - start === cutTagLength && end < text.length;
  if (end === start || bracket === start || !(ended || closed || cut))
    return { hostname, appName: undefined, procId: undefined, textStart: start };

  let textStart = ended ? end + 1 : end;
  if (text.charCodeAt(textStart) === space) textStart += 1;
  if (closed) {
    const procId = bracket + 1 < end - 1 ? text.slice(bracket + 1, end - 1) : undefined;
    return { hostname, appName: text.slice(start, bracket), procId, textStart };
  }
  if (cut && bracket > start) {
    return { hostname, appName: text.slice(start, bracket), procId: wholePid(text, bracket + 1, end), textStart };
  }
  return { hostname, appName: text.slice(start, end), procId: undefined, textStart };
}

function wholePid(text: string, start: number, end: number): string | undefined {
  if (end - start !== longestPid) return undefined;
  for (let at = start; at < end; at += 1) if (!digit(text.charCodeAt(at))) return undefined;
  return text.slice(start, end);
}

function looksLikeTag(text: string, start: number, end: number): boolean {
  let colons = 0;
  for (let at = start; at < end; at += 1) {
    const code = text.charCodeAt(at);
    if (code === openBracket) return at > start;
    if (code === colon) colons += 1;
  }
  return colons > 0 && text.charCodeAt(end - 1) === colon && (colons === 1 || isIP(text.slice(start, end)) === 0);
}

function spaceFrom(text: string, start: number): number {
  const found = text.indexOf(' ', start);
  return found === -1 ? text.length : found;
}
