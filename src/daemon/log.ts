import { fstatSync, writeSync } from 'node:fs';
import { printable } from '../diagnostic.ts';
import { localTimeMs } from './local-time.ts';

/** sd-daemon(3): what journald makes of a `<N>` at the beginning of a line. */
const priorities = { error: 3, warning: 4, notice: 5, info: 6 } as const;

export type Level = keyof typeof priorities;

/** The daemon's own log: one line an event, on stderr. A message of a kind that comes in floods is given as a function, and made only to be written. */
export type Log = (level: Level, message: string | (() => string)) => void;

/**
 * Under systemd lines get the `<N>` that journald understands and no time, since the journal has one; elsewhere they get the time. The level
 * stands before the message as in fail2ban's log: its recidive filter looks for `NOTICE  [jail] Ban ADDRESS`, and logwatch does too.
 * Control bytes are escaped: what is quoted from a log must not begin a line of its own.
 *
 * What comes in floods is bounded, information (failures) and notices (bans) each by itself: beyond `linesPerSecond` such lines are left out, and how many is
 * said in one line later. A flood of addresses else fills the disk, or makes journald suppress all we say, warnings too (RateLimitBurst=).
 * Everything else is always written: each has its own bound where it comes from.
 *
 * @param nowMs ms since the epoch
 */
export function createLog({ nowMs, linesPerSecond, write = toStderr, journal = stderrIsJournal() }: LogOptions): Log {
  let second = 0;
  const lines = { info: 0, notice: 0 };
  let leftOut = 0;
  const put = (level: Level, message: string): void => {
    const head = journal ? `<${priorities[level]}>` : `${localTimeMs(nowMs())} `;
    write(`${head}${level.toUpperCase().padEnd(7)} ${printable(message)}\n`);
  };
  return (level, message) => {
    const now = Math.floor(nowMs() / 1_000);
    if (now !== second) {
      if (leftOut > 0) put('info', `${leftOut} lines of this log were left out in one second`);
      second = now;
      lines.info = 0;
      lines.notice = 0;
      leftOut = 0;
    }
    if (typeof message === 'string') put(level, message);
    else if ((level === 'info' || level === 'notice') && ++lines[level] > linesPerSecond) leftOut++;
    else put(level, message());
  };
}

export interface LogOptions {
  readonly nowMs: () => number;
  readonly linesPerSecond: number;
  readonly write?: (line: string) => void;
  /** Whether journald reads what we write. */
  readonly journal?: boolean;
}

/** systemd.exec(5), JOURNAL_STREAM: device and inode of the stream, so that a redirected stderr is not taken for it. */
function stderrIsJournal(): boolean {
  try {
    const { dev, ino } = fstatSync(2);
    return process.env['JOURNAL_STREAM'] === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

function toStderr(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // EAGAIN on a full pipe, EPIPE after its reader went: the pipeline must not stop for its own log.
  }
}
