import type { Stamp } from '../model/record.ts';
import { dayMs, daysInMonth, daysSinceEpoch, utcYear } from './calendar.ts';
import { digit, digitAt, fourDigits, space, twoDigits } from './digits.ts';
import { wallClockToUtc } from './zone.ts';

/** What a stamp without year or zone is read against. */
export interface Clock {
  /** ms since the epoch. In replay the time at which the log ended. */
  readonly nowMs: number;
  /** IANA name, or `local`. Throws RangeError when a stamp is read and there is no such zone. */
  readonly timezone: string;
}

/** A stamp, and the index just behind it. */
export interface StampAt {
  readonly stamp: Stamp;
  readonly end: number;
}

/** Clocks differ: a stamp without a year may be so far ahead of now and is still of this year. */
const aheadMs = dayMs;

/**
 * RFC 3164 section 4.1.2: `Nov 22 17:30:37`, `Nov  2 17:30:37`. Also with a year (`Nov 22 2026 17:30:37`, as routers send it) and with
 * fractions of a second. Never zoned.
 *
 * Without a year it is the latest such day that is at most a day ahead of now: 31 December read on 1 January is yesterday. 29 February
 * is the one of the last leap year.
 */
export function readSyslogStamp(text: string, start: number, clock: Clock): StampAt | undefined {
  const month = monthAt(text, start);
  if (month === 0 || text.charCodeAt(start + 3) !== space) return undefined;
  let at = start + 4;
  if (text.charCodeAt(at) === space) at += 1;
  let day = digitAt(text, at);
  if (day < 0) return undefined;
  at += 1;
  const secondDigit = digitAt(text, at);
  if (secondDigit >= 0) {
    day = day * 10 + secondDigit;
    at += 1;
  }
  if (text.charCodeAt(at) !== space) return undefined;
  at += 1;
  const year = text.charCodeAt(at + 4) === space ? fourDigits(text, at) : -1;
  if (year >= 0) at += 5;
  const seconds = timeOfDayAt(text, at);
  if (seconds < 0) return undefined;
  at += 8;
  const dot = text.charCodeAt(at);
  const fraction = (dot === 0x2e || dot === 0x2c) && digitAt(text, at + 1) >= 0;
  const micros = fraction ? microsAt(text, at + 1) : 0;
  if (fraction) at = digitsEnd(text, at + 1);

  let ms: number | undefined;
  if (year < 0) ms = nearestYear(month, day, seconds, clock);
  else if (dayExists(year, month, day))
    ms = wallClockToUtc(daysSinceEpoch(year, month, day) * dayMs + seconds * 1_000, clock.timezone, clock.nowMs);
  if (ms === undefined) return undefined;
  return { stamp: { ms: withMicros(ms, micros), zoned: false, fraction }, end: at };
}

/**
 * RFC 3339, `2026-11-22T17:30:37.336620+00:00`, as RFC 5424 section 6.2.3 narrows it, and what programs write in its place: a space or
 * lower case for `T`, a comma before the fraction, slashes in the date (nginx), any number of fraction digits (kept: six), no zone,
 * `+0000`, `+00`.
 */
export function readIsoStamp(text: string, start: number, clock: Clock): StampAt | undefined {
  const year = fourDigits(text, start);
  if (year < 0) return undefined;
  const separator = text.charCodeAt(start + 4);
  if ((separator !== 0x2d && separator !== 0x2f) || text.charCodeAt(start + 7) !== separator) return undefined;
  const month = twoDigits(text, start + 5);
  const day = twoDigits(text, start + 8);
  if (!dayExists(year, month, day)) return undefined;
  const letter = text.charCodeAt(start + 10);
  if (letter !== 0x54 && letter !== space && letter !== 0x74) return undefined;
  const seconds = timeOfDayAt(text, start + 11);
  if (seconds < 0) return undefined;
  let at = start + 19;
  const dot = text.charCodeAt(at);
  const fraction = (dot === 0x2e || dot === 0x2c) && digitAt(text, at + 1) >= 0;
  const micros = fraction ? microsAt(text, at + 1) : 0;
  if (fraction) at = digitsEnd(text, at + 1);

  const wallMs = daysSinceEpoch(year, month, day) * dayMs + seconds * 1_000;
  // Programs that put a space into the date put one before the zone, too: `2026-11-22 17:30:37 +0100`.
  const zone = readOffset(text, letter === space && text.charCodeAt(at) === space ? at + 1 : at);
  const ms = zone === undefined ? wallClockToUtc(wallMs, clock.timezone, clock.nowMs) : wallMs - zone.offsetMs;
  return { stamp: { ms: withMicros(ms, micros), zoned: zone !== undefined, fraction }, end: zone?.end ?? at };
}

/** Apache's and nginx's access log: `22/Nov/2026:17:30:37 +0000`, without the brackets. */
export function readAccessStamp(text: string, start: number, clock: Clock): StampAt | undefined {
  const day = twoDigits(text, start);
  const month = monthAt(text, start + 3);
  const year = fourDigits(text, start + 7);
  if (text.charCodeAt(start + 2) !== 0x2f || text.charCodeAt(start + 6) !== 0x2f || text.charCodeAt(start + 11) !== 0x3a) return undefined;
  if (!dayExists(year, month, day)) return undefined;
  const seconds = timeOfDayAt(text, start + 12);
  if (seconds < 0) return undefined;
  const wallMs = daysSinceEpoch(year, month, day) * dayMs + seconds * 1_000;
  const zone = text.charCodeAt(start + 20) === space ? readOffset(text, start + 21) : undefined;
  const ms = zone === undefined ? wallClockToUtc(wallMs, clock.timezone, clock.nowMs) : wallMs - zone.offsetMs;
  return { stamp: { ms, zoned: zone !== undefined, fraction: false }, end: zone?.end ?? start + 20 };
}

