import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { array, constant, constantFrom, integer, oneof, sample, tuple } from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { createLineMatcher } from '../../../src/match/fail2ban/line-matcher.ts';
import { lineGate } from '../../../src/match/fail2ban/literal-gate.ts';
import { parseAddress } from '../../../src/model/address.ts';
import { wallClockToUtc } from '../../../src/parse/zone.ts';
import { without } from '../../environment.ts';
import { compiled, corpusCases, corpusNowMs, readStockFilters, withoutCorpus } from '../../rules/fail2ban/stock-filters.ts';
import type { FilterSpec } from '../../rules/fail2ban/stock-filters.ts';

const skip = withoutCorpus !== false ? withoutCorpus : without('fail2ban-client', 'python3');
const linesPerFilter = 60;

type Verdict = null | 'slow' | readonly [id: string, timeS: number | null, captures: Readonly<Record<string, string>>];

function originalVerdicts(cases: readonly (readonly [FilterSpec, readonly string[]])[]): readonly (readonly Verdict[])[] {
  const { stdout, stderr, status } = spawnSync('python3', [join(import.meta.dirname, 'original-verdicts.py')], {
    input: JSON.stringify(cases.map(([{ filter, options }, lines]) => [filter, options, lines])),
    encoding: 'utf8',
    env: { ...process.env, TZ: 'Europe/Zurich' },
    maxBuffer: 1 << 28,
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as (readonly Verdict[])[];
}

/** Lines that differ from real ones in some places. */
function mutated(lines: readonly string[]): Arbitrary<string> {
  const odd = constantFrom(
    ' ',
    '  ',
    '\t',
    '\u00a0',
    '\u2028',
    '\u0085',
    '\r',
    '\0',
    'é',
    '😀',
    '[',
    ']',
    '(',
    '<',
    '>',
    ':',
    ';',
    '"',
    '\\',
    '192.0.2.7',
    '2001:db8::7',
    '::ffff:192.0.2.8',
    'x',
    '0',
  );
  const edit = tuple(
    integer({ min: 0, max: 99 }),
    oneof(constant(''), constant(''), odd),
    integer({ min: 0, max: 6 }),
    constantFrom('replace', 'repeat', 'case'),
  );
  return tuple(constantFrom(...lines), array(edit, { minLength: 1, maxLength: 3 })).map(([line, edits]) => {
    let text = line;
    for (const [percent, put, length, kind] of edits) {
      const at = Math.floor((text.length * percent) / 100);
      const piece = text.slice(at, at + length);
      const instead = kind === 'replace' ? put : kind === 'repeat' ? piece + put + piece : piece.toUpperCase() + put;
      text = text.slice(0, at) + instead + text.slice(at + length);
    }
    // Half a pair of surrogates cannot come out of UTF-8, and a line does not hold what ends it.
    return text.toWellFormed().replace(/[\r\n]+$/, '');
  });
}

describe('the filters that the fail2ban package installs, on changed lines', { skip }, () => {
  test('say what its own engine says', () => {
    const instances = new Map<string, { readonly spec: FilterSpec; readonly lines: string[] }>();
    for (const { instance, filter, options, line, journal } of corpusCases()) {
      if (journal) continue;
      const known = instances.get(instance) ?? { spec: { filter, options }, lines: [] };
      known.lines.push(line);
      instances.set(instance, known);
    }
    const seed = 19_700_101;
    const cases = [...instances.values()].map(
      ({ spec, lines }, index) => [spec, sample(mutated(lines), { numRuns: linesPerFilter, seed: seed + index })] as const,
    );
    const filters = readStockFilters(cases.map(([spec]) => spec));
    const theirs = originalVerdicts(cases);
    const wrong: unknown[] = [];
    let failures = 0;
    for (const [index, [spec, lines]] of cases.entries()) {
      const texts = filters[index];
      assert.ok(texts !== undefined);
      const filter = compiled(texts);
      const mayMatch = lineGate(filter);
      for (const [place, line] of lines.entries()) {
        const expected = theirs[index]?.[place];
        assert.ok(expected !== undefined);
        if (expected === 'slow') continue;
        const wallClock = (wallMs: number, nearMs: number): number => wallClockToUtc(wallMs, 'Europe/Zurich', nearMs);
        const verdict = createLineMatcher(filter, { wallClock }).feed(line, corpusNowMs);
        if (verdict.kind !== 'nothing' && !mayMatch(line)) wrong.push({ ...spec, line, found: 'turned away by the gate' });
        const found =
          verdict.kind !== 'failure'
            ? null
            : [verdict.id, verdict.timeMs === undefined ? null : verdict.timeMs / 1_000, captures(verdict.fields)];
        // Python's engine takes ::ff:1 for 0.255.0.1, and would have another host banned.
        if (expected !== null && verdict.kind === 'failure' && expected[2]['ip6'] === verdict.id && !expected[0].includes(':')) continue;
        const wanted = expected === null ? null : [parseAddress(expected[0]) ?? expected[0], expected[1], expected[2]];
        if (wanted !== null) failures++;
        try {
          assert.deepEqual(found, wanted);
        } catch {
          wrong.push({ ...spec, line, found, wanted });
        }
      }
    }
    assert.deepEqual(wrong, []);
    assert.ok(failures > 500, `only ${failures} lines were failures`);
  });
});

function captures(fields: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  return Object.fromEntries([...fields].filter(([name]) => name !== 'mlfid'));
}
