import { withAskedMemories } from './asked-memories.ts';
import type { Config } from './config/config.ts';
import type { Written } from './config/parse.ts';
import type { Decision, Jail } from './model/decision.ts';
import type { Filter } from './model/filter.ts';
import { type ForeignJail, foreignFilterName, foreignPatternName } from './model/foreign-jail.ts';

/** A configuration and the rules it leads to, both without mistakes. */
export interface Loaded {
  readonly config: Config;
  readonly written: Written;
  /** undefined: the built-in defaults. */
  readonly path: string | undefined;
  readonly filters: readonly Filter[];
  /** Jails in fail2ban's dialect. */
  readonly foreign: readonly ForeignJail[];
  /** Jails of fail2ban that cannot be used, and why: said, shown, and left out. */
  readonly disabled: readonly { readonly jail: string; readonly why: string }[];
}

/** All jails, native ones first. */
export function allJails({ config, foreign }: Pick<Loaded, 'config' | 'foreign'>): readonly Jail[] {
  return [...config.jails, ...foreign.map(({ jail }) => jail)];
}

/** Only what jails use is run. */
export function usedFilters({ filters, config: { jails } }: Pick<Loaded, 'filters' | 'config'>): readonly Filter[] {
  const used = new Set(jails.flatMap((jail) => jail.filters.map((each) => each.split('/')[0])));
  return filters.filter(({ name }) => used.has(name)).map((filter) => withAskedMemories(filter, jails));
}

/** What becomes a label of the metrics. @param foreignInputs what only jails in fail2ban's dialect read */
export function labelsOf(
  loaded: Loaded,
  foreignInputs: readonly { readonly name: string; readonly kind: 'file' | 'journal'; readonly silenceMs: number }[],
) {
  const { sources } = loaded.config;
  const journal = sources.journal === undefined ? [] : [sources.journal];
  const inputs = [...journal, ...sources.files, ...sources.syslog, ...foreignInputs];
  return {
    sources: inputs.map(({ name, kind, silenceMs }) => ({ name, kind, silenceMs })),
    jails: allJails(loaded).map(({ name }) => name),
    filters: [
      ...usedFilters(loaded).map(({ name, patterns }) => ({ name, patterns: patterns.map((pattern) => pattern.name) })),
      ...loaded.foreign.map(({ jail, texts }) => ({
        name: foreignFilterName(jail.name),
        patterns: texts.failregex.map((_, index) => foreignPatternName(index)),
      })),
    ],
  };
}

/** What a reload changed, one sentence each. */
export function changesOf(before: Loaded, after: Loaded, decisions: readonly Decision[]): readonly string[] {
  const [old, now] = [before, after].map((loaded) => new Map(jailTexts(loaded)));
  const names = (texts: ReadonlyMap<string, string> | undefined): readonly string[] => [...(texts?.keys() ?? [])];
  const ended = (jail: string): number => decisions.filter((each) => each.kind === 'unban' && each.jail === jail).length;
  return [
    ...names(now).flatMap((name) => (old?.has(name) === true ? [] : [`jail ${name} is new`])),
    ...names(now).flatMap((name) => (old?.has(name) === true && old.get(name) !== now?.get(name) ? [`jail ${name} is changed`] : [])),
    ...names(old).flatMap((name) => (now?.has(name) === true ? [] : [`jail ${name} is gone: ${formatCount(ended(name))} lifted`])),
  ];
}

/** Each jail with everything that makes it what it is. */
function jailTexts({ config, foreign }: Loaded): readonly (readonly [string, string])[] {
  return [
    ...config.jails.map((jail) => [jail.name, JSON.stringify(jail)] as const),
    ...foreign.map((each) => [each.jail.name, foreignJailText(each)] as const),
  ];
}

/** Equal for jails that are equal. */
export function foreignJailText(jail: ForeignJail): string {
  return JSON.stringify(jail, (_, value: unknown) => (value instanceof Map ? [...(value as Map<unknown, unknown>)] : value));
}

/** What a reload leaves as it is. */
export function restartNeeded(before: Config, after: Config): readonly string[] {
  return (['enforce', 'metrics', 'control', 'state', 'limits'] as const)
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]))
    .map((key) => `${key} is changed: that needs a restart`);
}

function formatCount(bans: number): string {
  return bans === 1 ? '1 ban' : `${bans} bans`;
}
