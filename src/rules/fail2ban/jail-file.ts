import type { Diagnostic } from '../../diagnostic.ts';
import { type F2bAction, readActions } from './actions.ts';
import { type BantimePolicy, durationOf, readBantime } from './bantime.ts';
import { asKnown, type F2bFilter, openFilter, resolvedFilter } from './filter-file.ts';
import { parseReference } from './filter-reference.ts';
import { type IgnoreEntry, parseIgnoreIp } from './ignore-ip.ts';
import { defaultSection, type Section } from './ini-file.ts';
import { firstOptions, isTrue, readJailOptions } from './jail-options.ts';
import type { IniCache, Layers } from './layering.ts';
import { type LogPath, parseLogPaths } from './log-path.ts';
import { diagnosticAt, Mistake } from './mistake.ts';
import { type Place, type SourcedText, sourced } from './sourced-text.ts';

/** One enabled jail, with everything that its files say of it. */
export interface F2bJail {
  readonly name: string;
  /** Its section. */
  readonly place: Place;
  readonly reading: F2bReading;
  readonly filter: F2bFilter;
  /** As written, also where the journal is read. */
  readonly logpath: readonly LogPath[];
  /** `auto`: by the locale. */
  readonly logencoding: string;
  /** Where a date names no zone: as fail2ban takes it, `UTC+02:00` and the like. */
  readonly logtimezone: string | undefined;
  readonly maxretry: number;
  /** Lines kept for a subject. */
  readonly maxmatches: number;
  readonly findtimeMs: number;
  readonly bantime: BantimePolicy;
  readonly ignoreip: readonly IgnoreEntry[];
  /** The host's own addresses are never banned. */
  readonly ignoreself: boolean;
  /** A shell command that ends with 0 if the subject shall be ignored; `<ip>` and other tags in it. undefined: none. */
  readonly ignorecommand: string | undefined;
  /** How the answers of ignorecommand are kept. */
  readonly ignorecache: string | undefined;
  readonly actions: readonly F2bAction[];
  /** All options with their text after substitution: what `fail2ban-client -d` shows. */
  readonly options: ReadonlyMap<string, SourcedText>;
  /** What the administrator should know: something is taken otherwise than written. */
  readonly warnings: readonly Diagnostic[];
}

export type F2bReading =
  /** The jail's `logpath`, whichever way its backend watched them. Empty: nothing, the jail is for bans by hand. */
  | { readonly kind: 'files'; readonly paths: readonly LogPath[] }
  | {
      readonly kind: 'journal';
      /** One of them must fit; within one, the same field twice means either, different fields mean both. Empty: every entry. */
      readonly matches: readonly (readonly string[])[];
      /** `journalpath`, `journalfiles`, `journalflags`, `namespace` of `systemd[...]`. */
      readonly options: ReadonlyMap<string, string>;
    };

export interface JailContext {
  readonly dir: string;
  readonly layers: Layers;
  readonly cache: IniCache;
  /** The text of /etc/services. */
  readonly services: string;
  /** Takes the place of `auto`. */
  readonly backendDefault: string;
}

/** Names of the jails in the order of the files: all sections but these. */
export function jailNames({ sections }: Layers): readonly string[] {
  return [...sections.keys()].filter((name) => name !== 'INCLUDES' && name !== defaultSection);
}

/**
 * Resolves one jail.
 *
 * @returns undefined if it is not enabled: then nothing else of it is looked at
 * @throws {Mistake} for the first thing that cannot be used
 */
