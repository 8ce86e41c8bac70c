import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

export interface SearchCase {
  readonly pattern: string;
  readonly multiline: boolean;
  readonly texts: readonly string[];
}

/** Where Python finds the pattern, in code points, and its named groups. */
export type PythonHit = readonly [start: number, end: number, groups: Readonly<Record<string, string>>] | null;

/** Runs all cases in one Python. A text instead of hits: why Python refuses the pattern. */
export function searchWithPython(cases: readonly SearchCase[]): readonly (string | readonly PythonHit[])[] {
  const { stdout, stderr, status } = spawnSync('python3', [join(import.meta.dirname, 'python-search.py')], {
    input: JSON.stringify(cases.map(({ pattern, multiline, texts }) => [pattern, multiline, texts])),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as (string | PythonHit[])[];
}
