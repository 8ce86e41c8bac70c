export const dayMs = 86_400_000;

/**
 * Days from 1970-01-01 to a day of the (proleptic) Gregorian calendar.
 *
 * Arithmetic instead of Date.UTC: it runs for every line, and Date.UTC takes the years 0 to 99 for 1900 to 1999.
 *
 * @param month 1 to 12
 */
export function daysSinceEpoch(year: number, month: number, day: number): number {
  // The year begins in March, so that the leap day is its last: then the days before a month are a straight line.
  const marchYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** The year, in UTC, of a time in ms since the epoch. */
export function utcYear(ms: number): number {
  const days = Math.floor(ms / dayMs);
  let year = 1970 + Math.floor(days / 365.2425);
  // The division is at most one year off, next to New Year.
  while (daysSinceEpoch(year, 1, 1) > days) year -= 1;
  while (daysSinceEpoch(year + 1, 1, 1) <= days) year += 1;
  return year;
}

const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** @param month 1 to 12; 0 for any other */
export function daysInMonth(year: number, month: number): number {
  if (month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)) return 29;
  return monthDays[month - 1] ?? 0;
}
