import type { FoundDate, WallClock } from '../../model/foreign-filter.ts';
import { expandDateTokens } from './date-tokens.ts';
import { asciiDigits, dateValue } from './date-value.ts';
import { compileDateSearch, type DateHit } from './date-search.ts';
import { RegexMistake } from './regex-tree.ts';

export interface DateSettings {
  /** `%ExY` takes years up to the end of its decade. */
  readonly lastYear: number;
  /** Minutes from UTC for dates without a zone (`logtimezone`); undefined: the log's wall clock. */
  readonly defaultZone: number | undefined;
}

export interface DateTemplate {
  /** Only fits at the beginning of a line. */
  readonly lineStart: boolean;
  readonly find: (line: string, ascii: boolean) => PlacedDate | undefined;
}

export interface PlacedDate {
  readonly found: FoundDate;
  /** Where the whole template begins to fit; what is cut out may begin behind that. */
  readonly from: number;
  /** The template only fits at the line's beginning or up to its end, so no text from outside can stand before or behind. */
  readonly anchored: boolean;
}

const shortEpoch = '\\d{10,11}\\b(?:\\.\\d{3,6})?';
/** Also with ms or µs, with a point or without. */
const longEpoch = '\\d{10,11}(?:\\d{3}(?:\\.\\d{1,6}|\\d{3})?)?';
const lineBegin = '{^LN-BEG}';

/**
 * One template from one line of `datepattern`, other than the lines that stand for several.
 *
 * @throws {RegexMistake} if it cannot be understood
 */
export function dateTemplate(pattern: string, settings: DateSettings): DateTemplate {
  const key = pattern.includes('%') ? pattern : pattern.toUpperCase();
  if (key.includes('EPOCH')) {
    const long = key.includes('LEPOCH');
    const epoch = long ? longEpoch : shortEpoch;
    if (/(?<!\\)\{L?EPOCH\}/i.test(pattern)) {
      const inner = pattern.replace(lineBegin, '').replaceAll(/(?<!\\)\{L?EPOCH\}/gi, () => `(${epoch})`);
      // A group of the pattern's own is what is cut out, since 1.1.0; before, all of it was.
      return template(
        bounded(hasGroup(pattern) ? inner : `(${inner})`, { begin: pattern.startsWith(lineBegin) ? 'line' : 'word', end: true }),
        epochValue(long, 2),
      );
    }
    const name = long ? 'LEPOCH' : 'EPOCH';
    // At the line's start, behind "[" there, or in SELinux' "audit(".
    if (key === name)
      return template(bounded(`((?:^|(?<=^\\[)|(?<=\\baudit\\())${epoch})`, { begin: 'none', end: true }), epochValue(long, 1));
    if (key === `^${name}` || key === `${lineBegin}${name}`)
      return template(bounded(`(${epoch})`, { begin: 'line', end: true }), epochValue(long, 1));
  }
  const tai = /^(\^|\{\^LN-BEG\})?TAI64N$/.exec(key);
  if (tai !== null) return template(bounded('@[0-9a-f]{24}', { begin: tai[1] === undefined ? 'none' : 'line', end: true }), tai64Value);
  return patternTemplate(pattern, settings);
}

type Value = (groups: DateHit['groups'], fields: DateHit['fields']) => FoundDate['valueMs'];

function patternTemplate(pattern: string, { lastYear, defaultZone }: DateSettings): DateTemplate {
  const unbound = pattern.startsWith('{UNB}');
  const rest = unbound ? pattern.slice('{UNB}'.length) : pattern;
  const begin = unbound ? 'none' : rest.startsWith(lineBegin) ? 'line' : 'word';
  const expanded = expandDateTokens(begin === 'line' ? rest.slice(lineBegin.length) : rest, lastYear);
  if (expanded === undefined)
    throw new RegexMistake(
      0,
      pattern.length,
      `a "%" in "${pattern}" begins nothing that a datepattern has`,
      'write %% for the character itself',
    );
  const text = bounded(`${expanded.fold ? '(?i)' : ''}${expanded.text}`, { begin, end: !unbound });
  const value: Value = (_groups, fields) => remembering((nowMs, wallClock) => dateValue(fields(), { nowMs, wallClock, defaultZone }));
  return template(text, isSelfContained(expanded.text) ? sameForSame(value) : value);
}

