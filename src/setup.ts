import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findConfig, type LoadedConfig, loadBuiltIn, loadConfig } from './config/load.ts';
import type { Machine } from './config/built-in.ts';
import { type Diagnostic, formatDiagnostic, formatDiagnostics } from './diagnostic.ts';
import type { Filter } from './model/filter.ts';
import { recogniseLines } from './recognise.ts';
import { type LoadedRules, loadRuleFiles, loadRules } from './rules/native/load-rules.ts';
import type { RuleFile } from './rules/native/rule-file.ts';
import { runRuleTests } from './rules/native/rule-tests.ts';

/** Where rule files are looked for: those of the package, then the administrator's, which hide files of the same name. */
export const ruleDirectories: readonly string[] = [fileURLToPath(new URL('../rules', import.meta.url)), '/etc/sluice/rules.d'];

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

/** The name that the filter of a rule file has if nothing is wrong with it: that of the file. */
function nameOf(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1).replace(/\.yaml$/, '');
}

/** The failed tests inside rule files, as diagnostics that point at the line of the test. */
export function failedTests(files: readonly RuleFile[], nowMs: number): readonly Diagnostic[] {
  return files.flatMap(({ filter, tests }) =>
    filter === undefined ? [] : runRuleTests(filter, tests, (each: Filter, lines) => recogniseLines(each, lines, nowMs)),
  );
}

/**
 * The filter that `--filter` names: `NAME`, `NAME/PATTERN`, or the path of a rule file.
 *
 * @returns text in `mistakes` if there is none, or its file cannot be used
 */
export function findFilter(spec: string): { readonly filter: Filter } | { readonly mistakes: string } {
  const isFile = spec.endsWith('.yaml') || spec.endsWith('.yml');
  if (isFile && !exists(spec)) return { mistakes: `${spec}: there is no such file` };
  const rules = isFile ? loadRuleFiles([spec]) : loadRules(ruleDirectories);
  const [name = '', pattern] = isFile ? [] : spec.split('/');
  const candidates = isFile ? rules.files : rules.files.filter(({ file, filter }) => (filter?.name ?? nameOf(file)) === name);
  const [chosen] = candidates;
  if (chosen === undefined) {
    const names = rules.filters.map((filter) => filter.name);
    return { mistakes: `no filter is named "${name}"; there are ${names.join(', ')}; a path ends in .yaml` };
  }
  if (chosen.filter === undefined) {
    const errors = chosen.diagnostics.filter(({ severity }) => severity === 'error');
    return { mistakes: errors.map((diagnostic) => formatDiagnostic(diagnostic, rules.sourceLine(diagnostic))).join('\n') };
  }
  if (pattern === undefined) return { filter: chosen.filter };
  const patterns = chosen.filter.patterns.filter((each) => each.name === pattern);
  if (patterns.length > 0) return { filter: { ...chosen.filter, patterns } };
  const names = chosen.filter.patterns.map((each) => each.name);
  return { mistakes: `the filter ${name} has no pattern "${pattern}"; it has ${names.join(', ')}` };
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
