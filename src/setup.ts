import { findConfig, type LoadedConfig, loadBuiltIn, loadConfig } from './config/load.ts';
import type { Machine } from './config/built-in.ts';
import { type Diagnostic, formatDiagnostic, formatDiagnostics } from './diagnostic.ts';
import { nameOf, ruleDirectories } from './find-filter.ts';
import type { Filter } from './model/filter.ts';
import { recogniseLines } from './offline/recognise.ts';
import { type LoadedRules, loadRules } from './rules/native/load-rules.ts';
import type { RuleFile } from './rules/native/rule-file.ts';
import { runRuleTests } from './rules/native/rule-tests.ts';

/** Rules and configuration, read together: jails name filters. */
export interface Setup {
  readonly rules: LoadedRules;
  readonly loaded: LoadedConfig;
  /** Everything that keeps them from being used, rendered; empty: they can be used. */
  readonly mistakes: string;
  readonly warnings: readonly Diagnostic[];
}

/**
 * @param given what `-c` says
 * @param machine for the built-in defaults, where there is no configuration file
 */
export async function loadSetup(given: string | undefined, machine: () => Promise<Machine>): Promise<Setup> {
  const rules = loadRules(ruleDirectories);
  const broken = rules.files.filter(({ filter }) => filter === undefined);
  const known = { filters: rules.filters, brokenFilters: broken.map(({ file }) => nameOf(file)) };
  const path = findConfig(given);
  const loaded = path === undefined ? loadBuiltIn(await machine(), known) : loadConfig(path, known);
  const ofConfig = loaded.reading.kind === 'mistakes' ? loaded.reading.diagnostics : [];
  const ofRules = rules.diagnostics.filter(({ severity }) => severity === 'error');
  const rendered = ofRules.map((diagnostic) => formatDiagnostic(diagnostic, rules.sourceLine(diagnostic)));
  if (ofConfig.length > 0) rendered.push(formatDiagnostics(ofConfig, loaded.texts));
  const warnings = [...rules.diagnostics, ...(loaded.reading.kind === 'config' ? loaded.reading.warnings : ofConfig)];
  return { rules, loaded, mistakes: rendered.join('\n'), warnings: warnings.filter(({ severity }) => severity === 'warning') };
}

/** The failed tests inside rule files, as diagnostics that point at the line of the test. */
export function failedTests(files: readonly RuleFile[], nowMs: number): readonly Diagnostic[] {
  return files.flatMap(({ filter, tests }) =>
    filter === undefined ? [] : runRuleTests(filter, tests, (each: Filter, lines) => recogniseLines(each, lines, nowMs)),
  );
}
