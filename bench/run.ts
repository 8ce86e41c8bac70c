/**
 * `npm run bench -- [--lines N] [--rounds N] [--json FILE] [CASE...]`: makes its own input, runs each case against what a user would use instead, in
 * turns, and prints medians and ratios. Nothing is asserted. Without a CASE: all of them, which takes half an hour. All but `test` need root: they run
 * in network namespaces of their own, which are removed at the end, also after an interrupt.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchBurst } from './burst.ts';
import type { Case } from './case.ts';
import { benchIdle } from './idle.ts';
import { benchJournal } from './journal.ts';
import { benchLatency } from './latency.ts';
import { benchLive } from './live.ts';
import { benchLiveFail2ban } from './live-fail2ban.ts';
import { benchMemory } from './memory.ts';
import { benchRestart } from './restart.ts';
import { formatResults, type Result } from './result.ts';
import { benchTest } from './test-command.ts';
import { benchUdp } from './udp.ts';

const cases: Readonly<Record<string, Case>> = {
  test: ({ directory, lines, rounds }) => benchTest(directory, lines, rounds),
  live: ({ directory, lines, rounds }) => benchLive(directory, lines, rounds),
  'live-fail2ban': benchLiveFail2ban,
  latency: benchLatency,
  burst: benchBurst,
  restart: benchRestart,
  udp: benchUdp,
  journal: benchJournal,
  memory: benchMemory,
  idle: benchIdle,
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { lines: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '3' }, json: { type: 'string' } },
});
const unknown = positionals.filter((name) => cases[name] === undefined);
if (unknown.length > 0) {
  process.stderr.write(`no such case: ${unknown.join(', ')}; there are ${Object.keys(cases).join(', ')}\n`);
  process.exit(2);
}
// Through "exit": what removes the namespaces waits for that.
process.once('SIGINT', () => process.exit(130)).once('SIGTERM', () => process.exit(143));

const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
const results: Result[] = [];
let failed = false;
for (const [name, run] of Object.entries(cases)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const [before = 0] = loadavg();
  try {
    const measured = await run({ directory, lines: Number(values.lines), rounds: Number(values.rounds) });
    const done = measured.map((result) => ({ ...result, loadBefore: before }));
    results.push(...done);
    process.stdout.write(formatResults(done));
  } catch (error) {
    // The other cases are worth their time all the same.
    process.stderr.write(`${name}: ${error instanceof Error ? error.message : String(error)}\n`);
    failed = true;
  }
}
process.stdout.write(`${cpus().length} cores, Node ${process.version}, kernel ${release()}${loads(results)}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`);
// A child that does not end must not keep us.
process.exit(failed ? 1 : 0);

function loads(all: readonly Result[]): string {
  const found = all.map(({ loadBefore = 0 }) => loadBefore);
  return all.length === 0 ? '' : `; load before the cases ${Math.min(...found).toFixed(1)} to ${Math.max(...found).toFixed(1)}`;
}
