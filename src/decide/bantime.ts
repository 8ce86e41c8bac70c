import type { PastBan } from '../model/checkpoint.ts';
import type { Jail } from '../model/decision.ts';

/** Which ban this is: 1 for the first, one more than the last one if that ended at most `forgetMs` ago. */
export function banCount(past: Pick<PastBan, 'count' | 'endedMs'> | undefined, atMs: number, forgetMs: number): number {
  return past !== undefined && atMs - past.endedMs <= forgetMs ? past.count + 1 : 1;
}

/** How long the n-th ban lasts, in ms; Infinity: for ever. */
export function banDurationMs({ firstMs, factor, maxMs, lengthMs }: Jail['bantime'], count: number): number {
  if (lengthMs !== undefined) return lengthMs(count - 1);
  // A first time that is for ever needs no factor: Infinity * 0 would be no time at all.
  return firstMs === Infinity ? maxMs : Math.min(maxMs, firstMs * factor ** (count - 1));
}

/** For how many one failure counts after `earlier` bans of the subject. */
export function weightAfter({ bantime: { heavierReturns }, maxretry }: Pick<Jail, 'bantime' | 'maxretry'>, earlier: number): number {
  return heavierReturns !== true || earlier === 0 ? 1 : Math.min(2 ** (earlier - 1) + 1, maxretry);
}
