import type { DateFinder, FoundDate } from '../../model/foreign-filter.ts';
import { isAscii } from './date-search.ts';
import { dateTemplate } from './date-template.ts';
import type { DateSettings, DateTemplate } from './date-template.ts';

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
  // 20050123T215959
  '%ExY%Exm%Exd(?:T|  ?)%ExH%ExM%ExS(?:[.,]%f)?(?:\\s*%z)?',
  // CET Sun Jan 23 21:59:59
  `(?:%Z )?(?:%a )?%b %d %k:%M:%S${fraction}(?: %ExY)?`,
  // +01:00 Jan 23 21:59:59
  `(?:%z )?(?:%a )?%b %d %k:%M:%S${fraction}(?: %ExY)?`,
  'TAI64N',
];

/**
 * A finder for the lines of `datepattern`; for none of them the default forms. The first template in the order of the list that fits is
 * taken: fail2ban moves those that fitted often to the front, which the logs that it knows do not need.
 *
 * @throws {RegexMistake} for a line that cannot be understood; `index` in its message is not given: compile line by line to know
 */
export function dateFinder(patterns: readonly string[], settings: DateSettings): DateFinder {
  const templates = patterns.length === 0 ? allDefaults(settings) : patterns.flatMap((pattern) => templatesOf(pattern, settings));
  const usual = patterns.every((pattern) => /^(?:\{DEFAULT\}|\{\^LN-BEG\})$/i.test(pattern));
  const find = (line: string, ascii: boolean): ByTemplate | undefined => {
    for (const [index, template] of templates.entries()) {
      const found = template.find(line, ascii);
      if (found !== undefined) return { found, index };
    }
    return undefined;
  };
  return {
    // These end in a digit or a letter, and their bounds ask for the end of a word there; "<...>" only fits at the line's beginning.
    endsWord: usual || patterns.every((pattern) => /^(?:\{DEFAULT\}|\{\^LN-BEG\}|(?:\{\^LN-BEG\}|\^)?(?:TAI64N|L?EPOCH))$/i.test(pattern)),
    find: usual ? sameAsBefore(find) : (line, ascii = isAscii(line)) => find(line, ascii)?.found,
  };
}

interface ByTemplate {
  readonly found: FoundDate;
  /** The template's place in the list. */
  readonly index: number;
}

/** Of `Jan 23 21:59:59`, and the place of its form in the lists of default forms. */
const shortLength = 15;
const shortIndex = 1;
const [blank, two] = [0x20, 0x32];

/**
 * Lines of a busy second begin with the same date, and need no expression to know it: `Jan 23 21:59:59` at the beginning of a line, a blank
 * behind it and then no "2", with which a year might begin. The first form needs a digit there, so it fits none of them; the second looks no further.
 */
function sameAsBefore(find: (line: string, ascii: boolean) => ByTemplate | undefined): DateFinder['find'] {
  let lastText = '';
  let last: FoundDate | undefined;
  return (line, ascii) => {
    const short = line.charCodeAt(shortLength) === blank && line.charCodeAt(shortLength + 1) !== two;
    if (short && last !== undefined && line.startsWith(lastText)) return last;
    const hit = find(line, ascii ?? isAscii(line));
    if (short && hit?.index === shortIndex && hit.found.start === 0 && hit.found.end === shortLength) {
      lastText = line.slice(0, shortLength);
      last = hit.found;
    }
    return hit?.found;
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
