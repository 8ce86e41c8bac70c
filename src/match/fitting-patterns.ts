import type { Filter, Memory, Pattern } from '../model/filter.ts';
import { createLiteralIndex } from '../sieve/literal-index.ts';

/** What of a filter a text may fit, in the filter's order. */
export type FittingPatterns = Pick<Filter, 'patterns' | 'except' | 'remember'> & { readonly success: readonly Pattern[] };

/** Longer texts are tried on everything: they are few, and from some length on a text may have been cut. UTF-16 code units. */
const longestIndexed = 1_024;

/** Lines of one shape hold the same literals, so there are few combinations; whoever makes up others makes us begin again. */
const mostCombinations = 4_096;

/** So many texts are tried on everything: for a handful, such as the tests inside rules, looking up does not pay. */
const textsBefore = 64;

/** @returns for a text and each of the filters the patterns that are left when all literals are looked up at once */
export function createFittingPatterns(filters: readonly Filter[]): (text: string) => readonly FittingPatterns[] {
  const everything = filters.map((filter) => fitting(filter, () => true));
  let texts = 0;
  let lookUp: ((text: string) => readonly FittingPatterns[]) | undefined;
  return (text) => {
    if (lookUp === undefined) {
      texts += 1;
      if (texts <= textsBefore) return everything;
      lookUp = createLookUp(filters, everything);
    }
    return lookUp(text);
  };
}

function createLookUp(filters: readonly Filter[], everything: readonly FittingPatterns[]): (text: string) => readonly FittingPatterns[] {
  const telling = filters.flatMap(patternsOf).flatMap((pattern) => pattern.telling ?? []);
  const index = createLiteralIndex([...new Set(telling.flatMap(({ literals }) => literals))], longestIndexed);
  // A code unit is at most three bytes.
  const longest = Math.min(longestIndexed, ...telling.map(({ belowBytes }) => Math.floor((belowBytes - 1) / 3)));

  const holds = (marks: Int32Array, literal: string): boolean => {
    const number = index.numberOf(literal);
    return number === undefined || (((marks[number >> 5] ?? 0) >> (number & 31)) & 1) === 1;
  };
  let known: Branch = new Map();
  let combinations = 0;

  return (text) => {
    if (text.length > longest) return everything;
    const marks = index.marksOf(text);
    let branch = known;
    for (const word of marks) {
      let next = branch.get(word);
      if (!(next instanceof Map)) {
        next = new Map();
        branch.set(word, next);
      }
      branch = next;
    }
    const found = branch.get(leaf);
    if (found !== undefined && !(found instanceof Map)) return found;
    const made = filters.map((filter) =>
      fitting(filter, (pattern) => pattern.telling?.literals.every((literal) => holds(marks, literal)) ?? true),
    );
    branch.set(leaf, made);
    combinations += 1;
    if (combinations >= mostCombinations) {
      known = new Map();
      combinations = 0;
    }
    return made;
  };
}

/** By the first word of the marks, then by the second, and so on; what was found is under `leaf`. */
type Branch = Map<number, Branch | readonly FittingPatterns[]>;
const leaf = NaN;

function patternsOf({ patterns, except, remember, success = [] }: Filter): readonly Pattern[] {
  return [...patterns, ...except, ...remember.map(({ pattern }) => pattern), ...success];
}

function fitting({ patterns, except, remember, success = [] }: Filter, mayFit: (pattern: Pattern) => boolean): FittingPatterns {
  const memories: readonly Memory[] = remember.filter(({ pattern }) => mayFit(pattern));
  return { patterns: patterns.filter(mayFit), except: except.filter(mayFit), remember: memories, success: success.filter(mayFit) };
}
