import type { Filter, Memory, Pattern } from '../model/filter.ts';
import { createLiteralIndex } from '../sieve/literal-index.ts';

/** What of a filter a text may fit, in the filter's order. */
export type FittingPatterns = Pick<Filter, 'patterns' | 'except' | 'remember'> & { readonly success: readonly Pattern[] };

/** Longer texts are tried on everything that they could be by their beginning: they are few, and from some length on a text may have been cut. UTF-16 code units. */
const longestIndexed = 1_024;

/** Lines of one shape hold the same literals, so there are few combinations; whoever makes up others makes us begin again. */
const mostCombinations = 4_096;

/** So are so many texts: for a handful, such as the tests inside rules, looking up does not pay. */
const textsBefore = 64;

/** @returns for each of the filters what is left; undefined: nothing at all */
export type FittingTo = (text: string) => readonly FittingPatterns[] | undefined;

/** Finds the patterns that a text may fit, all literals being looked up at once. */
export function createFittingPatterns(filters: readonly Filter[]): FittingTo {
  const everything = filters.map((filter) => fitting(filter, () => true));
  const gate = gateOf(filters);
  let texts = 0;
  let lookUp: FittingTo | undefined;
  const byHead: FittingTo = (text) => {
    if (gate === undefined) return everything;
    gate.lastIndex = 0;
    return gate.test(text) ? everything : undefined;
  };
  return (text) => {
    if (lookUp === undefined) {
      texts += 1;
      if (texts <= textsBefore) return byHead(text);
      lookUp = createLookUp(filters, byHead);
    }
    return lookUp(text);
  };
}

/** Fits the beginning of every message that any of the patterns could want; undefined: there is no such expression. */
function gateOf(filters: readonly Filter[]): RegExp | undefined {
  const heads = new Set<string>();
  for (const { head } of filters.flatMap(patternsOf)) {
    if (head === undefined) return undefined;
    heads.add(head);
  }
  return heads.size === 0 ? undefined : new RegExp([...heads].map((head) => `(?:${head})`).join('|'), 'y');
}

function createLookUp(filters: readonly Filter[], otherwise: FittingTo): FittingTo {
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
    if (text.length > longest) return otherwise(text);
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
    if (!(found instanceof Map) && (found !== undefined || branch.has(leaf))) return found;
    const all = filters.map((filter) =>
      fitting(filter, (pattern) => pattern.telling?.literals.every((literal) => holds(marks, literal)) ?? true),
    );
    const made = all.some(hasAny) ? all : undefined;
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
type Branch = Map<number, Branch | readonly FittingPatterns[] | undefined>;
const leaf = NaN;

function patternsOf({ patterns, except, remember, success = [] }: Filter): readonly Pattern[] {
  return [...patterns, ...except, ...remember.map(({ pattern }) => pattern), ...success];
}

function fitting({ patterns, except, remember, success = [] }: Filter, mayFit: (pattern: Pattern) => boolean): FittingPatterns {
  const memories: readonly Memory[] = remember.filter(({ pattern }) => mayFit(pattern));
  return { patterns: patterns.filter(mayFit), except: except.filter(mayFit), remember: memories, success: success.filter(mayFit) };
}

function hasAny({ patterns, except, remember, success }: FittingPatterns): boolean {
  return patterns.length + except.length + remember.length + success.length > 0;
}
