import type { Filter } from '../model/filter.ts';
import type { Sieve } from '../model/sieve.ts';
import { needlesOf } from './needles.ts';
import { createSieve } from './sieve.ts';

/** A sieve for the rules in force, which a reload may change. */
export interface RulesSieve extends Sieve {
  readonly use: (filters: readonly Filter[]) => void;
}

export function createRulesSieve(first: readonly Filter[]): RulesSieve {
  let sieve = sieveFor(first);
  return {
    use: (filters) => {
      sieve = sieveFor(filters);
    },
    ...followingSieve(() => sieve),
  };
}

/** Whatever sieve is in force when it is asked. */
export function followingSieve(inForce: () => Sieve): Sieve {
  return {
    find: (bytes, start, end) => inForce().find(bytes, start, end),
    lines: () => inForce().lines(),
    lineStart: () => inForce().lineStart(),
    get input() {
      return inForce().input;
    },
  };
}

function sieveFor(filters: readonly Filter[]): Sieve {
  const needles = needlesOf(filters);
  return needles === undefined ? passEverything() : createSieve(needles, 0);
}

/** For a pattern that may match anything. */
export function passEverything(): Sieve {
  let at = 0;
  return {
    find: (_bytes, start) => (at = start),
    lines: () => 0,
    lineStart: () => at,
    input: Buffer.alloc(0),
  };
}
