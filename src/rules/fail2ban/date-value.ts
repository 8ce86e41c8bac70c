import type { WallClock } from '../../model/foreign-filter.ts';
import { monthIndex, weekdayIndex } from './date-tokens.ts';
import { zoneMinutes } from './date-zones.ts';

const dayMs = 86_400_000;
const minuteMs = 60_000;

/**
 * The time that the fields of a date mean, by fail2ban's rules: no year is this year, or last year if that lay more than a day ahead; no
 * date is today, or yesterday if that lay ahead; two digits are a year from 2000 on. Fractions are left out.
 *
 * @param fields by the letter of their token
 * @param defaultZone minutes from UTC for a date without a zone; undefined: the log's wall clock
 * @returns ms since the epoch; undefined for a date that does not exist or a zone that is not known
 */
export function dateValue(
  fields: ReadonlyMap<string, string>,
  { nowMs, wallClock, defaultZone }: { readonly nowMs: number; readonly wallClock: WallClock; readonly defaultZone: number | undefined },
): number | undefined {
  const number = (name: string): number | undefined => {
    const text = fields.get(name);
    return text === undefined ? undefined : decimal(text);
  };
  const nowWallMs = wallTimeOf(nowMs, wallClock);
  const zone = lastOf(fields, ['z', 'Z'])?.text;
  const zoneOffset = zone === undefined ? defaultZone : zoneMinutes(zone);
  if (zone !== undefined && zoneOffset === undefined) return undefined;

  const written = yearOf(lastOf(fields, ['y', 'Y']));
  const year = written ?? new Date(nowWallMs).getUTCFullYear();
  const day = dayOf(fields, number, year, nowWallMs);
  const hour = hourOf(lastOf(fields, ['H', 'I']), fields.get('p'));
  const minute = number('M') ?? 0;
  const second = number('S') ?? 0;
  // Python has no leap seconds either: such a date does not exist.
  if (day === undefined || hour > 23 || minute > 59 || second > 59) return undefined;

  const clockMs = ((hour * 60 + minute) * 60 + second) * 1_000;
  const shiftMs = (zoneOffset ?? 0) * minuteMs;
  let wallMs = day.ms + clockMs - shiftMs;
  if (day.today && wallMs > nowWallMs) wallMs -= dayMs;
  if (written === undefined && wallMs > nowWallMs + dayMs) {
    const shifted = new Date(wallMs);
    const lastYear = day.today ? undefined : midnight(day.year - 1, day.month, day.day);
    if (lastYear === undefined) return undefined;
    wallMs = lastYear + (shifted.getTime() - Date.UTC(shifted.getUTCFullYear(), shifted.getUTCMonth(), shifted.getUTCDate()));
  }
  return zoneOffset === undefined ? wallClock(wallMs, nowMs) : wallMs;
}

/** The wall clock at a moment: the inverse of what a WallClock does. */
function wallTimeOf(ms: number, wallClock: WallClock): number {
  // The second step corrects the first where the clock is moved between the two.
  const guess = ms + (ms - wallClock(ms, ms));
  return guess + (ms - wallClock(guess, ms));
}

/** Digits of any script. */
function decimal(text: string): number {
  return Number(/^ ?[0-9]+$/.test(text) ? text : asciiDigits(text));
}

/** The same number in digits of ASCII. Decimal digits come in tens in Unicode, and each run of tens begins with a zero. */
export function asciiDigits(text: string): string {
  return text.replaceAll(/(?![0-9])\p{Nd}/gu, (char) => String(digitValue(char.codePointAt(0) ?? 0)));
}

function digitValue(code: number): number {
  let start = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(start - 1))) start--;
  return (code - start) % 10;
}

interface Field {
  readonly name: string;
  readonly text: string;
}

/** Of several fields that say the same thing, the one that stands last in the pattern counts. */
function lastOf(fields: ReadonlyMap<string, string>, names: readonly string[]): Field | undefined {
  let last: Field | undefined;
  for (const [name, text] of fields) if (names.includes(name)) last = { name, text };
  return last;
}

function yearOf(field: Field | undefined): number | undefined {
  if (field === undefined) return undefined;
  const year = decimal(field.text);
  return field.name === 'y' && year <= 2_000 ? year + 2_000 : year;
}

function hourOf(field: Field | undefined, meridiem: string | undefined): number {
  if (field === undefined) return 0;
  const hour = decimal(field.text);
  if (field.name === 'H') return hour;
  if (meridiem?.toLowerCase() === 'pm') return hour === 12 ? 12 : hour + 12;
  return hour === 12 ? 0 : hour;
}

interface Day {
  readonly ms: number;
  /** A 366th day of a shorter year is in the next one. */
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly today: boolean;
}

function dayOf(
  fields: ReadonlyMap<string, string>,
  number: (name: string) => number | undefined,
  year: number,
  nowWallMs: number,
): Day | undefined {
  const named = lastOf(fields, ['m', 'b', 'B']);
  const month = named === undefined ? undefined : named.name === 'm' ? decimal(named.text) : monthIndex(named.text) + 1;
  const day = number('d');
  if (month !== undefined && day !== undefined) {
    const ms = midnight(year, month, day);
    return ms === undefined ? undefined : { ms, year, month, day, today: false };
  }
  const first = midnight(year, 1, 1);
  const ordinal = number('j') ?? (first === undefined ? undefined : ordinalOf(fields, first));
  if (ordinal !== undefined && first !== undefined) {
    const ms = first + (ordinal - 1) * dayMs;
    const date = new Date(ms);
    return { ms, year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate(), today: false };
  }
  if (month !== undefined || day !== undefined) return undefined;
  const now = new Date(nowWallMs);
  const ms = midnight(year, now.getUTCMonth() + 1, now.getUTCDate());
  return ms === undefined ? undefined : { ms, year, month: now.getUTCMonth() + 1, day: now.getUTCDate(), today: true };
}

/** Day of the year from a week (`%U` from Sunday, `%W` from Monday) and a weekday. */
function ordinalOf(fields: ReadonlyMap<string, string>, firstMs: number): number | undefined {
  const weekField = lastOf(fields, ['U', 'W']);
  const week = weekField === undefined ? undefined : decimal(weekField.text);
  const named = lastOf(fields, ['a', 'A', 'w']);
  const weekday = named === undefined ? undefined : named.name === 'w' ? (decimal(named.text) + 6) % 7 : weekdayIndex(named.text);
  if (week === undefined || weekday === undefined) return undefined;
  const fromSunday = weekField?.name === 'U' ? 1 : 0;
  // 1970-01-01 was a Thursday, 3 counted from Monday.
  const firstWeekday = (((((firstMs / dayMs + 3) % 7) + 7) % 7) + fromSunday) % 7;
  const inWeek = (weekday + fromSunday) % 7;
  const daysBefore = week === 0 ? -firstWeekday : ((7 - firstWeekday) % 7) + 7 * (week - 1);
  return 1 + daysBefore + inWeek;
}

/** @returns undefined for a day that the calendar does not have */
function midnight(year: number, month: number, day: number): number | undefined {
  if (year < 1 || year > 9_999) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() : undefined;
}
