import type { ForeignFilter, ForeignRegex, RequiredLiteral } from '../model/foreign-filter.ts';
import { type Needle, needlesFor } from './needles.ts';

/**
 * The texts of which each line that a filter of fail2ban could want holds at least one, the line being whole: its date is still in it.
 *
 * What has none of them is nothing to the filter but for its date, which a later line without one may need (see LineMatcherOptions.dateBefore).
 *
 * @returns undefined if every line may matter
 */
export function foreignNeedles(filter: ForeignFilter): readonly Needle[] | undefined {
  let best: readonly Needle[] | undefined;
  for (const literals of wholeLineLiterals(filter)) {
    const needles = needlesFor([literals]);
    if (needles !== undefined && (best === undefined || shortestOf(needles) > shortestOf(best))) best = needles;
  }
  return best;
}

function shortestOf(needles: readonly Needle[]): number {
  return Math.min(...needles.map(({ bytes }) => bytes.length));
}

/**
 * Sets of literals, of each of which a line that the filter could want holds one.
 *
 * The date is cut out of a line before an expression sees it, and what stood before and behind it is joined. So a literal that a match needs may
 * have had the date in its middle; pieces of it are given, of which one is whole in any case.
 */
export function wholeLineLiterals({ failRegexes, prefRegex, maxLines, dates }: ForeignFilter): readonly (readonly RequiredLiteral[])[] {
  // Literals of one match may lie in different lines then.
  if (maxLines > 1) return [];
  const sets = [prefRegex?.literals ?? [], anyOf(failRegexes)];
  return sets
    .filter((literals) => literals.length > 0)
    .map((literals) => literals.flatMap((literal) => undivided(literal, dates.endsWord)));
}

/** Literals of which a text that one of these matches holds at least one; none if that cannot be said of one of them. */
export function anyOf(regexes: readonly ForeignRegex[]): readonly RequiredLiteral[] {
  if (regexes.some(({ literals }) => literals.length === 0)) return [];
  return regexes.flatMap(({ literals }) => literals);
}

/**
 * Of a literal that a date may have divided, two pieces one of which is whole wherever that was: the text before one place, and the text behind the
 * place before it. A date that ends a word has no word character behind it, so there are fewer places.
 */
function undivided({ text, fold }: RequiredLiteral, endsWord: boolean): readonly RequiredLiteral[] {
  const places = [...text.matchAll(endsWord ? /(?<=[^])(?=[^0-9A-Za-z_])/gu : /(?<=[^])(?=[^])/gu)].map(({ index }) => index);
  let best: readonly string[] = [];
  for (const [index, place] of [...places, text.length].entries()) {
    const before = text.slice(0, place);
    const behind = text.slice(places[index - 1] ?? 0);
    // At either end of the list one of them holds the other.
    const pieces = behind.includes(before) ? [before] : before.includes(behind) ? [behind] : [before, behind];
    if (best.length === 0 || shortestPiece(pieces) > shortestPiece(best)) best = pieces;
  }
  return best.map((piece) => ({ text: piece, fold }));
}

function shortestPiece(pieces: readonly string[]): number {
  return Math.min(...pieces.map((piece) => piece.length));
}
