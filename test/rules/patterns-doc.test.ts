import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { formatDiagnostic } from '../../src/diagnostic.ts';
import { recogniseLines } from '../../src/offline/recognise.ts';
import { parsePattern } from '../../src/rules/native/pattern-syntax.ts';
import { provePattern } from '../../src/rules/native/pattern-proof.ts';
import { parseRuleFile } from '../../src/rules/native/rule-file.ts';
import { runRuleTests } from '../../src/rules/native/rule-tests.ts';
import { clock } from '../match/recognise.ts';

const page = readFileSync(`${import.meta.dirname}/../../docs/patterns.md`, 'utf8');

describe('docs/patterns.md', () => {
  test('its rule file has no mistakes, and its tests hold', () => {
    const [, source = ''] = /```yaml\n([^]*?)```/.exec(page) ?? [];
    const { filter, tests, diagnostics } = parseRuleFile('patterns.md', source, '');
    assert.deepEqual(diagnostics, []);
    assert.ok(filter !== undefined && tests.length === 2);
    assert.deepEqual(
      runRuleTests(filter, tests, (of, lines) => recogniseLines(of, lines, clock.nowMs)),
      [],
    );
  });

  test('its refusal reads as the one that people get', () => {
    const line = "  failed-login: 'Failed password for {user} from {addr} port {port}'";
    const source = `filter: sshd\nprograms: [sshd]\nports: [ssh]\njournal: []\nabout: x\nexcept: []\n\npatterns:\n${line}\n`;
    const [first] = parseRuleFile('rules/sshd.yaml', source, '').diagnostics;
    assert.ok(first !== undefined);
    assert.ok(page.includes(formatDiagnostic(first, line)), formatDiagnostic(first, line));
  });

  test('what its table calls refused is refused', () => {
    const rows = [...page.matchAll(/^\| `([^`]*\{[^`]*)` \| (?!.*\|.*\|.*\|)[^|]* \| [^|]* \|$/gm)].map(([, pattern = '']) => pattern);
    assert.ok(rows.length === 5, rows.join('\n'));
    for (const pattern of rows) {
      const { syntax, mistakes } = parsePattern(pattern.replace(' ...', ' {addr}'));
      assert.notEqual(mistakes.length + provePattern(syntax, 'address').mistakes.length, 0, pattern);
    }
  });
});
