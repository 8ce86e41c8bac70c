import { isAbsolute, join, resolve } from 'node:path';
import { Definition } from './definition.ts';
import { parseReference } from './filter-reference.ts';
import { type Section, strip } from './ini-file.ts';
import { parseInteger } from './integer.ts';
import { type IniCache, type Layers, readLayers, readSingle } from './layering.ts';
import { Mistake } from './mistake.ts';
import { splitWords } from './shell-words.ts';
import { linesOf, type Place, type SourcedText, sourced } from './sourced-text.ts';

/** One line of a list, with the place where it was written, which may be an included file. */
export interface SourcedLine {
  readonly text: string;
  readonly place: Place;
}

export type UseDns = 'yes' | 'no' | 'raw';

/** A filter with its parameters put in: what the regex compiler and the date detection work on. */
export interface F2bFilter {
  /** `postfix`, or the path. */
  readonly name: string;
  /** Parameters from the brackets and, for what they leave out, from [Init]. */
  readonly options: ReadonlyMap<string, string>;
  /** The files that it is made of, in the order in which they count. */
  readonly files: readonly string[];
  readonly failregex: readonly SourcedLine[];
  readonly ignoreregex: readonly SourcedLine[];
  readonly prefregex: SourcedLine | undefined;
  /** Empty: the default templates. */
  readonly datepattern: readonly SourcedLine[];
  /** 1: line by line. */
  readonly maxlines: number;
  /** One of them must fit (OR); each is a list of words as journalctl takes them, `+` among them. */
  readonly journalmatch: readonly (readonly string[])[];
  /** `warn` is `no`: names that a client chose are not looked up to find whom to ban. */
  readonly usedns: UseDns;
  /** What the files say, before `warn` became `no`; undefined: nothing. */
  readonly usednsWritten: string | undefined;
}

/** Keys of [Definition] that mean something to a filter. A jail may have each of them too. */
export const filterOptions = ['usedns', 'prefregex', 'ignoreregex', 'failregex', 'maxlines', 'datepattern', 'journalmatch'] as const;

/** How far the options of filter, brackets and jail have come. */
export type FilterValues = ReadonlyMap<string, SourcedText>;

/**
 * Opens a filter for a jail or for itself.
 *
 * @param reference `name[option=value]` of a file in `DIR/filter.d`; a path that begins with `/` or `./` goes from there
 * @param place where the reference stands
 * @param backend of the jail: the lines of the journal begin otherwise than those of a file
 * @throws {Mistake} if there is no such filter, or a file of it is broken
 */
export function openFilter(
  reference: string,
  { dir, place, backend, cache }: { readonly dir: string; readonly place: Place; readonly backend: string; readonly cache: IniCache },
): { readonly name: string; readonly definition: Definition; readonly layers: Layers } {
  const parsed = parseReference(reference);
  if (typeof parsed === 'string') throw new Mistake(place, `the filter "${reference}" cannot be read: ${parsed}`);
  const base = parsed.name.startsWith('./') ? resolve(parsed.name) : join(dir, 'filter.d', parsed.name);
  const path = isAbsolute(parsed.name) ? parsed.name : base;
  const layers = readLayers(path, cache);
  if (layers === undefined)
    throw new Mistake(place, `there is no filter "${parsed.name}": neither ${path}.conf nor ${path}.local is there`, nameHelp(parsed.name));
  return { name: parsed.name, layers, definition: opened(layers, parsed.options, place, backend) };
}

/**
 * A filter without a jail: `sluice test --filter PATH[option=value]`. A file within a folder `filter.d` is read with all that belongs to its
 * name; any other with its `.local` and its includes.
 *
 * @param path ends in `.conf` or `.local`
 * @param place for mistakes that belong to no file
 * @throws {Mistake} like openFilter
 */
export function readFilterFile(
  path: string,
  options: ReadonlyMap<string, string>,
  { backend, cache }: { readonly backend: string; readonly cache: IniCache },
): F2bFilter {
  const place = { file: path, line: 0, column: 1 };
  const full = resolve(path);
  const standard = /^(.*\/filter\.d\/[^/]+)\.(?:conf|local)$/.exec(full)?.[1];
  const layers = standard === undefined ? readSingle(full, cache) : readLayers(standard, cache);
  if (layers === undefined) throw new Mistake(place, 'there is no such filter file');
  const definition = opened(layers, options, place, backend);
  definition.read(new Map(), false);
  return resolvedFilter({
    name: standard?.slice(standard.lastIndexOf('/') + 1) ?? path,
    files: layers.files,
    values: definition.resolve(),
    jail: new Map(),
  });
}

