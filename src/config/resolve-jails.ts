import type { Jail } from '../model/decision.ts';
import type { Filter, Ports } from '../model/filter.ts';
import type { ForeignDialect } from '../model/foreign-dialect.ts';
import { parsePorts } from '../model/ports.ts';
import { didYouMean } from '../model/spelling.ts';
import type { Bantime, Config, WrittenForeignJail } from './config.ts';
import type { Parts } from './part.ts';
import { resolveForeign } from './resolve-foreign-jail.ts';
import { jail as jailSchema, schema } from './schema.ts';
import type { Path } from './tree.ts';

/** What the configuration needs to know of a filter; a Filter is one. */
export type KnownFilter = Pick<Filter, 'name' | 'ports'> & { readonly patterns: readonly { readonly name: string }[] };

export interface JailContext {
  readonly filters: readonly KnownFilter[];
  /** Names of filters whose file is broken: that has been reported, and a jail that names one is not to blame. */
  readonly brokenFilters: readonly string[];
  /** Text of /etc/services. */
  readonly services: string;
  readonly dialect: ForeignDialect;
}

export const jailName = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** `sluice ban` without `--jail` has this one. */
export const manualJail = 'manual';

export function resolveDefaults(parts: Parts): Config['defaults'] | undefined {
  const read = parts.take(schema.entries.defaults, ['defaults']);
  const bantime = read === undefined ? undefined : resolveBantime(parts, ['defaults', 'bantime'], read.bantime);
  if (read === undefined || bantime === undefined) return undefined;
  return { maxretry: read.maxretry, findtimeMs: read.findtime, bantime, prefix: read.prefix };
}

/** @returns the enabled jails, in the order of the files; those with a mistake are missing, and it has been reported */
export function resolveJails(
  parts: Parts,
  defaults: Config['defaults'],
  context: JailContext,
): { readonly jails: readonly Jail[]; readonly foreignJails: readonly WrittenForeignJail[] } {
  const tree = parts.treeAt(['jails']);
  const names = tree?.kind === 'map' ? [...tree.entries.keys()] : [];
  const jails: Jail[] = [];
  const foreignJails: WrittenForeignJail[] = [];
  let disabled = 0;
  for (const name of names) {
    const path = ['jails', name];
    if (!jailName.test(name)) {
      parts.mistake(path, `found "${name}", wanted a name of up to 64 letters, digits, "_", "." and "-"`);
    } else if (name === manualJail) {
      parts.mistake(path, `the jail "${manualJail}" exists already: it holds what "sluice ban" bans`, 'take another name');
    }
    const isForeign = choosesFilter(parts, path);
    // Taken apart, so that a mistake elsewhere in the jail does not hide an unknown filter.
    const filters = resolveFilters(parts, path, context);
    const ports = resolvePorts(parts, path, isForeign ? undefined : (filters ?? []), context);
    const read = parts.take(jailSchema, path);
    if (read === undefined) continue;
    const bantime = read.bantime === undefined ? defaults.bantime : resolveBantime(parts, [...path, 'bantime'], read.bantime);
    if (!read.enabled) disabled++;
    if (isForeign && read.fail2ban !== undefined) {
      const { maxretry = defaults.maxretry, findtime: findtimeMs = defaults.findtimeMs, prefix = {}, observe } = read;
      const policy =
        bantime === undefined || ports === undefined ? undefined : { name, maxretry, findtimeMs, bantime, prefix, ports, observe };
      const foreign = resolveForeign(parts, path, { written: read.fail2ban, policy, dialect: context.dialect });
      if (read.enabled && foreign !== undefined) foreignJails.push(foreign);
      continue;
    }
    if (!read.enabled || filters === undefined || ports === undefined || bantime === undefined) continue;
    jails.push({
      name,
      filters,
      maxretry: read.maxretry ?? defaults.maxretry,
      findtimeMs: read.findtime ?? defaults.findtimeMs,
      bantime,
      prefix: { ipv4: read.prefix?.ipv4 ?? defaults.prefix.ipv4, ipv6: read.prefix?.ipv6 ?? defaults.prefix.ipv6 },
      ports,
      observe: read.observe,
    });
  }
  // fail2ban's jails may be all that there are.
  if (names.length === disabled && !parts.guessed(['jails']) && parts.treeAt(['fail2ban']) === undefined) {
    const what =
      names.length === 0 ? 'no jail is named: nobody would ever be banned' : 'every jail is disabled: nobody would ever be banned';
    const help =
      names.length === 0
        ? 'name one: jails: { postfix-relay: { filters: [postfix/relay-denied], maxretry: 2 } }'
        : 'to decide and touch nothing, write "enforce: { mode: observe }"';
    parts.mistake(['jails'], what, help);
  }
  return { jails, foreignJails };
}