/**
 * Whether the same text always has the same fields: all of the expression is the group that is cut out, and it looks at nothing around it. What
 * stands there only decides where the text ends.
 */
function isSelfContained(expression: string): boolean {
  return !/[\^$]|\\[bB]|\((?!\?)|\(\?[=!<]/.test(expression);
}

/** Lines of a busy second have the same date. */
function sameForSame(value: Value): Value {
  let lastText: string | undefined;
  let last: FoundDate['valueMs'] = () => undefined;
  return (groups, fields) => {
    const [, text] = groups;
    if (text === undefined) return value(groups, fields);
    if (text !== lastText) [lastText, last] = [text, value(groups, fields)];
    return last;
  };
}

function remembering(valueMs: FoundDate['valueMs']): FoundDate['valueMs'] {
  let known: { readonly nowMs: number; readonly wallClock: WallClock; readonly ms: number | undefined } | undefined;
  return (nowMs, wallClock) => {
    if (known?.nowMs !== nowMs || known.wallClock !== wallClock) known = { nowMs, wallClock, ms: valueMs(nowMs, wallClock) };
    return known.ms;
  };
}

/**
 * Puts bounds around an expression for a date, as far as it has none of its own: `**` at an end says that it wants none there. What is cut
 * out is its first group: all of it, if it has none.
 */
function bounded(written: string, { begin, end }: { readonly begin: 'word' | 'line' | 'none'; readonly end: boolean }): string {
  let text = written.trim();
  const flags = /\(\?[a-z]+\)/.exec(text)?.[0] ?? '';
  if (flags !== '') text = text.replace(flags, '');
  const boundBegin = begin !== 'none' && !/^\(*(?:\(\?\w+\))?(?:\^|\(*\*\*|\((?:\?:)?\^)/.test(text);
  const boundEnd = end && !/(?<!\\)(?:\$\)?|\\b|\\s|\*\*\)*)$/.test(text);
  if (!hasGroup(text)) {
    text = text.replace(/^(\^?)([^]*?)(\$?)$/, (_whole, start: string, inner: string, stop: string) => `${start}(${inner})${stop}`);
  }
  if (boundBegin) text = `${begin === 'line' ? '^(?:\\W{0,2})?' : '(?=^|\\b|\\W)'}${text}`;
  if (boundEnd) text += '(?=\\b|\\W|$)';
  text = text.replaceAll(/^\(*(?:\(\?\w+\))?\(*\*\*|(?<!\\)\*\*\)*$/g, (found) => found.replaceAll('**', ''));
  return flags + text;
}

/** As fail2ban sees it: a named group is none. */
function hasGroup(text: string): boolean {
  return /(?<!\(\?)(?<!\\)\((?!\?)/.test(text);
}

function template(text: string, value: Value): DateTemplate {
  const search = compileDateSearch(text);
  const lineStart = /^(?:\(\?\w+\))?(?:\^|\((?:\?:)?\^(?!\|))/.test(text);
  const anchored = lineStart || /(?<![\\|])\$\)?$/.test(text);
  return {
    lineStart,
    find: (line, ascii) => {
      const hit = search(line, ascii);
      if (hit === undefined) return undefined;
      const { from, start, end } = hit;
      return { found: { start, end, valueMs: value(hit.groups, hit.fields) }, from, anchored };
    },
  };
}

function epochValue(long: boolean, group: number): Value {
  return (groups) => () => {
    const text = groups[group] ?? '';
    const value = Number(asciiDigits(text));
    // Two groups stand before the number in the pattern, and the second of them is none.
    if (Number.isNaN(value)) return undefined;
    if (!long || text.length < 13) return value * 1_000;
    return text.length >= 16 && !text.includes('.') ? value / 1_000 : value;
  };
}

/** Seconds in hexadecimal behind "@4"; leap seconds are left as they are. */
function tai64Value(groups: readonly (string | undefined)[]): FoundDate['valueMs'] {
  return () => Number.parseInt((groups[1] ?? '').slice(2, 17), 16) * 1_000;
}