/** asctime(3) and Apache's error log: `Sun Nov 22 17:30:37 2026`, `Sun Nov 22 17:30:37.123456 2026`. */
export function readAsctimeStamp(text: string, start: number, clock: Clock): StampAt | undefined {
  const month = monthAt(text, start + 4);
  if (month === 0 || text.charCodeAt(start + 3) !== space || text.charCodeAt(start + 7) !== space) return undefined;
  const day = text.charCodeAt(start + 8) === space ? digitAt(text, start + 9) : twoDigits(text, start + 8);
  const seconds = timeOfDayAt(text, start + 11);
  if (day < 0 || seconds < 0 || text.charCodeAt(start + 10) !== space) return undefined;
  let at = start + 19;
  const fraction = text.charCodeAt(at) === 0x2e && digitAt(text, at + 1) >= 0;
  const micros = fraction ? microsAt(text, at + 1) : 0;
  if (fraction) at = digitsEnd(text, at + 1);
  const year = text.charCodeAt(at) === space ? fourDigits(text, at + 1) : -1;
  if (!dayExists(year, month, day)) return undefined;
  const ms = wallClockToUtc(daysSinceEpoch(year, month, day) * dayMs + seconds * 1_000, clock.timezone, clock.nowMs);
  return { stamp: { ms: withMicros(ms, micros), zoned: false, fraction }, end: at + 5 };
}

function nearestYear(month: number, day: number, seconds: number, { nowMs, timezone }: Clock): number | undefined {
  const latestMs = nowMs + aheadMs;
  // Wall clocks are up to 14 hours ahead of UTC, so that their year may have begun already. Leap years are up to 8 years apart.
  const firstYear = utcYear(latestMs + dayMs);
  for (let year = firstYear; year > firstYear - 10; year -= 1) {
    if (!dayExists(year, month, day)) continue;
    const wallMs = daysSinceEpoch(year, month, day) * dayMs + seconds * 1_000;
    if (wallMs - dayMs > latestMs) continue;
    const ms = wallClockToUtc(wallMs, timezone, nowMs);
    if (ms <= latestMs) return ms;
  }
  return undefined;
}

function dayExists(year: number, month: number, day: number): boolean {
  return year >= 0 && day >= 1 && day <= daysInMonth(year, month);
}

/** Rounded once, so that a stamp in microseconds is the double nearest to it. */
function withMicros(ms: number, micros: number): number {
  return micros === 0 ? ms : (ms * 1_000 + micros) / 1_000;
}

/** `hh:mm:ss` -> seconds; a leap second (60) is the second after. -1: there is no time. */
function timeOfDayAt(text: string, at: number): number {
  if (text.charCodeAt(at + 2) !== 0x3a || text.charCodeAt(at + 5) !== 0x3a) return -1;
  const hours = twoDigits(text, at);
  const minutes = twoDigits(text, at + 3);
  const seconds = twoDigits(text, at + 6);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 60) return -1;
  return hours * 3_600 + minutes * 60 + seconds;
}

/** The first six digits from `at` on as microseconds; further ones are not kept. */
function microsAt(text: string, at: number): number {
  let micros = 0;
  let scale = 100_000;
  for (let i = at; scale >= 1; i += 1, scale /= 10) {
    const value = digitAt(text, i);
    if (value < 0) break;
    micros += value * scale;
  }
  return micros;
}

function digitsEnd(text: string, at: number): number {
  let end = at;
  while (digit(text.charCodeAt(end))) end += 1;
  return end;
}

/** `Z`, `+01:00`, `+0100`, `-05`. */
function readOffset(text: string, at: number): { readonly offsetMs: number; readonly end: number } | undefined {
  const sign = text.charCodeAt(at);
  if (sign === 0x5a || sign === 0x7a) return { offsetMs: 0, end: at + 1 };
  if (sign !== 0x2b && sign !== 0x2d) return undefined;
  const hours = twoDigits(text, at + 1);
  if (hours < 0 || hours > 23) return undefined;
  const minutesAt = text.charCodeAt(at + 3) === 0x3a ? at + 4 : at + 3;
  const minutes = twoDigits(text, minutesAt);
  if (minutes > 59) return undefined;
  const offsetMs = (hours * 60 + Math.max(0, minutes)) * 60_000;
  return { offsetMs: sign === 0x2d ? -offsetMs : offsetMs, end: minutes < 0 ? at + 3 : minutesAt + 2 };
}

/** `Nov` -> 11; 0 for no month. */
function monthAt(text: string, at: number): number {
  return months.get(threeLetters(text, at)) ?? 0;
}

/** Three ASCII characters as one number, so that no string is made of them; 0 for others. */
function threeLetters(text: string, at: number): number {
  const first = text.charCodeAt(at);
  const second = text.charCodeAt(at + 1);
  const third = text.charCodeAt(at + 2);
  return (first | second | third) > 0x7f ? 0 : (first << 16) | (second << 8) | third;
}

const months: ReadonlyMap<number, number> = new Map(
  ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'].map((name, index) => [
    threeLetters(name, 0),
    index + 1,
  ]),
);