function opened(layers: Layers, options: ReadonlyMap<string, string>, place: Place, backend: string): Definition {
  const [broken] = layers.mistakes;
  if (broken !== undefined) {
    const { file, line, column, message, help } = broken.diagnostic;
    throw new Mistake({ file, line, column }, message, help);
  }
  const definition = new Definition(layers, filterOptions, new Map([...options].map(([key, value]) => [key, sourced(value, place)])));
  const logtype = options.get('logtype') ?? '';
  if (logtype === '' && !definition.defines('logtype')) {
    definition.setParameter('logtype', sourced(backend.startsWith('systemd') ? 'journal' : 'file', place));
  }
  return definition;
}

/**
 * What a jail's filter comes to.
 *
 * @param values of the filter, brackets included, every tag replaced
 * @param jail options of the jail; a key that both have was not read from [Definition], so `values` has it from brackets or [Init]. Then regexes
 *   and journal matches add up, the jail's datepattern counts, and of anything else the filter's: that is what the server makes of its orders
 * @throws {Mistake} for maxlines or journalmatch that cannot be read
 */
export function resolvedFilter({
  name,
  files,
  values,
  jail,
}: {
  readonly name: string;
  readonly files: readonly string[];
  readonly values: FilterValues;
  readonly jail: FilterValues;
}): F2bFilter {
  const both = (key: string) => [values.get(key), jail.get(key)].flatMap((value) => (value === undefined ? [] : linesOf(value)));
  const prefregex = values.get('prefregex') ?? jail.get('prefregex');
  const maxlines = values.get('maxlines') ?? jail.get('maxlines');
  const datepattern = jail.get('datepattern') ?? values.get('datepattern');
  const usedns = values.get('usedns') ?? jail.get('usedns');
  const known = new Set<string>(filterOptions);
  return {
    name,
    options: new Map([...values].flatMap(([key, { text }]) => (known.has(key) || key.startsWith('known/') ? [] : [[key, text] as const]))),
    files,
    failregex: both('failregex'),
    ignoreregex: both('ignoreregex'),
    prefregex: prefregex === undefined || prefregex.text === '' ? undefined : { text: prefregex.text, place: prefregex.places[0] },
    datepattern: datepattern === undefined ? [] : strippedLines(datepattern),
    maxlines: maxlines === undefined ? 1 : readMaxlines(maxlines),
    journalmatch: both('journalmatch').map(({ text, place }) => {
      const words = splitWords(text);
      if (typeof words === 'string') throw new Mistake(place, `journalmatch: ${words}`);
      return words;
    }),
    usedns: useDns(usedns?.text),
    usednsWritten: usedns?.text,
  };
}

/** Unlike an expression, a pattern of dates begins and ends with no space. */
function strippedLines(value: SourcedText): readonly SourcedLine[] {
  return linesOf(value).flatMap(({ text, place }) => (strip(text) === '' ? [] : [{ text: strip(text), place }]));
}

function useDns(written: string | undefined): UseDns {
  const value = (written ?? 'warn').toLowerCase();
  return value === 'yes' || value === 'raw' ? value : 'no';
}

function readMaxlines({ text, places }: SourcedText): number {
  const count = parseInteger(text);
  if (count === undefined || count < 1) throw new Mistake(places[0], `maxlines: "${text}" is not a number from 1`);
  return count;
}

function nameHelp(name: string): string | undefined {
  if (name !== name.trim()) return 'no space may stand before the "["';
  return name.endsWith('.conf') ? 'name it without ".conf"' : undefined;
}

/** The options and parameters of a filter as a jail sees them, `%(known/failregex)s`. */
export function asKnown(values: Section): Section {
  return new Map([...values].flatMap(([key, value]) => (key.startsWith('known/') ? [] : [[`known/${key}`, value] as const])));
}
