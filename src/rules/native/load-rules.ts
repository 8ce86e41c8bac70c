import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Diagnostic } from '../../diagnostic.ts';
import type { Filter } from '../../model/filter.ts';
import { parseRuleFile } from './rule-file.ts';
import type { RuleFile } from './rule-file.ts';

export interface LoadedRules {
  /** Filters of the files without errors. */
  readonly filters: readonly Filter[];
  /** All files, in the order of their names. */
  readonly files: readonly RuleFile[];
  /** Of all files, and of what lies between them: a name that two filters have. */
  readonly diagnostics: readonly Diagnostic[];
  /** The line that a diagnostic speaks of, for formatDiagnostic. */
  readonly sourceLine: (diagnostic: Diagnostic) => string | undefined;
}

/**
 * Loads every `*.yaml` of the directories: the package's `rules/`, then `/etc/sluice/rules.d`. A file hides those of the same name in
 * earlier directories. A directory that does not exist has no rules.
 *
 * @param withTests as for {@link loadRuleFiles}
 * @throws {Error} if a directory or a file is there and cannot be read.
 */
export function loadRules(dirs: readonly string[], withTests = true): LoadedRules {
  const paths = new Map<string, string>();
  for (const dir of dirs) {
    for (const name of yamlFiles(dir)) paths.set(name, join(dir, name));
  }
  return loadRuleFiles(
    [...paths.keys()].toSorted().map((name) => paths.get(name) ?? name),
    withTests,
  );
}

/**
 * Loads the files that somebody named, `sluice check my-rule.yaml`.
 *
 * @param withTests false: the tests in the files are not read. They are most of a file, and only `check` runs them
 * @throws {Error} if one cannot be read.
 */
export function loadRuleFiles(paths: readonly string[], withTests = true): LoadedRules {
  const services = readOptional('/etc/services') ?? '';
  const read = (path: string): string => (withTests ? readFileSync(path, 'utf8') : withoutTests(readFileSync(path, 'utf8')));
  const sources = new Map(paths.map((path) => [path, read(path)]));
  const files = paths.map((path) => parseRuleFile(path, sources.get(path) ?? '', services));
  const filters = files.flatMap(({ filter }) => (filter === undefined ? [] : [filter]));
  return {
    filters,
    files,
    diagnostics: [...files.flatMap(({ diagnostics }) => diagnostics), ...sharedNames(files)],
    sourceLine: ({ file, line }) => sources.get(file)?.split('\n')[line - 1],
  };
}

/** Everything else stays in its line, for the diagnostics. */
function withoutTests(source: string): string {
  return source.replace(/^tests:[^\n]*(?:\n(?:[ \t#-][^\n]*)?(?=\n|$))*/m, (block) => block.replaceAll(/[^\n]+/g, ''));
}

/** A name that two files give their filter: jails could not say which they mean. */
function sharedNames(files: readonly RuleFile[]): readonly Diagnostic[] {
  const owners = new Map<string, string>();
  const diagnostics: Diagnostic[] = [];
  for (const { file, filter } of files) {
    if (filter === undefined) continue;
    const owner = owners.get(filter.name);
    owners.set(filter.name, owner ?? file);
    if (owner === undefined) continue;
    const message = `the filter "${filter.name}" is defined in ${owner} already`;
    const help = `name this one otherwise, or name the file ${basename(owner)} if it shall take that one's place`;
    diagnostics.push({ file, line: 1, column: 1, length: 1, message, help, severity: 'error' });
  }
  return diagnostics;
}

function yamlFiles(dir: string): readonly string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && entry.name.endsWith('.yaml') && !entry.name.startsWith('.'))
      .map((entry) => entry.name);
  } catch (error) {
    if (isMissing(error)) return [];
    throw new Error(`Cannot read the rules in ${dir}.`, { cause: error });
  }
}

function readOptional(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
