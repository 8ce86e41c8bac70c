import type { Instant } from '../control/instant.ts';
import { formatDuration } from '../duration.ts';

/** Local time with its zone, to the second: `2026-11-22 20:38:06 +01:00`. */
export function formatLocal(instant: Instant): string {
  const date = new Date(instant);
  if (Number.isNaN(date.getTime())) return '(no time)';
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zoneOf(date)}`;
}

function zoneOf(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}

/** As people say it: `in 42 min`, `3 h 5 min ago`, `now`. */
export function formatRelative(instant: Instant, nowMs: number): string {
  const ms = Date.parse(instant) - nowMs;
  if (Math.abs(ms) < 1_000) return 'now';
  return ms > 0 ? `in ${formatSpan(ms)}` : `${formatSpan(-ms)} ago`;
}

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/**
 * A length of time in words, rounded to what matters: `8 s`, `42 min`, `3 h 5 min`, `2 d 4 h`, `40 d`. To the nearest, so that two hours
 * are told as such a moment after they began.
 */
export function formatSpan(ms: number): string {
  const seconds = Math.round(ms / secondMs);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(ms / minuteMs);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return joined(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.round(ms / hourMs);
  if (hours < 10 * 24) return joined(Math.floor(hours / 24), 'd', hours % 24, 'h');
  return `${Math.round(ms / dayMs)} d`;
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** `until 2026-11-22 20:38:06 +01:00 (in 42 min)`, or `for ever` for null. */
export function formatUntil(until: Instant | null, nowMs: number): string {
  return until === null ? 'for ever' : `until ${formatLocal(until)} (${formatRelative(until, nowMs)})`;
}

/** `for 1h30m`, or `for ever` for null. */
export function formatFor(ms: number | null): string {
  return ms === null ? 'for ever' : `for ${formatDuration(ms)}`;
}

/**
 * A moment as people type it: RFC 3339, the same without a zone (local time), with or without seconds, a day alone (its first moment),
 * or `@` and seconds since the epoch.
 *
 * @returns ms since the epoch; undefined for anything else
 */
export function parseMoment(text: string): number | undefined {
  const [, seconds] = /^@(\d{1,12}(?:\.\d{1,6})?)$/.exec(text) ?? [];
  if (seconds !== undefined) return Math.round(Number(seconds) * 1_000);
  const [, day, time = '00:00', zone = ''] = momentShape.exec(text) ?? [];
  if (day === undefined) return undefined;
  // Without a zone Date.parse takes a date with a time as local time (ECMA-262, Date Time String Format).
  const ms = Date.parse(`${day}T${time}${zone.toUpperCase()}`);
  // Date.parse lets the 31st of February through as the 3rd of March.
  const dayOfMonth = new Date(Date.parse(`${day}T00:00Z`)).getUTCDate();
  return Number.isNaN(ms) || dayOfMonth !== Number(day.slice(-2)) ? undefined : ms;
}

const momentShape = /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?) ?([Zz]|[+-]\d{2}:\d{2})?)?$/;
