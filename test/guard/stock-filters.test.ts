import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { FilterGuard } from '../../src/guard/filter-guard.ts';
import { without } from '../environment.ts';
import { compiled, readStockFilters, stockFilterNames } from '../rules/fail2ban/stock-filters.ts';

const skip = without('fail2ban-client', 'python3');
const nowMs = Date.UTC(2026, 5, 1);
const guards: FilterGuard[] = [];
afterEach(async () => {
  await Promise.all(guards.splice(0).map((guard) => guard.close()));
});

/** Longest time, in ms of CPU, that this thread spent in one turn of its loop while the work went on. */
async function longestTurn(work: () => Promise<void>): Promise<number> {
  let longest = 0;
  let done = false;
  let last = process.threadCpuUsage();
  const turn = (): void => {
    const now = process.threadCpuUsage();
    longest = Math.max(longest, (now.user + now.system - last.user - last.system) / 1_000);
    last = now;
    if (!done) setImmediate(turn);
  };
  turn();
  await work();
  done = true;
  return longest;
}

describe('the filters that the fail2ban package installs, on lines made to hurt them', { skip }, () => {
  test('stall nobody, whichever of their literals is repeated up to 64 KiB', async () => {
    const names = stockFilterNames();
    const texts = readStockFilters(names.map((filter) => ({ filter, options: {} })));
    const hurting = texts.flatMap((one, index) => {
      const { failRegexes, ignoreRegexes, prefRegex } = compiled(one);
      const regexes = [...failRegexes, ...ignoreRegexes, ...(prefRegex === undefined ? [] : [prefRegex])];
      const literals = new Set(regexes.flatMap((regex) => regex.literals.map(({ text }) => text)));
      return [...literals].map((literal) => ({
        filter: names[index] ?? '',
        line: `Jun 01 00:00:00 mx ${literal.repeat(65_536 / literal.length)}`,
      }));
    });
    const guard = new FilterGuard(
      texts.map((one, index) => ({ name: names[index] ?? '', texts: one, timezone: 'UTC', compiledMs: nowMs })),
    );
    guards.push(guard);
    const longest = await longestTurn(async () => {
      for (const { filter, line } of hurting) assert.notEqual((await guard.feed(filter, line, nowMs)).kind, 'overflow');
    });
    assert.ok(hurting.length > 200, `only ${hurting.length} lines`);
    assert.ok(longest < 50, `one turn of the loop took ${longest} ms`);
  });

  test('are stopped where they would take minutes', async () => {
    const [texts] = readStockFilters([{ filter: 'domino-smtp', options: {} }]);
    assert.ok(texts !== undefined);
    const guard = new FilterGuard([{ name: 'domino-smtp', texts, timezone: 'UTC', compiledMs: nowMs }]);
    guards.push(guard);
    const words = 'smtp: Relay '.repeat(12);
    const longest = await longestTurn(async () => {
      const verdict = await guard.feed(
        'domino-smtp',
        `${words}[192.0.2.1] authentication failure using internet password; not the end`,
        nowMs,
      );
      assert.equal(verdict.kind, 'stalled');
      const next = await guard.feed('domino-smtp', 'smtp: mx [192.0.2.1] authentication failure using internet password', nowMs);
      assert.equal(next.kind, 'failure');
    });
    assert.ok(longest < 50, `one turn of the loop took ${longest} ms`);
  });
});
