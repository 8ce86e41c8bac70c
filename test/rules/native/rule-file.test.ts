import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import * as fc from 'fast-check';
import { formatDiagnostic } from '../../../src/diagnostic.ts';
import { recogniseLines } from '../../../src/offline/recognise.ts';
import { loadRules } from '../../../src/rules/native/load-rules.ts';
import { parseRuleFile } from '../../../src/rules/native/rule-file.ts';
import { runRuleTests } from '../../../src/rules/native/rule-tests.ts';

/** Everything that is said of a rule file, as people see it. */
function said(source: string): string {
  const lines = source.split('\n');
  const { diagnostics } = parseRuleFile('rule.yaml', source, '');
  return diagnostics.map((one) => formatDiagnostic(one, lines[one.line - 1])).join('\n');
}

/** A rule file that is right, with one line more. */
function withLine(line: string): string {
  return `filter: a\nprograms: [a]\nports: all\n${line}\n`;
}

describe('a rule file that is right', () => {
  const rule = parseRuleFile(
    'a.yaml',
    `filter: a
about: All that a file may say
programs: [a/b, c]
journal: [_COMM=a, '+', _UID=0]
ports: [smtp, 8025, 40000-40002]
cut: 2000
patterns:
  one: 'x {addr} {why}'
  two: { pattern: '{id:qid}: y', address: remember.who, follows: true }
  three: { regex: '^z (?<user>\\S+) <ADDR>$' }
  four: { regex: '^.* <ADDR>', unproved: true }
  five: '{w:own} z {addr}'
except: ['x {other:ip} friend']
remember: { who: '{id:qid}: from {client}' }
`,
    '',
  );
  test('becomes a filter', () => {
    const { filter } = rule;
    assert.ok(filter !== undefined);
    assert.deepEqual(filter.ports, { kind: 'list', protocol: 'tcp', ports: [25, 8025, 40000, 40001, 40002] });
    assert.deepEqual(
      filter.patterns.map(({ name, follows, address }) => [name, follows, address.kind]),
      [
        ['one', false, 'own'],
        ['two', true, 'remembered'],
        ['three', false, 'own'],
        ['four', false, 'own'],
        ['five', false, 'own'],
      ],
    );
    assert.deepEqual(
      filter.remember.map(({ name, key }) => [name, key]),
      [['who', 'id']],
    );
    assert.deepEqual(filter.journal, ['_COMM=a', '+', '_UID=0']);
  });
  test('tells what its author vouches for, and warns of what is not proved', () => {
    assert.deepEqual(rule.vouched, [{ pattern: 'five', hole: 'w' }]);
    assert.deepEqual(rule.unproved, ['four']);
    assert.deepEqual(
      rule.diagnostics.map(({ severity, line }) => [severity, line]),
      [['warning', 11]],
    );
  });
});

test('all mistakes are told at once, in the order of the file, each at its place', () => {
  const source = `filter: sshd
programs: [sshd]
ports: [ssg]
maxretries: 3
journal: ['SYSLOG_IDENTIFIER=sshd']
patterns:
  failed-login: 'Failed password for {user} from {addr} port {port}'
  b: "a \\"x\\" {adr}"
  c: { pattern: 'it''s {a}{b}', address: remember.clent }
`;
  assert.equal(
    said(source),
    `rule.yaml:3:9: "ssg" is not a known port; did you mean "ssh"?
    3 | ports: [ssg]
      |         ^^^
rule.yaml:4:1: unknown key "maxretries"; did you mean "maxretry" (in a jail)?
    4 | maxretries: 3
      | ^^^^^^^^^^
rule.yaml:5:11: "SYSLOG_IDENTIFIER=sshd" is what the sender says of itself, and any local user may say it
    5 | journal: ['SYSLOG_IDENTIFIER=sshd']
      |           ^^^^^^^^^^^^^^^^^^^^^^^^
  help: use a field that journald vouches for, such as _SYSTEMD_UNIT=ssh.service
rule.yaml:7:38: the client could move this address: {user} stands before {addr}, and the pattern does not end in "$"
    7 |   failed-login: 'Failed password for {user} from {addr} port {port}'
      |                                      ^^^^^^
  help: end the pattern with "$", so that the last " from " is taken: 'Failed password for {user} from {addr} port {port}$'
rule.yaml:8:15: {adr} would be any text, but it is nearly the class "addr"
    8 |   b: "a \\"x\\" {adr}"
      |               ^^^^^
  help: did you mean {addr}? If it is text after all, say so: {adr:text}
rule.yaml:9:24: nothing fixed stands between {a} and {b}
    9 |   c: { pattern: 'it''s {a}{b}', address: remember.clent }
      |                        ^^^
  help: put the text between them there, or make them one hole
rule.yaml:9:42: nothing is remembered as "clent"
    9 |   c: { pattern: 'it''s {a}{b}', address: remember.clent }
      |                                          ^^^^^^^^^^^^^^
  help: write remember.NAME, and NAME under "remember:"`,
  );
});

