import type { PatternMistake } from './pattern-syntax.ts';
import { noChars, overlap, setOf, union } from './regex-syntax.ts';
import type { Chars, CharSet, Group, Item } from './regex-syntax.ts';

/** Bound of a quantifier that stands behind an ambiguous one. */
const boundedRun = 64;

/**
 * A sufficient condition for linear time in a backtracking engine, and a simple one:
 *
 * 1. Quantifiers stand on single characters and sets; of groups only `?` (the reader sees to it).
 * 2. A quantified item shares no character with what can follow it, so giving back a character never helps, and that is seen at once.
 * 3. Alternatives, and an optional group and what follows it, differ in their first characters or in their fixed beginnings.
 * 4. One item at the outermost level may break rule 2 (`.*`). Everything quantified behind it then has a bound, so that each of its
 *    lengths costs a bounded amount.
 */
export function linearMistakes(items: readonly Item[], ended: boolean): readonly PatternMistake[] {
  const mistakes: PatternMistake[] = [];
  const ambiguous: Chars[] = [];
  checkSequence(items, [], true, ended, mistakes, ambiguous);
  const [first, second] = ambiguous;
  if (second !== undefined) {
    mistakes.push(
      mistake(
        second,
        'two parts could take the same text, which may take quadratic time',
        'let one of them end at a character that it cannot take, such as [^ ]+, or write a pattern with {holes}',
      ),
    );
  }
  if (first !== undefined) {
    for (const late of unboundedIn(items.slice(items.indexOf(first) + 1))) {
      mistakes.push(
        mistake(late, 'an unbounded part behind one that takes any text may take quadratic time', `write {1,${boundedRun}} instead of "+"`),
      );
    }
  }
  return mistakes;
}

function checkSequence(
  items: readonly Item[],
  behind: readonly Item[],
  outermost: boolean,
  ended: boolean,
  mistakes: PatternMistake[],
  ambiguous: Chars[],
): void {
  for (const [index, item] of items.entries()) {
    const follow = [...items.slice(index + 1), ...behind];
    if (item.kind === 'group') {
      checkGroup(item, follow, mistakes);
      for (const alternative of item.alternatives) checkSequence(alternative, follow, false, ended, mistakes, ambiguous);
    } else if (item.kind === 'chars' && item.least !== item.most && overlap(item.set, firstOf(follow))) {
      if (outermost) ambiguous.push(item);
      else
        mistakes.push(
          mistake(
            item,
            'what this takes could also be what follows it, inside a group',
            'let it end at a character that it cannot take, such as [^ ]+',
          ),
        );
    }
  }
}

function checkGroup(group: Group, follow: readonly Item[], mistakes: PatternMistake[]): void {
  const choices = group.optional
    ? [...group.alternatives.map((alternative) => [...alternative, ...follow]), follow]
    : group.alternatives.map((alternative) => [...alternative, ...follow]);
  for (const [index, one] of choices.entries()) {
    for (const other of choices.slice(index + 1)) {
      if (!apart(one, other)) {
        mistakes.push(
          mistake(group, 'two choices of this group could fit at the same place', 'let them begin differently, or write two patterns'),
        );
        return;
      }
    }
  }
}

function apart(one: readonly Item[], other: readonly Item[]): boolean {
  // An empty choice is what the message's end or nothing at all follows: the other one is tried first and is not given back for it.
  if (one.length === 0 || other.length === 0) return true;
  if (!overlap(firstOf(one), firstOf(other))) return true;
  const [a, b] = [prefixOf(one), prefixOf(other)];
  return a !== '' && b !== '' && !a.startsWith(b) && !b.startsWith(a);
}

/** Characters with which the items can begin. */
function firstOf(items: readonly Item[]): CharSet {
  let first = noChars;
  for (const item of items) {
    if (item.kind === 'address') return union(first, setOf(/[0-9A-Fa-f:.]/));
    if (item.kind === 'chars') {
      first = union(first, item.set);
      if (item.least > 0) return first;
      continue;
    }
    for (const alternative of item.alternatives) first = union(first, firstOf(alternative));
    if (!item.optional && !item.alternatives.some(canBeEmpty)) return first;
  }
  return first;
}

function canBeEmpty(items: readonly Item[]): boolean {
  return items.every((item) =>
    item.kind === 'chars' ? item.least === 0 : item.kind === 'group' && (item.optional || item.alternatives.some(canBeEmpty)),
  );
}

/** The fixed text with which the items begin. */
function prefixOf(items: readonly Item[]): string {
  let prefix = '';
  for (const item of items) {
    if (item.kind !== 'chars' || item.char === undefined || item.least !== 1 || item.most !== 1) return prefix;
    prefix += item.char;
  }
  return prefix;
}

function unboundedIn(items: readonly Item[]): readonly Item[] {
  return items.flatMap((item) =>
    item.kind === 'group' ? item.alternatives.flatMap(unboundedIn) : item.kind === 'chars' && item.most > boundedRun ? [item] : [],
  );
}

function mistake(item: Item, message: string, help: string): PatternMistake {
  return { start: item.start, end: item.end, message, help };
}
