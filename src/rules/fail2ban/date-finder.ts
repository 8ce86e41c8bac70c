import type { DateFinder } from '../../model/foreign-filter.ts';
import { isAscii } from './date-search.ts';
import { dateTemplate } from './date-template.ts';
import type { DateSettings, DateTemplate, PlacedDate } from './date-template.ts';

const lineBegin = '{^LN-BEG}';
const fraction = '(?:\\.%f)?';

/** The forms of dates that are looked for where a filter does not say, in this order. */
export const defaults: readonly string[] = [
  // 2005-01-23T21:59:59.981746+02:00, 2005/01/23 21:59:59
  '%ExY(?P<_sep>[-/.])%m(?P=_sep)%d(?:T|  ?)%H:%M:%S(?:[.,]%f)?(?:\\s*%z)?',
  // Sun Jan 23 21:59:59.011 2005
  `(?:%a )?%b %d %k:%M:%S${fraction}(?: %ExY)?`,
  // Sun Jan 23 2005 21:59:59.011
  `(?:%a )?%b %d %ExY %k:%M:%S${fraction}`,
  // 23/01/2005 21:59:59
  '%d(?P<_sep>[-/])%m(?P=_sep)(?:%ExY|%Exy) %k:%M:%S',
  // 23/Jan/2005:21:59:59 +0100
  `%d(?P<_sep>[-/])%b(?P=_sep)%ExY[ :]?%H:%M:%S${fraction}(?: %z)?`,
  // 01/23/2005:21:59:59
  '%m/%d/%ExY:%H:%M:%S',
  // 01-23-2005 21:59:59.252
  `%m-%d-%ExY %k:%M:%S${fraction}`,
  'EPOCH',
  `${lineBegin}%H:%M:%S`,
  // <01/23/05@21:59:59>
  '^<%m/%d/%Exy@%H:%M:%S>',
  // 050123 21:59:59
  '%Exy%Exm%Exd  ?%H:%M:%S',
  // Jan 23, 2005 9:59:59 PM
  '%b %d, %ExY %I:%M:%S %p',
  // Jan-23-05 21:59:59
  '^%b-%d-%Exy %k:%M:%S',
  // 20050123T215959, 20050123-21:59:59
  '%ExY%Exm%Exd(?:-|T|  ?)%ExH:?%ExM:?%ExS(?:[.,]%f)?(?:\\s*%z)?',
  // CET Sun Jan 23 21:59:59
  `(?:%Z )?(?:%a )?%b %d %k:%M:%S${fraction}(?: %ExY)?`,
  // +01:00 Jan 23 21:59:59
  `(?:%z )?(?:%a )?%b %d %k:%M:%S${fraction}(?: %ExY)?`,
  'TAI64N',
];

/** What one line of `datepattern` finds. */
export interface DateSource {
  readonly find: (line: string, ascii: boolean) => PlacedDate | undefined;
  /** As in DateFinder. */
  readonly endsWord: boolean;
}

/** A finder for the lines of `datepattern`; for none of them the default forms. @throws {RegexMistake} as dateSource does */
export function dateFinder(patterns: readonly string[], settings: DateSettings): DateFinder {
  return finderOf(patterns.length === 0 ? [dateSource(undefined, settings)] : patterns.map((pattern) => dateSource(pattern, settings)));
}

/** @param pattern undefined: the default forms. @throws {RegexMistake} if it cannot be understood */
export function dateSource(pattern: string | undefined, settings: DateSettings): DateSource {
  const find = nearest(pattern === undefined ? allDefaults(settings) : templatesOf(pattern, settings));
  if (pattern === undefined || /^(?:\{DEFAULT\}|\{\^LN-BEG\})$/i.test(pattern)) return { endsWord: true, find: sameAsBefore(find) };
  // These end in a digit or a letter, and their bounds ask for the end of a word there; "<...>" only fits at the line's beginning.
  return { endsWord: /^(?:\{\^LN-BEG\}|\^)?(?:TAI64N|L?EPOCH)$/i.test(pattern), find };
}

export function finderOf(sources: readonly DateSource[]): DateFinder {
  const find = nearest(sources);
  return {
    endsWord: sources.every(({ endsWord }) => endsWord),
    find: (line, ascii = isAscii(line)) => find(line, ascii)?.found,
  };
}