const wrong: readonly [source: string, expected: RegExp][] = [
  ['', /^rule\.yaml:1:1: the file is empty/],
  ['- a', /a rule file must be a mapping/],
  ['filter: a', /"programs:" is missing.*\n(?:.*\n)*.*"ports:" is missing/],
  ['a: [', /rule\.yaml:1:\d+: /],
  [withLine('filter: b'), /:4:1: the key "filter" stands here twice/],
  [withLine('patterns: { a: "{addr}", a: "{addr}" }'), /the key "a" stands here twice/],
  [withLine('patterns: { A b: "{addr}" }'), /"A b" is no name for a pattern/],
  [withLine('patterns: { a: 5 }'), /must be text; found 5/],
  [withLine('patterns: { a: }'), /the pattern "a" is empty|must be text; found nothing/],
  [withLine('patterns: { a: { follows: true } }'), /neither "pattern" nor "regex"/],
  [withLine('patterns: { a: { pattern: "{addr}", regex: "^<ADDR>" } }'), /both "pattern" and "regex"/],
  [withLine('patterns: { a: { pattern: "{addr}", follow: true } }'), /unknown key "follow"; did you mean "follows"/],
  [withLine('patterns: { a: { pattern: "{addr}", follows: yes } }'), /"follows" must be true or false; found "yes"/],
  [withLine('patterns: { a: { pattern: "{addr}", unproved: true } }'), /for "regex" only/],
  [withLine('patterns: { a: "no address" }'), /names nobody/],
  [withLine('patterns: { a: "{addr} {addr}" }'), /stands twice/],
  [withLine('patterns: { a: "{addr} {b:addr}" }'), /second address/],
  [withLine('patterns: { a: "x {?{addr}}" }'), /may be missing/],
  [withLine('patterns: { a: "{a}{addr}$" }'), /nothing marks where \{addr\} begins/],
  [withLine('patterns: { a: "{a} x {b} from {addr}$" }'), /\{a\} and \{b\} stand before/],
  [withLine('patterns: { a: "{a} from {addr} {b}$" }'), /\{b\} behind it/],
  [withLine('patterns: { a: "{a} from {addr}{?, {b:own}}$" }'), /optional part/],
  [withLine('patterns: { a: "{a} from {b:own} at {addr}$" }'), /may only close the pattern/],
  [withLine('patterns: { a: "{?x {t}} {addr}" }'), /optional part that does not close the pattern/],
  [withLine('patterns: { a: "{x:wrod} {addr}" }'), /"wrod" is no type.*\n.*\n.*\n.*did you mean \{x:word\}/],
  [withLine('patterns: { a: "{x:a|} {addr}" }'), /empty word/],
  [withLine('patterns: { a: "} {addr}" }'), /closes nothing.*\n.*\n.*\n.*"}}"/],
  [withLine('patterns: { a: "{?x {addr}" }'), /never closed/],
  [withLine('except: ["{why} friend"]'), /could have its offence excepted/],
  [withLine('remember: { a: "x {addr}" }'), /nothing here joins/],
  [
    withLine('remember: { a: "{qid}: {client}" }\npatterns: { a: { pattern: "{why} in {qid}", address: remember.a } }'),
    /could choose the line/,
  ],
  [withLine('remember: { a: "{qid}: {client}" }\npatterns: { a: { pattern: "x", address: remember.a } }'), /is not in the pattern/],
  [withLine('remember: { a: "{qid}: {client}" }\npatterns: { a: { pattern: "{qid} {addr}", address: remember.a } }'), /said twice/],
  [withLine('cut: 20'), /"cut" must be a whole number from 100 to 8192; found 20/],
  [withLine('journal: [_UID]'), /no match of the journal/],
  [withLine('tests: [{ line: x }]'), /does not say what matches/],
  [withLine('patterns: { ab: "{addr}" }\ntests: [{ line: x, matches: ba }]'), /no pattern is named "ba"; did you mean "ab"/],
  [withLine('tests: [{ line: x, matches: nothing, address: 192.0.2.4 }]'), /so there is no address/],
  [`filter: a\nprograms: ["a b"]\nports: all\npatterns: { a: "{addr}" }`, /is no program/],
  [withLine('about: &x y\npatterns: { a: *x }'), /alias/],
];
for (const [source, expected] of wrong) {
  test(`refused, and why: ${JSON.stringify(source.replace('filter: a\nprograms: [a]\nports: all\n', ''))}`, () =>
    assert.match(said(source), expected));
}

