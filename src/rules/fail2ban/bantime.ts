import { parseF2bDuration } from './f2b-duration.ts';
import { FormulaError } from './formula-syntax.ts';
import { compileFormula, type Formula } from './formula.ts';
import type { Section } from './ini-file.ts';
import { parseInteger } from './integer.ts';
import { isTrue } from './jail-options.ts';
import { Mistake } from './mistake.ts';
import type { SourcedText } from './sourced-text.ts';

/** How long a jail bans, with all its `bantime.*`. */
export interface BantimePolicy {
  /** ms; Infinity: for ever. */
  readonly firstMs: number;
  /** undefined: each ban as long as the first. */
  readonly increment: Increment | undefined;
}

export interface Increment {
  readonly factor: number;
  /** undefined: each ban twice as long as the one before, times the factor. */
  readonly formula: Formula | undefined;
  /** Instead of a formula: the n-th return gets the n-th of them; the last serves for all further ones. Empty: none. */
  readonly multipliers: readonly number[];
  /** ms; Infinity: no upper bound. */
  readonly maxMs: number;
  /** Up to so many ms more, at random, also beyond the upper bound. */
  readonly randomMs: number;
  /** Bans in all jails count, not only in this one. */
  readonly overAllJails: boolean;
}

/** What a formula can ask for. */
export const formulaNames: readonly string[] = ['banFactor', 'ban.Time', 'ban.Count'];
/** From the twentieth return on the time no longer doubles. */
const maxDoublings = 20;

/**
 * How long the ban of a subject lasts that was banned before, in ms.
 *
 * @param earlier bans before this one; 0: the first, which always lasts `firstMs`
 * @param random from 0 (included) to 1 (not)
 * @throws {FormulaError} if the formula has no value for this count
 */
export function banLengthMs({ firstMs, increment }: BantimePolicy, earlier: number, random: () => number): number {
  if (increment === undefined || earlier === 0 || firstMs === Infinity) return firstMs;
  const { factor, formula, multipliers, maxMs, randomMs } = increment;
  const seconds = firstMs / 1_000;
  let grown: number;
  if (multipliers.length > 0) grown = seconds * factor * (multipliers[Math.min(earlier, multipliers.length - 1)] ?? 1);
  else if (formula === undefined) grown = Math.max(seconds, seconds * 2 ** Math.min(earlier, maxDoublings) * factor);
  else {
    const variables = new Map([
      ['banFactor', factor],
      ['ban.Time', seconds],
      ['ban.Count', earlier],
    ]);
    grown = Math.max(seconds, formula.evaluate(variables, random));
  }
  const lengthMs = Math.min(grown * 1_000, maxMs) + (randomMs === 0 ? 0 : random() * randomMs);
  return Math.max(0, lengthMs);
}

/**
 * @param options of the jail, with all substitutions done
 * @throws {Mistake} for a value that cannot be used
 */
export function readBantime(options: Section): BantimePolicy {
  const bantime = options.get('bantime');
  const seconds = bantime === undefined ? defaultSeconds : durationOf(bantime, 'bantime');
  const policy = { firstMs: seconds < 0 ? Infinity : seconds * 1_000 };
  if (!isTrue(options.get('bantime.increment')?.text ?? '')) return { ...policy, increment: undefined };
  const maxtime = given(options, 'bantime.maxtime');
  const rndtime = given(options, 'bantime.rndtime');
  return {
    ...policy,
    increment: {
      factor: readFactor(given(options, 'bantime.factor')),
      formula: readFormula(given(options, 'bantime.formula')),
      multipliers: readMultipliers(given(options, 'bantime.multipliers')),
      maxMs: maxtime === undefined ? Infinity : durationOf(maxtime, 'bantime.maxtime') * 1_000,
      randomMs: rndtime === undefined ? 0 : durationOf(rndtime, 'bantime.rndtime') * 1_000,
      overAllJails: isTrue(options.get('bantime.overalljails')?.text ?? ''),
    },
  };
}

const defaultSeconds = 600;

/** Seconds. @throws {Mistake} */
export function durationOf({ text, places: [place] }: SourcedText, key: string): number {
  const seconds = parseF2bDuration(text);
  if (typeof seconds === 'string') throw new Mistake(place, `${key}: ${seconds}`);
  return seconds;
}

/** An empty value is as good as none. */
function given(options: Section, key: string): SourcedText | undefined {
  const value = options.get(key);
  return value?.text === '' ? undefined : value;
}

function readFactor(value: SourcedText | undefined): number {
  if (value === undefined) return 1;
  return withPlace(value, 'bantime.factor', () => compileFormula(value.text, []).evaluate(new Map(), Math.random));
}

function readFormula(value: SourcedText | undefined): Formula | undefined {
  return value === undefined ? undefined : withPlace(value, 'bantime.formula', () => compileFormula(value.text, formulaNames));
}

function withPlace<Result>({ places: [place] }: SourcedText, key: string, read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormulaError)) throw error;
    throw new Mistake(
      place,
      `${key}: at character ${error.offset + 1}: ${error.message}`,
      'only numbers, operators and the functions of math and random can be used',
    );
  }
}

function readMultipliers(value: SourcedText | undefined): readonly number[] {
  if (value === undefined) return [];
  return value.text.split(' ').map((word) => {
    const number = parseInteger(word);
    if (number === undefined)
      throw new Mistake(
        value.places[0],
        `bantime.multipliers: "${word}" is not a whole number`,
        'write them with one space between: 1 2 4 8',
      );
    return number;
  });
}