/** A date here is the line's own, whatever fits further on: behind one character, "[" for one. */
const atBeginning = 1;

/**
 * The first of those that stand at the line's beginning, else the one that stands first in the line: what clients say stands behind the date that
 * the server wrote, and is not to be taken for it. fail2ban comes to the same by what it keeps of the lines before; where it differs is that it takes
 * the last template of all at once wherever it fits, until another has fitted.
 */
function nearest(sources: readonly Pick<DateTemplate, 'find'>[]): DateSource['find'] {
  return (line, ascii) => {
    let best: PlacedDate | undefined;
    for (const source of sources) {
      const hit = source.find(line, ascii);
      if (hit === undefined) continue;
      if (hit.anchored || hit.from <= atBeginning) return hit;
      if (best === undefined || hit.from < best.from) best = hit;
    }
    return best;
  };
}

/** Of `Jan 23 21:59:59`. */
const shortLength = 15;
const [blank, two] = [0x20, 0x32];
const shortForm = /^[A-Za-z]{3} [ \d]\d /;

/**
 * Lines of a busy second begin with the same date, and need no expression to know it: `Jan 23 21:59:59` at the beginning of a line, a blank
 * behind it and then no "2", with which a year might begin. The first form needs a digit there, so it fits none of them; the second looks no further.
 */
function sameAsBefore(find: DateSource['find']): DateSource['find'] {
  let lastText = '';
  let last: PlacedDate | undefined;
  return (line, ascii) => {
    const short = line.charCodeAt(shortLength) === blank && line.charCodeAt(shortLength + 1) !== two;
    if (short && last !== undefined && line.startsWith(lastText)) return last;
    const hit = find(line, ascii);
    // A date of this length that begins with the name of a month is of the second form: no other of the forms has both.
    if (short && hit?.found.start === 0 && hit.found.end === shortLength && shortForm.test(line)) {
      lastText = line.slice(0, shortLength);
      last = hit;
    }
    return hit;
  };
}

function templatesOf(pattern: string, settings: DateSettings): readonly DateTemplate[] {
  const key = pattern.includes('%') ? pattern : pattern.toUpperCase();
  if (key === '{DEFAULT}') return allDefaults(settings);
  if (key === lineBegin) return allDefaults(settings).filter(({ lineStart }) => lineStart);
  if (key === '{NONE}') return [dateTemplate('{UNB}^', settings)];
  if (key.includes('{DATE}')) {
    return defaults.map((form) => {
      const bare = form.startsWith(lineBegin) ? form.slice(lineBegin.length) : form;
      return dateTemplate(
        pattern.replaceAll(/(?<!\\)\{DATE\}/gi, () => bare),
        settings,
      );
    });
  }
  return [dateTemplate(pattern, settings)];
}

/** Templates keep nothing of the lines that they see, and a hundred filters use the same ones: they are compiled once. */
let compiledDefaults:
  | { readonly lastYear: number; readonly defaultZone: number | undefined; readonly templates: readonly DateTemplate[] }
  | undefined;

function allDefaults(settings: DateSettings): readonly DateTemplate[] {
  const { lastYear, defaultZone } = settings;
  if (compiledDefaults?.lastYear !== lastYear || compiledDefaults.defaultZone !== defaultZone)
    compiledDefaults = { lastYear, defaultZone, templates: compileDefaults(settings) };
  return compiledDefaults.templates;
}

/** Those that may stand anywhere are tried at the beginning of the line first. */
function compileDefaults(settings: DateSettings): readonly DateTemplate[] {
  const anchored = defaults.filter((form) => !form.startsWith(lineBegin) && !form.startsWith('^')).map((form) => lineBegin + form);
  return [...anchored, ...defaults].map((form) => whenAsked(form, settings));
}

/** Most logs need the first two alone, and to compile all of them takes longer than to read many a log. */
function whenAsked(form: string, settings: DateSettings): DateTemplate {
  let made: DateTemplate | undefined;
  return {
    lineStart: form.startsWith(lineBegin) || form.startsWith('^'),
    find: (line, ascii) => (made ??= dateTemplate(form, settings)).find(line, ascii),
  };
}
