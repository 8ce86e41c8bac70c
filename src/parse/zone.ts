import { dayMs } from './calendar.ts';

/**
 * The offsets from UTC that wall clock times of one day can have, in ms: `beforeMs` until `changesAtMs` (ms since the epoch),
 * `afterMs` from then on. `changesAtMs` is Infinity on most days.
 */
interface DayOffsets {
  readonly beforeMs: number;
  readonly afterMs: number;
  readonly changesAtMs: number;
}

interface Zone {
  /** Offset from UTC in ms at a time in ms since the epoch. Costs microseconds: asked once for a day, not for a line. */
  readonly offsetAt: (ms: number) => number;
  readonly days: Map<number, DayOffsets>;
  lastDay: number;
  lastOffsets: DayOffsets;
}

/** Eleven years of days. A log with more of them computes them again. */
const maxDays = 4_096;

const zones = new Map<string, Zone>();

/**
 * What a wall clock time without a zone means.
 *
 * The hour that comes twice in autumn means the one nearer to `nearMs`: a live line is then never an hour old. A time that is left
 * out in spring is taken as if the clock had not been moved yet, so that it comes after the gap.
 *
 * @param wallMs the wall clock time, as if it were UTC, in ms since the epoch
 * @param timezone IANA name, or `local`: the zone of this process
 * @returns ms since the epoch
 * @throws {RangeError} for a zone that does not exist
 */
export function wallClockToUtc(wallMs: number, timezone: string, nearMs: number): number {
  if (timezone === 'UTC') return wallMs;
  const { beforeMs, afterMs, changesAtMs } = offsetsOfDay(zones.get(timezone) ?? openZone(timezone), Math.floor(wallMs / dayMs));
  const before = wallMs - beforeMs;
  if (changesAtMs === Infinity) return before;
  const after = wallMs - afterMs;
  const canBeBefore = before < changesAtMs;
  const canBeAfter = after >= changesAtMs;
  if (canBeBefore && canBeAfter) return Math.abs(after - nearMs) <= Math.abs(before - nearMs) ? after : before;
  return canBeAfter ? after : before;
}

/** Whether stamps can be read in this zone: an IANA name, or `local`. */
export function isTimezone(name: string): boolean {
  if (name === 'local') return true;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function openZone(timezone: string): Zone {
  const offsetAt = timezone === 'local' ? localOffsetAt : ianaOffsetAt(timezone);
  const zone: Zone = { offsetAt, days: new Map(), lastDay: NaN, lastOffsets: { beforeMs: 0, afterMs: 0, changesAtMs: Infinity } };
  zones.set(timezone, zone);
  return zone;
}

function offsetsOfDay(zone: Zone, day: number): DayOffsets {
  if (day === zone.lastDay) return zone.lastOffsets;
  let offsets = zone.days.get(day);
  if (offsets === undefined) {
    offsets = findOffsets(zone, day);
    if (zone.days.size >= maxDays) zone.days.clear();
    zone.days.set(day, offsets);
  }
  zone.lastDay = day;
  zone.lastOffsets = offsets;
  return offsets;
}

/** Zones lie within a day of UTC, so that a wall clock day lies within these three days of UTC; they hold at most one change. */
function findOffsets({ offsetAt }: Zone, day: number): DayOffsets {
  let low = (day - 1) * dayMs;
  let high = (day + 2) * dayMs;
  const beforeMs = offsetAt(low);
  const afterMs = offsetAt(high);
  if (beforeMs === afterMs) return { beforeMs, afterMs, changesAtMs: Infinity };
  while (high - low > 1_000) {
    const middle = Math.floor((low + high) / 2_000) * 1_000;
    if (offsetAt(middle) === beforeMs) low = middle;
    else high = middle;
  }
  return { beforeMs, afterMs, changesAtMs: high };
}

function localOffsetAt(ms: number): number {
  return -new Date(ms).getTimezoneOffset() * 60_000;
}

function ianaOffsetAt(timezone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en', { timeZone: timezone, timeZoneName: 'longOffset' });
  return (ms) => {
    const name = format.formatToParts(ms).find((part) => part.type === 'timeZoneName')?.value ?? 'GMT';
    const found = /^GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(name);
    if (found === null) return 0;
    const [, sign, hours, minutes, seconds = '0'] = found;
    return (sign === '-' ? -1_000 : 1_000) * (Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds));
  };
}
