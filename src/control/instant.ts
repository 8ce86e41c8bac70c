/** RFC 3339 in UTC with ms: `2026-11-22T19:38:06.000Z`. */
export type Instant = string;

/** The largest time that a Date holds, ms since the epoch (ECMA-262, time values); beyond it toISOString throws. */
const lastInstantMs = 8.64e15;

/** In an attack each record asks for some of the same few instants ten times, and toISOString takes longer than matching a line. */
const slots = 64;
const knownMs = new Float64Array(slots).fill(Number.NaN);
const known: Instant[] = Array.from({ length: slots }, () => '');

/** @param ms since the epoch, finite */
export function at(ms: number): Instant {
  const slot = Math.abs(Math.trunc(ms)) % slots;
  if (knownMs[slot] !== ms) {
    known[slot] = new Date(Math.min(Math.max(ms, -lastInstantMs), lastInstantMs)).toISOString();
    knownMs[slot] = ms;
  }
  return known[slot] ?? '';
}

/** An instant that may never come. @param ms since the epoch; Infinity becomes null. */
export function atOrNever(ms: number): Instant | null {
  return Number.isFinite(ms) ? at(ms) : null;
}

/** A length of time in ms for JSON, which has no Infinity: it becomes null. */
export function spanOrForever(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null;
}
