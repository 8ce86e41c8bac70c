import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { createLineMatcher } from '../../../src/match/fail2ban/line-matcher.ts';
import type { LineMatcher, LineVerdict } from '../../../src/match/fail2ban/line-matcher.ts';
import { parseAddress } from '../../../src/model/address.ts';
import { wallClockToUtc } from '../../../src/parse/zone.ts';
import { without } from '../../environment.ts';
import { compiled, corpusCases, corpusNowMs, readStockFilters, withoutCorpus } from '../../rules/fail2ban/stock-filters.ts';
import type { CorpusCase } from '../../rules/fail2ban/stock-filters.ts';

const skip = withoutCorpus !== false ? withoutCorpus : without('fail2ban-client');

/** What is asserted of a case, as the corpus says it. */
function expectedOf({ match, host, epoch, fields }: CorpusCase): unknown {
  if (!match) return 'no failure';
  return { host: host === undefined ? undefined : (parseAddress(host) ?? host), epoch, fields: fields ?? {} };
}

function foundOf(verdict: LineVerdict, { host, epoch, fields }: CorpusCase): unknown {
  if (verdict.kind !== 'failure') return 'no failure';
  const shown: Record<string, unknown> = {};
  for (const name of Object.keys(fields ?? {})) {
    if (name === 'users') shown[name] = verdict.users;
    else if (name === 'attempts') shown[name] = verdict.attempts;
    else shown[name] = verdict.fields.get(name) ?? null;
  }
  const { id, timeMs } = verdict;
  return {
    host: host === undefined ? undefined : id,
    epoch: epoch === undefined || timeMs === undefined ? epoch : timeMs / 1_000,
    fields: shown,
  };
}

describe('the filters that the fail2ban package installs, on the corpus', { skip }, () => {
  test('say of every line what fail2ban 1.0.2 says', () => {
    const cases = corpusCases();
    const specs = new Map(cases.map((one) => [one.instance, one]));
    const filters = readStockFilters([...specs.values()]);
    const matchers = new Map<string, LineMatcher>();
    for (const [index, instance] of [...specs.keys()].entries()) {
      const texts = filters[index];
      assert.ok(texts !== undefined);
      const wallClock = (wallMs: number, nearMs: number): number => wallClockToUtc(wallMs, 'Europe/Zurich', nearMs);
      matchers.set(instance, createLineMatcher(compiled(texts), { wallClock }));
    }
    const wrong: unknown[] = [];
    for (const one of cases) {
      const matcher = matchers.get(one.instance);
      assert.ok(matcher !== undefined);
      const verdict = one.journal ? matcher.feedDated(one.line, corpusNowMs) : matcher.feed(one.line, corpusNowMs);
      const [found, expected] = [foundOf(verdict, one), expectedOf(one)];
      try {
        assert.deepEqual(found, expected);
      } catch {
        wrong.push({ instance: one.instance, line: one.line, found, expected });
      }
    }
    assert.deepEqual(wrong, [], `${cases.length - wrong.length} of ${cases.length} as expected`);
    assert.equal(cases.length, 1_176);
  });

  test('say the same when V8 does not optimise expressions', { skip: process.execArgv.includes('--no-regexp-optimization') }, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-regexp-optimization', import.meta.filename], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout + stderr);
  });
});
