import type { PastBan } from '../model/checkpoint.ts';
import type { Jail } from '../model/decision.ts';

/** Which ban this is: 1 for the first, one more than the last one if that ended at most `forgetMs` ago. */
export function banCount(past: Pick<PastBan, 'count' | 'endedMs'> | undefined, atMs: number, forgetMs: number): number {
  return past !== undefined && atMs - past.endedMs <= forgetMs ? past.count + 1 : 1;
}

/** How long the n-th ban lasts, in ms; Infinity: for ever. */
export function banDurationMs({ firstMs, factor, maxMs }: Jail['bantime'], count: number): number {
  // A first time that is for ever needs no factor: Infinity * 0 would be no time at all.
  return firstMs === Infinity ? maxMs : Math.min(maxMs, firstMs * factor ** (count - 1));
}