const scalars: readonly [written: string, line: number, column: number][] = [
  ["'a {adr} {addr}'", 4, 20],
  ['"a {adr} {addr}"', 4, 20],
  ['a {adr} {addr}', 4, 19],
  ["'it''s {adr} {addr}'", 4, 24],
  ['"\\x41\\"\\u00e9 {adr} {addr}"', 4, 31],
  ['|\n    a {adr} {addr}', 5, 7],
  ['>\n    a\n    {adr} {addr}', 6, 5],
  ['>-\n    a b\n    c {adr} {addr}', 6, 7],
];
for (const [written, line, column] of scalars) {
  test(`a mistake is shown where it stands in ${JSON.stringify(written)}`, () => {
    const [first] = parseRuleFile(
      'rule.yaml',
      withLine(`patterns: { }`).replace('patterns: { }', `patterns:\n  name: ${written}`),
      '',
    ).diagnostics;
    assert.deepEqual([first?.line, first?.column, first?.length], [line + 1, column - (line === 4 ? 8 : 0), 5]);
  });
}

test('whatever the file says, reading it ends in diagnostics', () => {
  const piece = fc.constantFrom(
    'filter',
    ': ',
    'a',
    '\n',
    '  ',
    'patterns',
    '{',
    '}',
    '[',
    ']',
    "'",
    '"',
    '|',
    '>',
    '&x ',
    '*x',
    '- ',
    '{addr}',
    '!!binary ',
    '<<',
    '? ',
    '#',
    '\t',
    '\u0000',
    '1',
  );
  fc.assert(
    fc.property(fc.string({ unit: piece, maxLength: 60 }), (source) => {
      const { filter, diagnostics } = parseRuleFile('rule.yaml', source, '');
      const lines = source.split('\n').length;
      for (const { line, column, length } of diagnostics) assert.ok(line >= 1 && line <= lines + 1 && column >= 1 && length >= 1);
      assert.ok(filter !== undefined || diagnostics.length > 0);
    }),
    { numRuns: 5_000 },
  );
});

describe('the tests inside a rule file', () => {
  const rule = parseRuleFile(
    'a.yaml',
    `filter: a
programs: [a]
ports: all
patterns: { one: 'x {addr}' }
except: ['x {other:ip} friend']
tests:
  - { line: 'x 192.0.2.4', matches: one, address: 192.0.2.4 }
  - { line: 'Oct 18 01:20:09 mx a[7]: x 192.0.2.4', matches: one }
  - { line: 'Oct 18 01:20:09 mx b[7]: x 192.0.2.4', matches: nothing }
  - { line: 'x 192.0.2.4', matches: one, address: 192.0.2.5 }
  - { line: 'x 192.0.2.4', matches: nothing }
  - { line: 'y', matches: one }
  - { line: 'x 192.0.2.4 friend', matches: one }
`,
    '',
  );
  test('fail with what was wanted and what came', () => {
    assert.ok(rule.filter !== undefined, JSON.stringify(rule.diagnostics));
    const failed = runRuleTests(rule.filter, rule.tests, (filter, lines) => recogniseLines(filter, lines, Date.UTC(2026, 10, 22)));
    assert.deepEqual(
      failed.map(({ line, column, message, help }) => [line, column, message, help]),
      [
        [10, 13, 'this line should name 192.0.2.5, and names 192.0.2.4', undefined],
        [11, 13, 'this line should match nothing, and one does', undefined],
        [12, 13, 'this line should match one, and nothing does', undefined],
        [13, 13, 'this line should match one, and nothing does', 'an exception took it'],
      ],
    );
  });
});

function rule(name: string, pattern: string): string {
  return `filter: ${name}\nprograms: [a]\nports: all\npatterns: { one: '${pattern} {addr}' }\n`;
}

describe('directories of rules', () => {
  const root = mkdtempSync(join(tmpdir(), 'slu-rules-'));
  after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'package'));
  mkdirSync(join(root, 'own'));
  writeFileSync(join(root, 'package/a.yaml'), rule('a', 'x'));
  writeFileSync(join(root, 'package/b.yaml'), rule('b', 'x'));
  writeFileSync(join(root, 'own/b.yaml'), rule('b', 'y'));
  writeFileSync(join(root, 'own/c.yaml'), rule('c', '{u}'));
  writeFileSync(join(root, 'own/d.yaml'), rule('a', 'z'));
  writeFileSync(join(root, 'own/.e.yaml'), 'not read');
  writeFileSync(join(root, 'own/e.yml'), 'not read');

  test('a file hides one of the same name, a broken one leaves the others, and two filters may not share a name', () => {
    const { filters, files, diagnostics, sourceLine } = loadRules([join(root, 'package'), join(root, 'own'), join(root, 'missing')]);
    assert.deepEqual(
      files.map(({ file }) => file.slice(root.length)),
      ['/package/a.yaml', '/own/b.yaml', '/own/c.yaml', '/own/d.yaml'],
    );
    assert.deepEqual(
      filters.map(({ name, patterns }) => [name, patterns[0]?.match('y 192.0.2.4') !== undefined]),
      [
        ['a', false],
        ['b', true],
        ['a', false],
      ],
    );
    assert.equal(diagnostics.length, 2);
    const [moved, shared] = diagnostics;
    assert.match(moved === undefined ? '' : (sourceLine(moved) ?? ''), /\{u\} \{addr\}/);
    assert.match(shared?.message ?? '', /"a" is defined in .*a\.yaml already/);
  });
});
