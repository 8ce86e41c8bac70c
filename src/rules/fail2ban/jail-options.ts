import type { Section } from './ini-file.ts';
import { parseInteger } from './integer.ts';
import { interpolate, type Sources } from './interpolate.ts';
import { Mistake } from './mistake.ts';
import { type SourcedText, sourced } from './sourced-text.ts';

type OptionType = 'string' | 'int' | 'bool';

/** Every option of a jail that means something, with its type and, where there is one, the value that it has without being written. */
const jailOptions: readonly (readonly [name: string, type: OptionType, otherwise?: string])[] = [
  ['enabled', 'bool', 'False'],
  ['backend', 'string', 'auto'],
  ['maxretry', 'int'],
  ['maxmatches', 'int'],
  ['findtime', 'string'],
  ['bantime', 'string'],
  ['bantime.increment', 'bool'],
  ['bantime.factor', 'string'],
  ['bantime.formula', 'string'],
  ['bantime.multipliers', 'string'],
  ['bantime.maxtime', 'string'],
  ['bantime.rndtime', 'string'],
  ['bantime.overalljails', 'bool'],
  ['ignorecommand', 'string'],
  ['ignoreself', 'bool'],
  ['ignoreip', 'string'],
  ['ignorecache', 'string'],
  ['filter', 'string', ''],
  ['logtimezone', 'string'],
  ['logencoding', 'string'],
  ['logpath', 'string'],
  ['action', 'string', ''],
  ['usedns', 'string'],
  ['prefregex', 'string'],
  ['ignoreregex', 'string'],
  ['failregex', 'string'],
  ['maxlines', 'int'],
  ['datepattern', 'string'],
  ['journalmatch', 'string'],
];

export const firstOptions: ReadonlySet<string> = new Set(['enabled', 'backend', 'filter']);

/**
 * Reads options of a jail, each with `%()s` replaced. Switches come out as `True` and `False`, numbers without leading zeros: so they stand
 * where a filter or an action uses them as variables.
 *
 * @param only these; undefined: all
 * @throws {Mistake} for what cannot be replaced, and for a number that is none
 */
export function readJailOptions(sources: Sources, jail: string, only: ReadonlySet<string> | undefined): Section {
  const options = new Map<string, SourcedText>();
  for (const [name, type, otherwise] of jailOptions) {
    if (only !== undefined && !only.has(name)) continue;
    const value = interpolate(sources, jail, name);
    if (value !== undefined) options.set(name, converted(name, type, value));
    else if (otherwise !== undefined) options.set(name, sourced(otherwise, { file: '', line: 0, column: 1 }));
  }
  return options;
}

function converted(name: string, type: OptionType, value: SourcedText): SourcedText {
  const [place] = value.places;
  if (type === 'string') return value;
  if (type === 'bool') return sourced(isTrue(value.text) ? 'True' : 'False', place);
  const number = parseInteger(value.text);
  if (number === undefined) throw new Mistake(place, `${name}: "${value.text}" is not a whole number`);
  return sourced(String(number), place);
}

/** `1 on true yes` are true, in any letter case; everything else is false. */
export function isTrue(text: string): boolean {
  return ['1', 'on', 'true', 'yes'].includes(text.toLowerCase());
}