/** @returns whether the jail is in fail2ban's dialect; that it has neither kind of filter, or both, is reported */
function choosesFilter(parts: Parts, path: Path): boolean {
  const native = parts.treeAt([...path, 'filters']) !== undefined;
  const foreign = parts.treeAt([...path, 'fail2ban']) !== undefined;
  const guessed = parts.guessed([...path, 'filters']) || parts.guessed([...path, 'fail2ban']);
  if (native && foreign) parts.mistake([...path, 'fail2ban'], 'a jail has "filters" or "fail2ban", not both', 'make it two jails');
  else if (!native && !foreign && !guessed) parts.mistake(path, `"filters" is missing in ${path.join('.')}`);
  return foreign && !native;
}

type WrittenBantime = number | { readonly first: number; readonly factor: number; readonly max: number; readonly forget: number };

const forgetMs = 4 * 7 * 86_400_000;

function resolveBantime(parts: Parts, path: Path, written: WrittenBantime): Bantime | undefined {
  if (typeof written === 'number') return { firstMs: written, factor: 1, maxMs: written, forgetMs };
  const { first, factor, max, forget } = written;
  const explicit = parts.treeAt([...path, 'max']) !== undefined;
  if (max >= first) return { firstMs: first, factor, maxMs: max, forgetMs: forget };
  // The default of max is for those who think in hours: a first ban beyond it is meant as it is written.
  if (!explicit) return { firstMs: first, factor, maxMs: first, forgetMs: forget };
  parts.mistake([...path, 'max'], 'max is shorter than first: the first ban could not last as long as it says');
  return undefined;
}

/** @returns undefined after a mistake, or if there is no list: the jail as a whole tells that */
function resolveFilters(parts: Parts, path: Path, { filters, brokenFilters }: JailContext): readonly string[] | undefined {
  const listPath = [...path, 'filters'];
  if (parts.treeAt(listPath) === undefined) return undefined;
  const references = parts.take(jailSchema.entries.filters, listPath);
  if (references === undefined) return undefined;
  if (references.length === 0) {
    parts.mistake(listPath, 'the list of filters is empty: the jail would never ban', 'name one, or write "enabled: false"');
    return undefined;
  }
  let sound = true;
  const wrong = (index: number, message: string, help?: string) => {
    sound = false;
    parts.mistake([...listPath, index], message, help);
  };
  for (const [index, reference] of references.entries()) {
    const slash = reference.indexOf('/');
    const name = slash === -1 ? reference : reference.slice(0, slash);
    const pattern = slash === -1 ? undefined : reference.slice(slash + 1);
    const before = references.slice(0, index);
    if (before.includes(reference)) wrong(index, `"${reference}" is listed twice`, 'remove one');
    else if (pattern !== undefined && references.includes(name))
      wrong(index, `"${name}" in this list holds "${reference}" already`, `remove "${reference}", or "${name}"`);
    if (brokenFilters.includes(name)) continue;
    const filter = filters.find((each) => each.name === name);
    if (filter === undefined) {
      const names = filters.map((each) => each.name);
      wrong(index, `there is no filter "${name}"${didYouMean(name, names)}`, `the filters are ${names.join(', ') || 'none'}`);
    } else if (pattern !== undefined && !filter.patterns.some((each) => each.name === pattern)) {
      const names = filter.patterns.map((each) => each.name);
      wrong(index, `the filter "${name}" has no pattern "${pattern}"${didYouMean(pattern, names)}`, `its patterns are ${names.join(', ')}`);
    }
  }
  return sound ? references : undefined;
}

/** @param filters whose ports are the default; undefined: there is none */
function resolvePorts(parts: Parts, path: Path, filters: readonly string[] | undefined, context: JailContext): Ports | undefined {
  const portsPath = [...path, 'ports'];
  if (parts.treeAt(portsPath) === undefined) {
    if (filters !== undefined) return defaultPorts(filters, context.filters);
    if (!parts.guessed(portsPath))
      parts.mistake(
        path,
        `"ports" is missing in ${path.join('.')}: fail2ban's filters do not say what to close`,
        'such as ports: [ssh], or ports: all',
      );
    return undefined;
  }
  const ports = parts.take(jailSchema.entries.ports, portsPath);
  if (ports === undefined) return undefined;
  const parsed = parsePorts(ports, context.services);
  if (parsed.kind === 'ports') return parsed.ports;
  for (const { index, message } of parsed.mistakes) parts.mistake(ports.length === 0 ? portsPath : [...portsPath, index], message);
  return undefined;
}

/** All ports of all its filters: whoever abuses one service is shut out of each that the jail watches. */
function defaultPorts(references: readonly string[], filters: readonly KnownFilter[]): Ports {
  const ports = new Set<number>();
  const protocols = new Set<'tcp' | 'udp' | 'both'>();
  for (const reference of references) {
    const filter = filters.find(({ name }) => name === reference.split('/')[0]);
    if (filter === undefined) continue;
    if (filter.ports.kind === 'all') return filter.ports;
    protocols.add(filter.ports.protocol);
    for (const port of filter.ports.ports) ports.add(port);
  }
  const [only = 'tcp'] = protocols;
  return { kind: 'list', protocol: protocols.size > 1 ? 'both' : only, ports: [...ports].toSorted((a, b) => a - b) };
}
