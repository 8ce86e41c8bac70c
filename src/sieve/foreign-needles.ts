import type { ForeignFilter, ForeignRegex, RequiredLiteral } from '../model/foreign-filter.ts';
import { type Needle, needlesFor, shortestNeedle } from './needles.ts';

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
 * have had the date in its middle; of such a literal that piece is given which the date cannot have divided.
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

/** A date that ends a word has no word character behind it. Otherwise it may stand anywhere, and one half of the literal is whole. */
function undivided({ text, fold }: RequiredLiteral, endsWord: boolean): readonly RequiredLiteral[] {
  const pieces = text.split(/(?<=[^])(?=[^0-9A-Za-z_])/u);
  const longest = pieces.reduce((best, piece) => (piece.length > best.length ? piece : best), '');
  if (endsWord && longest.length >= shortestNeedle) return [{ text: longest, fold }];
  const chars = Array.from(text);
  return [
    { text: chars.slice(0, Math.ceil(chars.length / 2)).join(''), fold },
    { text: chars.slice(Math.floor(chars.length / 2)).join(''), fold },
  ];
}
