import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatDiagnostic } from '../../src/diagnostic.ts';
import { loadRules } from '../../src/rules/native/load-rules.ts';
import { runRuleTests } from '../../src/rules/native/rule-tests.ts';
import { recogniseLines } from '../../src/offline/recognise.ts';
import { clock } from '../match/recognise.ts';

const rules = loadRules([`${import.meta.dirname}/../../rules`]);
const shown = (diagnostics: typeof rules.diagnostics): string =>
  diagnostics.map((one) => formatDiagnostic(one, rules.sourceLine(one))).join('\n');

describe('the shipped rules', () => {
  test('have no mistakes, and need no "unproved"', () => {
    assert.equal(shown(rules.diagnostics), '');
    assert.deepEqual(
      rules.files.flatMap(({ unproved }) => unproved),
      [],
    );
  });

  for (const { filter, tests } of rules.files) {
    if (filter === undefined) continue;
    test(`${filter.name}: its ${tests.length} tests hold`, () => {
      assert.equal(shown(runRuleTests(filter, tests, (of, lines) => recogniseLines(of, lines, clock.nowMs))), '');
    });
    test(`${filter.name}: every pattern has a test that it matches, and there are near misses`, () => {
      const tested = new Set(tests.map(({ matches }) => matches));
      const untested = filter.patterns.filter(({ name }) => !tested.has(name)).map(({ name }) => name);
      assert.deepEqual(untested, []);
      assert.ok(tested.has(undefined));
    });
    test(`${filter.name}: reads the journal, and only by fields that journald vouches for`, () => {
      assert.ok(filter.journal.length > 0);
      assert.ok(filter.journal.every((match) => match === '+' || match.startsWith('_')));
    });
    test(`${filter.name}: every pattern has a literal for the sieve and a beginning for the gate`, () => {
      for (const pattern of [...filter.patterns, ...filter.except, ...filter.remember.map((memory) => memory.pattern)]) {
        assert.ok(
          pattern.literals.length > 0 && pattern.literals.every((literal) => literal.length >= 5),
          `${pattern.name}: ${pattern.literals.join(' | ')}`,
        );
        assert.notEqual(pattern.head, undefined, pattern.name);
      }
    });
  }
});
