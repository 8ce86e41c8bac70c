import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Diagnostic, formatDiagnostic, formatDiagnostics } from '../src/diagnostic.ts';

const at = (file: string, line: number, column: number, more: Partial<Diagnostic> = {}): Diagnostic => ({
  file,
  line,
  column,
  length: 1,
  message: 'wrong',
  help: undefined,
  severity: 'error',
  ...more,
});

test('formatDiagnostic shows the line with a caret below what is meant, and the help', () => {
  assert.equal(
    formatDiagnostic(at('a.yaml', 3, 8, { length: 3, help: 'write "two"' }), 'count: one'),
    'a.yaml:3:8: wrong\n    3 | count: one\n      |        ^^^\n  help: write "two"',
  );
});
test('formatDiagnostic names the file alone where the whole file is meant', () => {
  assert.equal(formatDiagnostic(at('a.yaml', 0, 0), undefined), 'a.yaml: wrong');
});
test('formatDiagnostic escapes what a terminal would obey', () => {
  assert.equal(formatDiagnostic(at('a', 1, 1, { message: 'found \u001b[2J' }), undefined), 'a:1:1: found \\x1b[2J');
});
test('formatDiagnostic shows the part of a long line that matters', () => {
  const [, line = '', caret = ''] = formatDiagnostic(at('a', 1, 5_001), `${'x'.repeat(5_000)}Y${'z'.repeat(5_000)}`).split('\n');
  assert.ok(line.length < 200);
  assert.equal(line[caret.indexOf('^')], 'Y');
});
test('formatDiagnostics sorts by file, line and column, and counts', () => {
  const texts = new Map([
    ['b.yaml', 'b1\r\nb2'],
    ['a.yaml', 'a1'],
  ]);
  const all = [at('a.yaml', 1, 1), at('b.yaml', 2, 2), at('b.yaml', 2, 1, { severity: 'warning' }), at('b.yaml', 0, 0)];
  assert.equal(
    formatDiagnostics(all, texts),
    `b.yaml: wrong
b.yaml:2:1: warning: wrong
    2 | b2
      | ^
b.yaml:2:2: wrong
    2 | b2
      |  ^
a.yaml:1:1: wrong
    1 | a1
      | ^
3 mistakes, 1 warning`,
  );
});
test('formatDiagnostics of nothing is nothing', () => assert.equal(formatDiagnostics([], new Map()), ''));
