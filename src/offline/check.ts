import { statSync } from 'node:fs';
import type { CheckOptions } from '../cli/options.ts';
import { exit } from '../cli/exit.ts';
import { type Diagnostic, formatDiagnostic } from '../diagnostic.ts';
import { probeMachine } from '../daemon/machine.ts';
import { type LoadedRules, loadRuleFiles } from '../rules/native/load-rules.ts';
import { failedTests, loadSetup, type Setup } from '../setup.ts';

/** `sluice check`: every mistake in configuration and rules at once, and the tests inside the rules. Exit 3 if there is any. */
export async function check({ config, ruleFiles, json }: CheckOptions): Promise<number> {
  const setup = ruleFiles.length > 0 && config === undefined ? undefined : await loadSetup(config, probeMachine);
  const rules = ruleFiles.length > 0 ? readRules(ruleFiles) : setup?.rules;
  if (typeof rules === 'string') return cannotRead(rules);
  const failed = rules === undefined ? [] : failedTests(rules.files, Date.now());
  const found = [...diagnosticsOf(setup), ...(ruleFiles.length > 0 ? (rules?.diagnostics ?? []) : []), ...failed];
  const errors = found.filter(({ severity }) => severity === 'error');
  const lineOf = (diagnostic: Diagnostic): string | undefined =>
    rules?.sourceLine(diagnostic) ?? setup?.rules.sourceLine(diagnostic) ?? configLine(setup, diagnostic);
  if (json) {
    process.stdout.write(`${JSON.stringify({ ok: errors.length === 0, diagnostics: found }, undefined, 2)}\n`);
  } else {
    for (const diagnostic of found) process.stdout.write(`${formatDiagnostic(diagnostic, lineOf(diagnostic))}\n`);
    process.stdout.write(`${summary(setup, rules, errors.length, found.length - errors.length)}\n`);
  }
  return errors.length > 0 ? exit.findings : exit.ok;
}

function readRules(paths: readonly string[]): LoadedRules | string {
  for (const path of paths) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return `${path}: there is no such file; name a rule file, or none to check the configuration and all rules`;
    if (found.isDirectory()) return `${path} is a directory: name the rule files in it`;
  }
  try {
    return loadRuleFiles(paths);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function cannotRead(why: string): number {
  process.stderr.write(`sluice: ${why}\n`);
  return exit.failed;
}

/** Of the configuration, and of the rules it leads to. */
function diagnosticsOf(setup: Setup | undefined): readonly Diagnostic[] {
  if (setup === undefined) return [];
  const { reading } = setup.loaded;
  return [...(reading.kind === 'mistakes' ? reading.diagnostics : reading.warnings), ...setup.rules.diagnostics];
}

function configLine(setup: Setup | undefined, { file, line }: Diagnostic): string | undefined {
  return setup?.loaded.texts.get(file)?.split(/\r?\n/)[line - 1];
}

/** What was looked at, so that "ok" says of what; and what the authors of rules vouch for. */
function summary(setup: Setup | undefined, rules: LoadedRules | undefined, errors: number, warnings: number): string {
  const lines: string[] = [];
  const files = rules?.files ?? [];
  for (const { file, vouched, unproved } of files) {
    for (const { pattern, hole } of vouched) lines.push(`${file}: ${pattern}: {${hole}:own} is vouched for by its author, not proved`);
    for (const pattern of unproved)
      lines.push(`${file}: ${pattern}: not proved; its author takes the address to be out of the client's reach`);
  }
  const tests = files.reduce((sum, { tests: { length } }) => sum + length, 0);
  const patterns = files.reduce((sum, { filter }) => sum + (filter?.patterns.length ?? 0), 0);
  const jails = setup?.loaded.reading.kind === 'config' ? `, ${count(setup.loaded.reading.config.jails.length, 'jail')}` : '';
  const looked = `${count(files.length, 'rule file')}, ${count(patterns, 'pattern')}, ${count(tests, 'test')}${jails}`;
  const verdict =
    errors === 0
      ? warnings === 0
        ? 'ok'
        : `ok, ${count(warnings, 'warning')}`
      : `${count(errors, 'mistake')}, ${count(warnings, 'warning')}`;
  return [...lines, `${looked}: ${verdict}`].join('\n');
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
