import { statSync } from 'node:fs';
import type { CheckOptions } from '../cli/options.ts';
import { exit } from '../cli/exit.ts';
import { type Diagnostic, formatDiagnostic } from '../diagnostic.ts';
import { probeMachine } from '../daemon/machine.ts';
import { loadFail2ban } from '../rules/fail2ban/load-fail2ban.ts';
import { type Unproved, unprovedExpressions } from '../rules/fail2ban/proof.ts';
import { unprovedDiagnostics, unprovedMessage } from '../rules/fail2ban/unproved.ts';
import { type LoadedRules, loadRuleFiles } from '../rules/native/load-rules.ts';
import { failedTests, loadSetup, type Setup } from '../setup.ts';

/** `sluice check`: every mistake in configuration and rules at once, and the tests inside the rules. Exit 3 if there is any. */
export async function check({ config, ruleFiles, json }: CheckOptions): Promise<number> {
  const setup = ruleFiles.length > 0 && config === undefined ? undefined : await loadSetup(config, probeMachine, { withTests: true });
  const rules = ruleFiles.length > 0 ? readRules(ruleFiles) : setup?.rules;
  if (typeof rules === 'string') return cannotRead(rules);
  const failed = rules === undefined ? [] : failedTests(rules.files, Date.now());
  const found = [...diagnosticsOf(setup), ...(ruleFiles.length > 0 ? (rules?.diagnostics ?? []) : []), ...failed];
  const unproved = unprovedOf(setup);
  const errors = found.filter(({ severity }) => severity === 'error');
  const lineOf = (diagnostic: Diagnostic): string | undefined =>
    rules?.sourceLine(diagnostic) ?? setup?.rules.sourceLine(diagnostic) ?? configLine(setup, diagnostic) ?? foreignLine(setup, diagnostic);
  if (json) {
    process.stdout.write(`${JSON.stringify({ ok: errors.length === 0, diagnostics: [...found, ...unproved] }, undefined, 2)}\n`);
  } else {
    for (const diagnostic of found) process.stdout.write(`${formatDiagnostic(diagnostic, lineOf(diagnostic))}\n`);
    process.stdout.write(unprovedText(unproved, lineOf));
    process.stdout.write(`${summary(setup, rules, errors.length, found.length - errors.length + unproved.length)}\n`);
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
  const { loaded, foreign, clashes } = setup;
  const { reading } = loaded;
  // A mistake that disables several jails stands with each of them.
  const ofForeign = new Map(
    [...foreign.diagnostics, ...foreign.disabled.flatMap(({ diagnostics }) => diagnostics)].map((each) => [JSON.stringify(each), each]),
  );
  return [
    ...(reading.kind === 'mistakes' ? reading.diagnostics : reading.warnings),
    ...setup.rules.diagnostics,
    ...clashes,
    ...ofForeign.values(),
  ];
}

/** Expressions in fail2ban's dialect in which text of a client could stand before the address. */
function unprovedOf(setup: Setup | undefined): readonly Diagnostic[] {
  if (setup === undefined || setup.loaded.reading.kind === 'mistakes') return [];
  const { foreignJails, fail2ban } = setup.loaded.reading.config;
  const written = foreignJails.flatMap(({ texts, within }) =>
    onceForPrefix(unprovedExpressions(texts)).map((unproved): Diagnostic => {
      const { file, line, column, length } = within(unproved);
      return { file, line, column, length, message: unprovedMessage(unproved), help: undefined, severity: 'warning' };
    }),
  );
  const read = fail2ban === undefined ? [] : loadFail2ban(fail2ban).jails;
  const ofFiles = read.flatMap(({ filter, logtimezone }) => unprovedDiagnostics(filter, logtimezone));
  // Jails share filters.
  return [...written, ...new Map(ofFiles.map((each) => [JSON.stringify(each), each])).values()];
}

/** What is wrong with a prefregex is wrong for each failregex behind it. */
function onceForPrefix(all: readonly Unproved[]): readonly Unproved[] {
  const first = all.findIndex(({ option }) => option === 'prefregex');
  return all
    .filter(({ option }, index) => option === 'failregex' || index === first)
    .map((each) => (each.option === 'prefregex' ? { ...each, index: 0 } : each));
}

/** More lines of one kind are no longer read: then one line tells of a file. */
const shownSingly = 20;
/** With the text of their lines. */
const shownWithText = 5;

function unprovedText(unproved: readonly Diagnostic[], lineOf: (diagnostic: Diagnostic) => string | undefined): string {
  if (unproved.length === 0) return '';
  const rows =
    unproved.length > shownSingly
      ? [...Map.groupBy(unproved, ({ file }) => file)].map(([file, all]) => formatDiagnostic(ofFile(file, all), undefined))
      : unproved.map((each) => formatDiagnostic(each, unproved.length > shownWithText ? undefined : lineOf(each)));
  const meaning =
    'Who can write so into his part of the line, a user name or a host name, could have somebody else banned: docs/fail2ban.md, "Not proved"';
  return `${[...rows, meaning].join('\n')}\n`;
}

function ofFile(file: string, all: readonly Diagnostic[]): Diagnostic {
  const lines = [...new Set(all.map(({ line }) => line))].toSorted((a, b) => a - b);
  const message = `${count(all.length, 'expression')} not proved: text of a client could stand before the address; line${lines.length === 1 ? '' : 's'} ${lines.join(', ')}`;
  return { file, line: 0, column: 1, length: 1, message, help: undefined, severity: 'warning' };
}

function foreignLine(setup: Setup | undefined, { file, line }: Diagnostic): string | undefined {
  return setup?.foreign.texts.get(file)?.split(/\r?\n/)[line - 1];
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
  const jails =
    setup?.loaded.reading.kind === 'config'
      ? `, ${count(setup.loaded.reading.config.jails.length + setup.foreign.jails.length, 'jail')}`
      : '';
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
