import { statSync } from 'node:fs';
import { join } from 'node:path';
import { formatDiagnostic } from './diagnostic.ts';
import type { Filter } from './model/filter.ts';
import { packageRules } from './package-files.ts';
import { type LoadedRules, loadRuleFiles, loadRules } from './rules/native/load-rules.ts';

/** Where rule files are looked for: those of the package, then the administrator's, which hide files of the same name. */
export const ruleDirectories: readonly string[] = [packageRules, '/etc/sluice/rules.d'];

/** The name that the filter of a rule file has if nothing is wrong with it: that of the file. */
export function nameOf(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1).replace(/\.yaml$/, '');
}

/**
 * The filter that `--filter` names: `NAME`, `NAME/PATTERN`, or the path of a rule file.
 *
 * @returns text in `mistakes` if there is none, or its file cannot be used
 */
export function findFilter(spec: string): { readonly filter: Filter } | { readonly mistakes: string } {
  const isFile = spec.endsWith('.yaml') || spec.endsWith('.yml');
  if (isFile && !exists(spec)) return { mistakes: `${spec}: there is no such file` };
  const [name = '', pattern] = isFile ? [] : spec.split('/');
  const rules = isFile ? loadRuleFiles([spec], false) : rulesWith(name);
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

/** Reading all rule files takes longer than looking through a log of 100,000 lines: only the one is read that bears the name, if it has the filter. */
function rulesWith(name: string): LoadedRules {
  const path = ruleDirectories.map((directory) => join(directory, `${name}.yaml`)).findLast(exists);
  const rules = path === undefined ? undefined : loadRuleFiles([path], false);
  return rules?.files.some(({ filter }) => filter === undefined || filter.name === name) === true
    ? rules
    : loadRules(ruleDirectories, false);
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
