import type { ForeignFilter, ForeignRegex, RequiredLiteral } from '../../model/foreign-filter.ts';

/**
 * A quick test for texts that no expression of the filter can match; true means "perhaps". Made of the literals that matches cannot do
 * without. Exact for a text whose date was cut out already; what was cut may have stood in the middle of a literal.
 */
export function literalGate({ failRegexes, prefRegex, maxLines }: ForeignFilter): (text: string) => boolean {
  // Literals of one match may lie in different lines then.
  if (maxLines > 1) return () => true;
  const first = prefRegex === undefined ? [] : prefRegex.literals;
  const gates = [first, anyOf(failRegexes)].filter((literals) => literals.length > 0).map(literalTest);
  const [one, other] = gates;
  if (one === undefined) return () => true;
  return other === undefined ? one : (text) => one(text) && other(text);
}

/**
 * The same for whole lines, whose date is still in them: of a literal in which the date stood, one half is whole.
 *
 * It says nothing of dates. A line that it turns away is not seen by the filter, which then does not know that line's date: see
 * LineMatcher.feed for what becomes of lines without one.
 */
export function lineGate(filter: ForeignFilter): (line: string) => boolean {
  const halved = (regex: ForeignRegex): ForeignRegex => ({ ...regex, literals: regex.literals.flatMap(halvesOf) });
  const { failRegexes, prefRegex } = filter;
  return literalGate({
    ...filter,
    failRegexes: failRegexes.map(halved),
    prefRegex: prefRegex === undefined ? undefined : halved(prefRegex),
  });
}

function halvesOf({ text, fold }: RequiredLiteral): readonly RequiredLiteral[] {
  const chars = Array.from(text);
  return [
    { text: chars.slice(0, Math.ceil(chars.length / 2)).join(''), fold },
    { text: chars.slice(Math.floor(chars.length / 2)).join(''), fold },
  ];
}

/** Literals of which a text that one of these matches holds at least one; none if that cannot be said of one of them. */
function anyOf(regexes: readonly ForeignRegex[]): readonly RequiredLiteral[] {
  if (regexes.some(({ literals }) => literals.length === 0)) return [];
  return regexes.flatMap(({ literals }) => literals);
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
