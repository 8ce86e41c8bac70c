import { findConfig, type LoadedConfig, loadBuiltIn, loadConfig } from './config/load.ts';
import type { Config } from './config/config.ts';
import type { Machine } from './config/built-in.ts';
import { type Diagnostic, formatDiagnostic, formatDiagnostics } from './diagnostic.ts';
import { nameOf, ruleDirectories } from './find-filter.ts';
import type { Filter } from './model/filter.ts';
import { recogniseLines } from './offline/recognise.ts';
import type { ForeignJail } from './model/foreign-jail.ts';
import { fail2banDialect } from './rules/fail2ban/dialect.ts';
import { type ForeignJails, loadForeignJails } from './rules/fail2ban/foreign-jails.ts';
import { type LoadedRules, loadRules } from './rules/native/load-rules.ts';
import type { RuleFile } from './rules/native/rule-file.ts';
import { runRuleTests } from './rules/native/rule-tests.ts';

/** Rules and configuration, read together: jails name filters. */
export interface Setup {
  readonly rules: LoadedRules;
  readonly loaded: LoadedConfig;
  /** All jails in fail2ban's dialect, those of the configuration first. Jails of its own files that cannot be used are no mistake of the whole. */
  readonly foreign: ForeignJails;
  /** Jails that are in both. */
  readonly clashes: readonly Diagnostic[];
  /** Everything that keeps them from being used, rendered; empty: they can be used. */
  readonly mistakes: string;
  readonly warnings: readonly Diagnostic[];
}

const noForeignJails: ForeignJails = { jails: [], disabled: [], diagnostics: [], texts: new Map() };

/**
 * @param given what `-c` says
 * @param machine for the built-in defaults, where there is no configuration file
 * @param withTests also the tests in the rule files, which `check` runs
 * @param fail2ban what `--fail2ban` says: in place of the directory that the configuration names. Without a configuration file the jails that are built
 * in are left out, with what they read: they recognise the same offences.
 */
export async function loadSetup(
  given: string | undefined,
  machine: () => Promise<Machine>,
  { fail2ban, withTests = false }: { readonly fail2ban?: string | undefined; readonly withTests?: boolean } = {},
): Promise<Setup> {
  const rules = loadRules(ruleDirectories, withTests);
  const broken = rules.files.filter(({ filter }) => filter === undefined);
  const known = {
    filters: rules.filters,
    brokenFilters: broken.map(({ file }) => nameOf(file)),
    dialect: fail2banDialect({ nowMs: Date.now(), random: Math.random }),
  };
  const path = findConfig(given);
  const read = path === undefined ? loadBuiltIn(await machine(), known) : loadConfig(path, known);
  const loaded = path === undefined && fail2ban !== undefined ? withoutJails(read) : read;
  const directory = fail2ban ?? (loaded.reading.kind === 'config' ? loaded.reading.config.fail2ban : undefined);
  const ofDirectory = directory === undefined ? noForeignJails : loadForeignJails(directory, Date.now());
  const written = loaded.reading.kind === 'config' ? loaded.reading.config.foreignJails : [];
  const foreign: ForeignJails = { ...ofDirectory, jails: [...written, ...ofDirectory.jails] };
  const ofConfig = loaded.reading.kind === 'mistakes' ? loaded.reading.diagnostics : [];
  const ofRules = rules.diagnostics.filter(({ severity }) => severity === 'error');
  const rendered = ofRules.map((diagnostic) => formatDiagnostic(diagnostic, rules.sourceLine(diagnostic)));
  if (ofConfig.length > 0) rendered.push(formatDiagnostics(ofConfig, loaded.texts));
  const clashes = clashesOf(loaded, ofDirectory.jails);
  rendered.push(
    ...(unreadable(ofDirectory) ? [formatDiagnostics(foreign.diagnostics, foreign.texts)] : []),
    ...clashes.map((clash) => formatDiagnostic(clash, undefined)),
  );
  const warnings = [
    ...rules.diagnostics,
    ...foreign.diagnostics,
    ...(loaded.reading.kind === 'config' ? loaded.reading.warnings : ofConfig),
  ];
  return {
    rules,
    loaded,
    foreign,
    clashes,
    mistakes: rendered.join('\n'),
    warnings: warnings.filter(({ severity }) => severity === 'warning'),
  };
}

/** What only native jails would read. */
function nothingOf({ sources }: Config): Config['sources'] {
  return { ...sources, journal: undefined, files: [], syslog: [] };
}

function withoutJails(loaded: LoadedConfig): LoadedConfig {
  const { reading } = loaded;
  return reading.kind === 'config'
    ? { ...loaded, reading: { ...reading, config: { ...reading.config, jails: [], foreignJails: [], sources: nothingOf(reading.config) } } }
    : loaded;
}

/** There is no configuration of fail2ban in the directory at all: then its name is the mistake. */
function unreadable({ jails, disabled, diagnostics }: ForeignJails): boolean {
  return jails.length + disabled.length === 0 && diagnostics.some(({ severity }) => severity === 'error');
}

/** A name that is native and fail2ban's at once: nobody could say whose policy holds. */
function clashesOf({ reading }: LoadedConfig, foreign: readonly ForeignJail[]): readonly Diagnostic[] {
  if (reading.kind === 'mistakes') return [];
  const own = new Set([...reading.config.jails.map(({ name }) => name), ...reading.config.foreignJails.map(({ jail: { name } }) => name)]);
  return foreign.flatMap(({ jail: { name }, file, line }) => {
    if (!own.has(name)) return [];
    const place = reading.written(['jails', name]) ?? { file, line, column: 1 };
    const here = reading.written(['jails', name]) === undefined ? 'built in' : `${place.file}:${place.line}`;
    const message = `the jail "${name}" is there twice: ${here}, and ${file}:${line}`;
    return [
      {
        ...place,
        length: name.length,
        message,
        help: 'give one of them another name, or write "enabled: false" in one',
        severity: 'error',
      },
    ];
  });
}

/** The failed tests inside rule files, as diagnostics that point at the line of the test. */
export function failedTests(files: readonly RuleFile[], nowMs: number): readonly Diagnostic[] {
  return files.flatMap(({ filter, tests }) =>
    filter === undefined ? [] : runRuleTests(filter, tests, (each: Filter, lines) => recogniseLines(each, lines, nowMs)),
  );
}
