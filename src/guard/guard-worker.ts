import { parentPort, workerData } from 'node:worker_threads';
import { createLineMatcher } from '../match/fail2ban/line-matcher.ts';
import type { LineMatcher, LineVerdict } from '../match/fail2ban/line-matcher.ts';
import { wallClockToUtc } from '../parse/zone.ts';
import { compileFilter } from '../rules/fail2ban/compile-filter.ts';
import type { Batch, GuardedFilter, LineTask, WorkerData } from './guard-protocol.ts';

// The other end of src/guard/filter-guard.ts, and nobody else's.
const { filters, progress } = workerData as WorkerData;
const inWork = new Int32Array(progress);
const specs = new Map(filters.map((filter) => [filter.name, filter]));
const matchers = new Map<string, LineMatcher>();

function matcherOf(name: string): LineMatcher | undefined {
  const known = matchers.get(name);
  if (known !== undefined) return known;
  const spec = specs.get(name);
  const created = spec === undefined ? undefined : createMatcher(spec);
  if (created !== undefined) matchers.set(name, created);
  return created;
}

function createMatcher({ texts, timezone, compiledMs }: GuardedFilter): LineMatcher | undefined {
  const { filter } = compileFilter(texts, compiledMs);
  return filter === undefined
    ? undefined
    : createLineMatcher(filter, { wallClock: (wallMs, nearMs) => wallClockToUtc(wallMs, timezone, nearMs) });
}

function verdictOn({ sequence, filter, line, timeMs, dated }: LineTask): LineVerdict {
  // Compiling is our own work: the clock for the line starts behind it.
  const matcher = matcherOf(filter);
  if (matcher === undefined) return { kind: 'nothing' };
  Atomics.store(inWork, 0, sequence);
  const verdict = dated ? matcher.feedDated(line, timeMs) : matcher.feed(line, timeMs);
  Atomics.store(inWork, 0, 0);
  return verdict;
}

parentPort?.on('message', (batch: Batch) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort?.postMessage(batch.map(verdictOn));
});
