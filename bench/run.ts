/**
 * `npm run bench -- [--lines N] [--rounds N] [--json FILE] [CASE...]`: makes its own input, runs each case against what a user would use instead, in
 * turns, and prints medians and ratios. Nothing is asserted. Cases: test, live.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchLive } from './live.ts';
import { formatResults, type Result } from './result.ts';
import { benchTest } from './test-command.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { lines: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '3' }, json: { type: 'string' } },
});
const lines = Number(values.lines);
const rounds = Number(values.rounds);
const cases: Record<string, (directory: string) => Promise<readonly Result[]>> = {
  test: (directory) => benchTest(directory, lines, rounds),
  live: (directory) => benchLive(directory, lines, rounds),
};
const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
try {
  const results: Result[] = [];
  for (const [name, run] of Object.entries(cases))
    if (positionals.length === 0 || positionals.includes(name)) results.push(...(await run(directory)));
  process.stdout.write(formatResults(results));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`);
} finally {
  rmSync(directory, { recursive: true });
}