export function readJail(name: string, { dir, layers, cache, services, backendDefault }: JailContext): F2bJail | undefined {
  const place = layers.headings.get(name) ?? { file: layers.files[0] ?? dir, line: 0, column: 1 };
  if (!isTrue(readJailOptions(layers, name, new Set(['enabled'])).get('enabled')?.text ?? '')) return undefined;

  const first = withPlaces(readJailOptions(layers, name, firstOptions), place);
  const written = first.get('backend')?.text ?? 'auto';
  const backend = written === 'auto' ? backendDefault : written;
  const reference = first.get('filter');
  const opened =
    reference === undefined || reference.text === ''
      ? undefined
      : openFilter(reference.text, { dir, place: reference.places[0], backend, cache });
  opened?.definition.read(first, true);

  // From here on %(known/failregex)s is the filter's.
  const known = opened === undefined ? undefined : asKnown(opened.definition.resolve());
  const own = new Map([...(layers.sections.get(name) ?? []), ...(known ?? [])]);
  const options = withPlaces(readJailOptions({ ...layers, sections: new Map(layers.sections).set(name, own) }, name, undefined), place);
  opened?.definition.read(options, false);
  const filter = resolvedFilter({
    name: opened?.name ?? '',
    files: opened?.layers.files ?? [],
    values: opened?.definition.resolve() ?? new Map(),
    jail: options,
  });
  const warnings: Diagnostic[] = [];
  const warn = (at: Place, message: string, help?: string) => warnings.push(diagnosticAt(at, message, { help, severity: 'warning' }));
  if (filter.failregex.length === 0) warn(place, `the jail ${name} has no failregex: it finds nothing, and holds only bans by hand`);

  const logpath = options.get('logpath');
  const paths = logpath === undefined ? [] : parseLogPaths(logpath);
  const maxretry = numberOf(options, 'maxretry') ?? 3;
  if (maxretry < 1) warn(placeOf(options, 'maxretry', place), `maxretry = ${maxretry} is taken as 1`);
  const ignoreip = options.get('ignoreip');
  const ignored = ignoreip === undefined ? [] : parseIgnoreIp(ignoreip);
  for (const entry of ignored) {
    if (entry.kind === 'unknown')
      warn(entry.place, `ignoreip: "${entry.written}" is neither an address nor a network nor a name: it spares nobody`);
  }
  const action = options.get('action');
  return {
    name,
    place,
    reading: readingOf({ backend, filter, paths, place: placeOf(options, 'backend', place) }, warn),
    filter,
    logpath: paths,
    logencoding: options.get('logencoding')?.text ?? 'auto',
    logtimezone: textOf(options, 'logtimezone'),
    maxretry: Math.max(1, maxretry),
    maxmatches: Math.max(0, numberOf(options, 'maxmatches') ?? defaultMaxmatches),
    findtimeMs: readFindtime(options.get('findtime')),
    bantime: readBantime(options),
    ignoreip: ignored,
    ignoreself: isTrue(options.get('ignoreself')?.text ?? 'True'),
    ignorecommand: textOf(options, 'ignorecommand'),
    ignorecache: textOf(options, 'ignorecache'),
    actions: action === undefined ? [] : readActions(action, { jail: name, options, dir, services, cache }),
    options,
    warnings,
  };
}

const defaultMaxmatches = 5;
const defaultFindtimeSeconds = 600;

function readFindtime(value: SourcedText | undefined): number {
  const seconds = value === undefined ? defaultFindtimeSeconds : durationOf(value, 'findtime');
  if (seconds > 0 || value === undefined) return seconds * 1_000;
  throw new Mistake(value.places[0], `findtime: "${value.text}" is not longer than nothing: no failure would count`);
}

/** Where the jail's lines come from. `auto` without any file, but with a journalmatch, is the journal: so does fail2ban from 1.1 on. */
function readingOf(
  {
    backend,
    filter,
    paths,
    place,
  }: { readonly backend: string; readonly filter: F2bFilter; readonly paths: readonly LogPath[]; readonly place: Place },
  warn: (at: Place, message: string, help?: string) => void,
): F2bReading {
  const matches = filter.journalmatch.flatMap((words) => matchGroups(words));
  if (backend.startsWith('systemd')) {
    const parsed = parseReference(backend);
    if (typeof parsed === 'string') throw new Mistake(place, `backend: "${backend}" cannot be read: ${parsed}`);
    return { kind: 'journal', matches, options: parsed.options };
  }
  const [first] = paths;
  if (first === undefined || paths.some(({ files }) => files.length > 0)) return { kind: 'files', paths };
  const missing = `no file is there for logpath = ${paths.map(({ pattern }) => pattern).join(', ')}`;
  if (backend === 'auto' && matches.length > 0) {
    warn(first.place, `${missing}: the journal is read instead`, 'write backend = systemd');
    return { kind: 'journal', matches, options: new Map() };
  }
  warn(first.place, `${missing}: nothing is found until it appears`);
  return { kind: 'files', paths };
}

/** `A=1 B=2 + C=3` is A=1 and B=2, or C=3. */
function matchGroups(words: readonly string[]): readonly (readonly string[])[] {
  const groups: string[][] = [[]];
  for (const word of words) {
    if (word === '+') groups.push([]);
    else groups.at(-1)?.push(word);
  }
  return groups.filter((group) => group.length > 0);
}

function numberOf(options: Section, key: string): number | undefined {
  const value = options.get(key);
  return value === undefined ? undefined : Number(value.text);
}

function textOf(options: Section, key: string): string | undefined {
  const text = options.get(key)?.text;
  return text === '' ? undefined : text;
}

function placeOf(options: Section, key: string, otherwise: Place): Place {
  return options.get(key)?.places[0] ?? otherwise;
}

/** What nobody wrote counts as written where the jail begins. */
function withPlaces(options: Section, place: Place): Section {
  return new Map([...options].map(([key, value]) => [key, value.places[0].file === '' ? sourced(value.text, place) : value]));
}
