import type { Jail } from '../../model/decision.ts';
import { type BantimePolicy, banLengthMs } from './bantime.ts';
import { FormulaError } from './formula-syntax.ts';

/** From the twentieth return on the time no longer doubles. */
const maxDoublings = 20;
/** fail2ban keeps a past ban until three times its length after it began, and the purge age on top. */
const outdatedFactor = 3;

/**
 * A jail's ban times as the decisions take them.
 *
 * @param purgeageMs how long fail2ban remembers bans, `dbpurgeage`
 * @param random from 0 (included) to 1 (not), for `bantime.rndtime`
 */
export function banTimes(policy: BantimePolicy, purgeageMs: number, random: () => number): Jail['bantime'] {
  const { firstMs, increment } = policy;
  const plain = plainBantime(policy, purgeageMs);
  if (increment === undefined) return plain;
  const returns = { ...plain, heavierReturns: true, overall: increment.overAllJails };
  if (isPlain(policy)) return returns;
  return {
    ...returns,
    lengthText: JSON.stringify({ ...increment, formula: increment.formula?.text }),
    lengthMs: (earlier) => {
      try {
        return banLengthMs(policy, earlier, random);
      } catch (error) {
        if (!(error instanceof FormulaError)) throw error;
        // A formula without a value for this count (a division by zero): as if there were none.
        return firstMs;
      }
    },
  };
}

/** Where four numbers say it all; else the first ban and the upper bound. */
function plainBantime({ firstMs, increment }: BantimePolicy, purgeageMs: number): Jail['bantime'] {
  if (increment === undefined || firstMs === Infinity) return { firstMs, factor: 1, maxMs: firstMs, forgetMs: 0 };
  const maxMs = Math.max(firstMs, Math.min(increment.maxMs, firstMs * 2 ** maxDoublings));
  return { firstMs, factor: 2, maxMs, forgetMs: purgeageMs + (outdatedFactor - 1) * firstMs };
}

/** Whether four numbers say it all: doubling is what the decisions do themselves. */
function isPlain({ firstMs, increment }: BantimePolicy): boolean {
  if (increment === undefined || firstMs === Infinity) return true;
  const { factor, formula, multipliers, maxMs, randomMs } = increment;
  return factor === 1 && formula === undefined && multipliers.length === 0 && randomMs === 0 && maxMs >= firstMs;
}
