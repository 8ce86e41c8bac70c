import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFilter } from '../../../src/rules/fail2ban/compile-filter.ts';
import type { FilterTexts } from '../../../src/model/foreign-filter.ts';
import type { ForeignFilter } from '../../../src/model/foreign-filter.ts';

const root = join(import.meta.dirname, '../../..');

export interface FilterSpec {
  readonly filter: string;
  readonly options: Readonly<Record<string, string>>;
}

/** Resolves filters of the installed fail2ban with fail2ban's own reader. */
export function readStockFilters(specs: readonly FilterSpec[]): readonly FilterTexts[] {
  const { stdout, stderr, status } = spawnSync('python3', [join(import.meta.dirname, 'resolve-filters.py')], {
    input: JSON.stringify(specs.map(({ filter, options }) => [filter, options])),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  assert.equal(status, 0, stderr);
  type Resolved = Omit<FilterTexts, 'usedns' | 'logtimezone' | 'prefregex'> & { readonly prefregex: string | null };
  const resolved = JSON.parse(stdout) as readonly Resolved[];
  return resolved.map((texts) => ({ ...texts, prefregex: texts.prefregex ?? undefined, usedns: 'warn', logtimezone: undefined }));
}

/** Names of all filters that the package installs. */
export function stockFilterNames(): readonly string[] {
  return readdirSync('/etc/fail2ban/filter.d')
    .filter((name) => name.endsWith('.conf') && !name.endsWith('common.conf'))
    .map((name) => name.slice(0, -'.conf'.length))
    .toSorted();
}

export function compiled(texts: FilterTexts): ForeignFilter {
  const { filter, mistakes } = compileFilter(texts, Date.now());
  assert.deepEqual(mistakes, []);
  assert.ok(filter !== undefined);
  return filter;
}

export interface CorpusCase extends FilterSpec {
  readonly instance: string;
  readonly line: string;
  readonly journal: boolean;
  readonly match: boolean;
  readonly host?: string;
  readonly epoch?: number;
  readonly fields?: Readonly<Record<string, unknown>>;
}

const corpusFile = join(process.env['SLUICE_CORPUS'] ?? join(root, '../shared/corpus'), 'fail2ban/cases.jsonl');

/** For the `skip` option of a test. */
export const withoutCorpus: string | false = existsSync(corpusFile) ? false : 'left out: the corpus folder fail2ban is not here';

export function corpusCases(): readonly CorpusCase[] {
  return readFileSync(corpusFile, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as CorpusCase);
}

/** When the corpus was made: 2005-08-14 12:00:00 in Zurich. */
export const corpusNowMs = 1_124_013_600_000;
