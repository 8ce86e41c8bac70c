import { withAskedMemories } from './asked-memories.ts';
import type { Config } from './config/config.ts';
import type { Written } from './config/parse.ts';
import type { Decision, Jail } from './model/decision.ts';
import type { Filter } from './model/filter.ts';

/** A configuration and the rules it leads to, both without mistakes. */
export interface Loaded {
  readonly config: Config;
  readonly written: Written;
  /** undefined: the built-in defaults. */
  readonly path: string | undefined;
  readonly filters: readonly Filter[];
}

/** Only what jails use is run. */
export function usedFilters({ filters, config: { jails } }: Pick<Loaded, 'filters' | 'config'>): readonly Filter[] {
  const used = new Set(jails.flatMap((jail) => jail.filters.map((each) => each.split('/')[0])));
  return filters.filter(({ name }) => used.has(name)).map((filter) => withAskedMemories(filter, jails));
}

/** What becomes a label of the metrics. */
export function labelsOf(loaded: Loaded) {
  const { sources, jails } = loaded.config;
  const journal = sources.journal === undefined ? [] : [sources.journal];
  return {
    sources: [...journal, ...sources.files, ...sources.syslog].map(({ name, kind, silenceMs }) => ({ name, kind, silenceMs })),
    jails: jails.map(({ name }) => name),
    filters: usedFilters(loaded).map(({ name, patterns }) => ({ name, patterns: patterns.map((pattern) => pattern.name) })),
  };
}

/** What a reload changed, one sentence each. */
export function changesOf(before: Config, after: Config, decisions: readonly Decision[]): readonly string[] {
  const old = new Map(before.jails.map((jail) => [jail.name, jail]));
  const now = new Set(after.jails.map(({ name }) => name));
  const differs = (jail: Jail): boolean => old.has(jail.name) && JSON.stringify(old.get(jail.name)) !== JSON.stringify(jail);
  const ended = (jail: string): number => decisions.filter((each) => each.kind === 'unban' && each.jail === jail).length;
  return [
    ...after.jails.filter(({ name }) => !old.has(name)).map(({ name }) => `jail ${name} is new`),
    ...after.jails.filter(differs).map(({ name }) => `jail ${name} is changed`),
    ...before.jails.filter(({ name }) => !now.has(name)).map(({ name }) => `jail ${name} is gone: ${formatCount(ended(name))} lifted`),
  ];
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
