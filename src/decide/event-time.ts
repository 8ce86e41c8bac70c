import type { LogRecord } from '../model/record.ts';

/** When a record happened, as far as it is believed. */
export interface EventTime {
  /** ms since the epoch. Live it is never later than now. */
  readonly atMs: number;
  /** Why the stamp was not believed and receive time stands for it. `skew` is counted as the source error `time`. */
  readonly clamped: 'future' | 'skew' | undefined;
}

/**
 * Decides which time a record has: its stamp, or the time at which it was received.
 *
 * - No stamp: receive time.
 * - A stamp in the future: receive time. Less than 1 ms is no future: stamps have fractions, the receiver's clock is read in whole ms.
 * - In the past it is believed from the journal always; from files and syslog if it names its zone, or while the source catches up.
 *   Else a stamp older than `maxSkewMs` is receive time: most likely the sender's clock or time zone is wrong.
 * - In replay nothing is clamped: the log's own clock is the clock.
 *
 * @param nowMs ms since the epoch: when the record is handled
 * @param maxSkewMs how far in the past a stamp without a zone is believed
 */
export function eventTime(
  record: Pick<LogRecord, 'stamp' | 'origin' | 'receivedMs' | 'catchingUp'>,
  { nowMs, maxSkewMs, mode }: { readonly nowMs: number; readonly maxSkewMs: number; readonly mode: 'live' | 'replay' },
): EventTime {
  const { stamp } = record;
  if (mode === 'replay') return { atMs: stamp?.ms ?? record.receivedMs, clamped: undefined };

  // The clock may have been set back since the record was received.
  const receivedMs = Math.min(record.receivedMs, nowMs);
  if (stamp === undefined) return { atMs: receivedMs, clamped: undefined };
  if (stamp.ms > nowMs) return { atMs: receivedMs, clamped: stamp.ms < nowMs + 1 ? undefined : 'future' };
  const believed = record.origin.kind === 'journal' || stamp.zoned || record.catchingUp || stamp.ms >= nowMs - maxSkewMs;
  return believed ? { atMs: stamp.ms, clamped: undefined } : { atMs: receivedMs, clamped: 'skew' };
}
