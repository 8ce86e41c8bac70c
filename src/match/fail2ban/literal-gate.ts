import type { ForeignFilter, RequiredLiteral } from '../../model/foreign-filter.ts';
import { anyOf, wholeLineLiterals } from '../../sieve/foreign-needles.ts';

/**
 * A quick test for texts that no expression of the filter can match; true means "perhaps". Made of the literals that matches cannot do
 * without. Exact for a text whose date was cut out already; what was cut may have stood in the middle of a literal.
 */
export function literalGate({ failRegexes, prefRegex, maxLines }: ForeignFilter): (text: string) => boolean {
  // Literals of one match may lie in different lines then.
  if (maxLines > 1) return () => true;
  const first = prefRegex === undefined ? [] : prefRegex.literals;
  return allOf([first, anyOf(failRegexes)]);
}

/**
 * The same for whole lines, whose date is still in them.
 *
 * It says nothing of dates. A line that it turns away is not seen by the filter, which then does not know that line's date: see
 * LineMatcher.feed for what becomes of lines without one.
 */
export function lineGate(filter: ForeignFilter): (line: string) => boolean {
  return allOf(wholeLineLiterals(filter));
}

function allOf(sets: readonly (readonly RequiredLiteral[])[]): (text: string) => boolean {
  const [one, other] = sets.filter((literals) => literals.length > 0).map(literalTest);
  if (one === undefined) return () => true;
  return other === undefined ? one : (text) => one(text) && other(text);
}

function literalTest(literals: readonly RequiredLiteral[]): (text: string) => boolean {
  const [only, second] = literals;
  if (only !== undefined && second === undefined && !only.fold) return (text) => text.includes(only.text);
  const distinct = new Set(literals.map(({ text, fold }) => (fold ? foldedSource(text) : escaped(text))));
  const expression = new RegExp([...distinct].join('|'));
  return (text) => expression.test(text);
}

/** Either case of an ASCII letter; any other character that folds to it passes too. */
function foldedSource(text: string): string {
  return Array.from(text, (char) => {
    if (/[a-z]/.test(char)) return `[${char}${char.toUpperCase()}\\u0080-\\uffff]`;
    return /[\0-\x7f]/.test(char) ? escaped(char) : '(?:[\\ud800-\\udbff][\\udc00-\\udfff]|[^])';
  }).join('');
}

function escaped(text: string): string {
  return text.replaceAll(/[^0-9A-Za-z _]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
