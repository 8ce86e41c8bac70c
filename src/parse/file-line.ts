import type { Message, Parsed, Stamp } from '../model/record.ts';
import { space } from './digits.ts';
import { textEnd } from './syslog.ts';
import { readTag } from './tag.ts';
import { type Clock, readAccessStamp, readAsctimeStamp, readIsoStamp, readSyslogStamp, type StampAt } from './timestamp.ts';

/** How the lines of a file are read. */
export interface FileLineContext extends Clock {
  /** The lines have no syslog header: they all belong to this program. */
  readonly program: string | undefined;
}

const empty: Parsed = { kind: 'unparsed', reason: 'empty' };
const badHeader: Parsed = { kind: 'unparsed', reason: 'header' };

/** `[22/Nov/2026:17:30:37 +0000] ` */
const accessDateLength = 29;

/**
 * Parses one line of a log file.
 *
 * Without `program`: `DATE HOST TAG: text` as rsyslog (RSYSLOG_TraditionalFileFormat, RSYSLOG_FileFormat) and Postfix's postlogd write it; a
 * line without such a date is unparsed (`header`). With `program`: the text is the line as it stands, and the date it begins with, if any of
 * the usual forms, is its stamp.
 *
 * @param line without its LF
 * @throws {RangeError} only if context.timezone does not exist
 */
export function parseFileLine(line: string, context: FileLineContext): Parsed {
  const end = textEnd(line);
  if (end === 0) return empty;
  const text = end === line.length ? line : line.slice(0, end);
  if (context.program !== undefined) {
    return { kind: 'message', message: message({ stamp: leadingStamp(text, context), appName: context.program, text }) };
  }
  const stampAt = lastStamp.at(text, context) ?? readIsoStamp(text, 0, context);
  if (stampAt === undefined || text.charCodeAt(stampAt.end) !== space) return badHeader;
  const tag = readTag(text, stampAt.end + 1);
  return {
    kind: 'message',
    message: message({
      stamp: stampAt.stamp,
      hostname: tag.hostname,
      appName: tag.appName,
      procId: tag.procId,
      text: text.slice(text.charCodeAt(tag.textStart) === 0xfeff ? tag.textStart + 1 : tag.textStart),
    }),
  };
}

/** Of `Nov 22 17:30:37`. */
const shortLength = 15;

/** Lines of a busy second begin with the same stamp. What stands behind the blank that ends it does not matter to readSyslogStamp. */
class LastStamp {
  #text = '';
  #nowMs = NaN;
  #timezone = '';
  #found: StampAt | undefined;

  at(text: string, clock: Clock): StampAt | undefined {
    const short = text.charCodeAt(shortLength) === space;
    if (short && text.startsWith(this.#text) && this.#nowMs === clock.nowMs && this.#timezone === clock.timezone) return this.#found;
    const found = readSyslogStamp(text, 0, clock);
    if (short && found?.end === shortLength) {
      this.#text = text.slice(0, shortLength);
      this.#nowMs = clock.nowMs;
      this.#timezone = clock.timezone;
      this.#found = found;
    }
    return found;
  }
}

const lastStamp = new LastStamp();

/** The date at the very beginning, in brackets or not; or that of an access log. */
function leadingStamp(text: string, clock: Clock): Stamp | undefined {
  const start = text.charCodeAt(0) === 0x5b ? 1 : 0;
  const found =
    readIsoStamp(text, start, clock) ??
    readSyslogStamp(text, start, clock) ??
    readAsctimeStamp(text, start, clock) ??
    readAccessStamp(text, start, clock) ??
    accessDate(text, clock);
  return found?.stamp;
}

/**
 * The date of an access log stands directly before the request's opening quote: `192.0.2.4 - - [22/Nov/2026:17:30:37 +0000] "GET ...`. Not
 * the first date in brackets: the user name before it is the client's, who could move his failures out of the window with it. He cannot
 * write an unescaped quote there.
 */
function accessDate(text: string, clock: Clock): StampAt | undefined {
  const start = text.indexOf('"') - accessDateLength;
  if (start < 0 || text.charCodeAt(start) !== 0x5b) return undefined;
  const found = readAccessStamp(text, start + 1, clock);
  return found !== undefined && text.startsWith('] "', found.end) ? found : undefined;
}

function message(known: Pick<Message, 'stamp' | 'appName' | 'text'> & Partial<Message>): Message {
  return {
    facility: undefined,
    severity: undefined,
    stamp: known.stamp,
    hostname: known.hostname,
    appName: known.appName,
    procId: known.procId,
    msgId: undefined,
    structuredData: undefined,
    text: known.text,
    repeats: 1,
  };
}
