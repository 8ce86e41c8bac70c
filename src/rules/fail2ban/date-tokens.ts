const dayNames = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;
const monthNames = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
] as const;

/** 0 for Monday to 6, by full name or by its first three letters; -1 for anything else. */
export function weekdayIndex(name: string): number {
  return dayNames.findIndex((known) => known === name.toLowerCase() || known.slice(0, 3) === name.toLowerCase());
}

/** 0 for January to 11. */
export function monthIndex(name: string): number {
  return monthNames.findIndex((known) => known === name.toLowerCase() || known.slice(0, 3) === name.toLowerCase());
}

const abbreviation = '[A-Z](?:[A-Z]{2,4})?';
const offset = '[+-][01]\\d(?::?\\d{2})?';
const full = (names: readonly string[]): string => names.toSorted((a, b) => b.length - a.length).join('|');
const short = (names: readonly string[]): string => names.map((name) => name.slice(0, 3)).join('|');

/** What the tokens of a datepattern stand for. Groups bear the name of the field. */
const tokens: Readonly<Record<string, string>> = {
  '%': '%',
  a: `(?P<a>${short(dayNames)})`,
  A: `(?P<A>${full(dayNames)})`,
  b: `(?P<b>${short(monthNames)})`,
  B: `(?P<B>${full(monthNames)})`,
  d: '(?P<d>[12]\\d|[0 ]?[1-9]|3[01])',
  Exd: '(?P<d>[12]\\d|0[1-9]|3[01])',
  f: '(?P<f>[0-9]{1,6})',
  G: '(?P<G>\\d{4})',
  H: '(?P<H>[01]?\\d|2[0-3])',
  ExH: '(?P<H>[01]\\d|2[0-3])',
  I: '(?P<I>1[0-2]|0[1-9]|[1-9])',
  j: '(?P<j>36[0-6]|3[0-5]\\d|[12]\\d{2}|0[1-9]\\d|00[1-9]|[1-9]\\d|0[1-9]|[1-9])',
  k: ' ?(?P<H>[0-2]?\\d)',
  Exk: ' ?(?P<H>[01]?\\d|2[0-3])',
  l: ' ?(?P<I>1?\\d)',
  Exl: ' ?(?P<I>1[0-2]|\\d)',
  m: '(?P<m>0?[1-9]|1[0-2])',
  Exm: '(?P<m>0[1-9]|1[0-2])',
  M: '(?P<M>[0-5]?\\d)',
  ExM: '(?P<M>[0-5]\\d)',
  p: '(?P<p>am|pm)',
  S: '(?P<S>[0-5]?\\d|6[01])',
  ExS: '(?P<S>[0-5]\\d|6[01])',
  u: '(?P<u>[1-7])',
  U: '(?P<U>5[0-3]|[0-4]\\d|\\d)',
  V: '(?P<V>5[0-3]|0[1-9]|[1-4]\\d|\\d)',
  w: '(?P<w>[0-6])',
  W: '(?P<W>5[0-3]|[0-4]\\d|\\d)',
  y: '(?P<y>\\d{2})',
  Exy: '(?P<y>\\d{2})',
  Y: '(?P<Y>\\d{4})',
  z: `(?P<z>Z|UTC|GMT|${offset})`,
  Exz: `(?P<z>(?:${abbreviation})?${offset}|${abbreviation})`,
  Z: '(?P<Z>Z|[A-Z]{3,5})',
  ExZ: `(?P<Z>${abbreviation})`,
};

const combined: Readonly<Record<string, string>> = { c: '%a\\s+%b\\s+%d\\s+%H:%M:%S\\s+%Y', x: '%m/%d/%y', X: '%H:%M:%S' };

/**
 * A datepattern with its tokens replaced, and whether letter case counts: it does not where a pattern holds names.
 *
 * @param lastYear `%ExY` takes 2000 to the end of that decade
 * @returns undefined if a `%` begins no token
 */
export function expandDateTokens(pattern: string, lastYear: number): { readonly text: string; readonly fold: boolean } | undefined {
  const decades = Array.from({ length: Math.max(1, Math.floor(lastYear / 10) - 199) }, (_, index) => String(200 + index));
  let valid = true;
  const replace = (text: string): string =>
    text.replaceAll(/%(%|Ex[A-Za-z]|[A-Za-z])?/g, (found, name: string | undefined) => {
      if (name === 'ExY') return `(?P<Y>(?:${decades.join('|')})\\d)`;
      const nested = name === undefined ? undefined : combined[name];
      if (nested !== undefined) return replace(nested);
      const known = name === undefined ? undefined : tokens[name];
      valid &&= known !== undefined;
      return known ?? found;
    });
  const text = replace(pattern);
  return valid ? { text, fold: /(?<!%)%[aAbBpc]/.test(pattern) } : undefined;
}
