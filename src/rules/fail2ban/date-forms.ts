import type { FoundDate } from '../../model/foreign-filter.ts';
import { dateFinder, defaults } from './date-finder.ts';
import type { DateSettings } from './date-template.ts';

/** One of the forms of dates that a filter looks for, alone. */
export interface DateForm {
  /** As fail2ban names it: `{^LN-BEG}(?:DAY )?MON Day %k:Minute:Second(?:\.Microseconds)?(?: ExYear)?`. */
  readonly name: string;
  readonly find: (line: string) => FoundDate | undefined;
}

const lineBegin = '{^LN-BEG}';

/** The forms behind `datepattern`, in the order in which they are tried. @param patterns as for dateFinder, without mistakes */
export function dateForms(patterns: readonly string[], settings: DateSettings): readonly DateForm[] {
  const forms = patterns.length === 0 ? allDefaults() : patterns.flatMap(formsOf);
  return forms.map((form) => {
    let finder: ReturnType<typeof dateFinder> | undefined;
    return { name: nameOf(form), find: (line) => (finder ??= dateFinder([form], settings)).find(line) };
  });
}

function formsOf(pattern: string): readonly string[] {
  const key = pattern.includes('%') ? pattern : pattern.toUpperCase();
  if (key === '{DEFAULT}') return allDefaults();
  if (key === lineBegin) return allDefaults().filter((form) => form.startsWith('^') || form.startsWith(lineBegin));
  if (!key.includes('{DATE}')) return [pattern];
  return defaults.map((form) => pattern.replaceAll(/(?<!\\)\{DATE\}/gi, () => form.replace(lineBegin, '')));
}

/** Those that may stand anywhere are tried at the beginning of the line first. */
function allDefaults(): readonly string[] {
  return [...defaults.filter((form) => !form.startsWith(lineBegin) && !form.startsWith('^')).map((form) => lineBegin + form), ...defaults];
}

/** What fail2ban calls the fields of a form; those that are not here keep their `%`. */
const fields: Readonly<Record<string, string>> = {
  a: 'DAY',
  A: 'DAYNAME',
  b: 'MON',
  B: 'MONTH',
  d: 'Day',
  H: '24hour',
  I: '12hour',
  j: 'Yearday',
  m: 'Month',
  M: 'Minute',
  p: 'AMPM',
  S: 'Second',
  U: 'Yearweek',
  w: 'Weekday',
  W: 'Yearweek',
  y: 'Year2',
  Y: 'Year',
  z: 'Zone offset',
  f: 'Microseconds',
  Z: 'Zone name',
  '%': '%',
};

function nameOf(form: string): string {
  const bare = form.replace(lineBegin, '').toUpperCase();
  const epoch = ({ EPOCH: 'Epoch', LEPOCH: 'LongEpoch', TAI64N: 'TAI64N' } as Readonly<Record<string, string>>)[bare];
  if (epoch !== undefined) return form.startsWith(lineBegin) ? lineBegin + epoch : epoch;
  return form.replaceAll(/%(Ex)?([a-zA-Z%])/g, (whole, extended: string | undefined, letter: string) => {
    const field = fields[letter];
    return field === undefined ? whole : `${extended ?? ''}${field}`;
  });
}
