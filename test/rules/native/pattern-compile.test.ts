import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { Pattern } from '../../../src/model/filter.ts';
import { compileFixedPart } from '../../../src/rules/native/fixed-part.ts';
import { compilePattern } from '../../../src/rules/native/pattern-compile.ts';
import { isAnything, provePattern } from '../../../src/rules/native/pattern-proof.ts';
import type { Proof } from '../../../src/rules/native/pattern-proof.ts';
import { parsePattern } from '../../../src/rules/native/pattern-syntax.ts';
import type { Part, PatternSyntax } from '../../../src/rules/native/pattern-syntax.ts';
import { referenceMatch } from './reference-matcher.ts';

interface Compiled {
  readonly syntax: PatternSyntax;
  readonly proof: Proof;
  readonly pattern: Pattern;
}

function compile(text: string, cutBytes?: number): Compiled | undefined {
  const { syntax, mistakes } = parsePattern(text);
  const address = /\{(?:addr|client)\}|:(?:addr|client)\}/.test(text);
  const proved = provePattern(syntax, address ? 'address' : 'nothing');
  if (mistakes.length + proved.mistakes.length > 0) return undefined;
  const settings = { name: 'x', follows: false, address: { kind: 'own' }, cutBytes } as const;
  return { syntax, proof: proved.proof, pattern: compilePattern(syntax, proved.proof, settings) };
}

function found(text: string, message: string, cutBytes?: number): string | undefined {
  const match = compile(text, cutBytes)?.pattern.match(message);
  const captures = [...(match?.captures ?? [])].map(([name, value]) => `${name}=${value}`).join(' ');
  return match === undefined ? undefined : `${match.address ?? '-'} ${captures}`.trim();
}

const cases: readonly [pattern: string, message: string, expected: string | undefined, because: string][] = [
  ['from {client}: x', 'from a.example[192.0.2.4]: x', '192.0.2.4 client=a.example', '{client} is name[address]'],
  ['from {client}: x', 'from a.example[192.0.2.4]:25: x', '192.0.2.4 client=a.example', '{client} may have a port'],
  ['from {client}: x', 'from unknown[unknown]: x', undefined, 'unknown is no address'],
  ['<{r}>: b', '<a>: a>: b', '- r=a>: a', 'a text hole ends where the whole next part fits'],
  ['<{r}>: b', ' <a>: b', undefined, 'a pattern starts at the first byte'],
  ['{n:num}.', '192.0', '- n=192', 'a run stops before the character behind it, although it could hold it'],
  ['{d:dsn}{p:port}', '5.7.1', undefined, 'nothing is given back, not even a digit'],
  ['{w:a|ab}b', 'abb', '- w=ab', 'the longest word that fits is taken'],
  ['{w:a|ab}b', 'ab', undefined, 'and is kept'],
  ['x{?12}1', 'x121', '-', 'an optional part is taken if it fits where it stands'],
  ['x{?12}1', 'x12', undefined, 'and is not given back for what follows'],
  ['x{?{n:int}}1', 'x11', '-', 'a run never holds the character behind it'],
  ['{u} at {addr}$', 'a at 192.0.2.1 at 192.0.2.2', '192.0.2.2 u=a at 192.0.2.1', 'proved from the right: the last place'],
  ['{u} at {addr}$', 'a at 192.0.2.1 at h', undefined, 'the last place, or none'],
  ['{u} at {addr}, {x:own}$', 'a at 192.0.2.1, b at h, c', undefined, 'words of the daemon behind: the marker must not come again'],
  ['at {addr}', 'at 192.0.2.1-x.example', undefined, 'an address does not end in the middle of a name'],
  ['at {addr}', 'at 192.0.2.1.example', undefined, 'nor before a dot'],
  ['at {addr}: x', 'at 2001:db8::1: x', '2001:db8::1', 'a colon behind an IPv6 address is not part of it'],
  ['at {addr}:{p:port}', 'at 2001:db8::1:25', undefined, 'a bare port behind an IPv6 address cannot be told from it'],
  ['at {addr}:{p:port}', 'at 192.0.2.1:25', '192.0.2.1 p=25', 'behind an IPv4 address it can'],
  ['at {addr} x', 'at ::ffff:192.0.2.1 x', '::ffff:192.0.2.1', 'canonical form is the matcher\u2019s business'],
  ['at {addr} x', 'at 010.0.0.1 x', undefined, 'octal octets name another host'],
  ['at {addr} x', 'at fe80::1%eth0 x', undefined, 'a zone is no part of an address'],
  ['a{{b}} {n:int}', 'a{b} 5', '- n=5', 'doubled braces are braces'],
  ['5$$', '5$', '-', 'two dollars are one'],
  ['{a} 5$$$', 'x 5$ 5$', '- a=x 5$', 'and a third one is the end'],
  ['a{? b {c}}', 'a b c d', '- c=c d', 'a text hole in an optional part that closes the pattern takes the rest'],
];
for (const [pattern, message, expected, because] of cases) {
  test(`'${pattern}' on "${message}": ${because}`, () => {
    assert.notEqual(compile(pattern), undefined);
    assert.equal(found(pattern, message), expected);
  });
}

function attack(length: number): string {
  return `Invalid user ${'a'.repeat(length)} from 203.0.113.66`;
}

describe('a message that was cut', () => {
  const long = 'x'.repeat(100);
  test('fits as far as it goes behind the address', () => {
    assert.equal(found('from {addr}: <{r}>: no', `from 192.0.2.1: <${long}`, 100), `192.0.2.1 r=${long}`);
    assert.equal(found('from {addr}: <{r}>: no', `from 192.0.2.1: <${long}`, 200), undefined);
    assert.equal(found('from {addr}: <{r}>: no', `from 192.0.2.1: <${long}`), undefined);
  });
  test('its size is counted in bytes', () => {
    assert.equal(found('from {addr}: <{r}>: no', `from 192.0.2.1: <${'\u00e9'.repeat(50)}`, 100)?.slice(0, 9), '192.0.2.1');
  });
  test('is not believed from the right: a user name decides where it ends', () => {
    assert.equal(found('Invalid user {u} from {addr}$', attack(1023 - 30)), undefined);
    assert.notEqual(found('Invalid user {u} from {addr}$', attack(300)), undefined);
    assert.equal(found('Invalid user {u} from {addr}$', attack(300), 256), undefined);
  });
});

/** Patterns and messages from so few characters that they meet often. */
const literal = fc.constantFrom('a', 'b', ' ', ': ', ':', '.', '[', ']', '> ', 'a b', 'ab', '1', ' from ', '2.0', '-', '{{', '%');
const classType = fc.constantFrom('ip', 'host', 'int', 'port', 'num', 'word', 'code', 'dsn', 'qid', 'a|ab', 'b|ba|bab', ' |  ', '1|12|2');
const piece = fc.oneof(
  { weight: 5, arbitrary: literal },
  { weight: 3, arbitrary: classType.map((type) => `{#:${type}}`) },
  { weight: 2, arbitrary: fc.constantFrom('{#:text}', '{#:own}') },
  {
    weight: 1,
    arbitrary: fc
      .array(
        fc.oneof(
          literal,
          classType.map((type) => `{#:${type}}`),
        ),
        { minLength: 1, maxLength: 3 },
      )
      .map((inner) => `{?${inner.join('')}}`),
  },
);
const addressPiece = fc.constantFrom(' {#:addr}', '[{#:addr}]', 'from {#:client}', 'a{?b}{#:addr}: ', '');
const patternText = fc
  .tuple(fc.array(piece, { maxLength: 4 }), addressPiece, fc.array(piece, { maxLength: 4 }), fc.constantFrom('', '$', '{?, {#:text}}'))
  .map(([before, address, behind, end]) => {
    let holes = 0;
    return [...before, address, ...behind, end].join('').replaceAll('#', () => `h${holes++}`);
  });
const fragment = fc.constantFrom(
  'a',
  'b',
  'ab',
  ' ',
  ':',
  ': ',
  '.',
  '[',
  ']',
  '> ',
  '1',
  '12',
  ' from ',
  '192.0.2.1',
  '2001:db8::1',
  '454',
  '5.7.1',
  'h[192.0.2.9]',
  '{',
  '-',
  '%',
  '\u00e9',
  '',
);

/** What stands between the holes of any text; those that close an optional part are left out. */
function fixedParts({ parts }: PatternSyntax): Part[][] {
  const fixed: Part[][] = [[]];
  for (const part of parts) {
    if (isAnything(part)) fixed.push([]);
    else fixed.at(-1)?.push(part.kind === 'optional' ? { ...part, parts: part.parts.filter((inner) => !isAnything(inner)) } : part);
  }
  return fixed.filter((part) => part.length > 0);
}

/** An expression without its sets and escaped characters, in which `*`, `+` and braces are none. */
function withoutSets(source: string): string {
  return source.replaceAll(/\\[^]/g, 'E').replaceAll(/\[(?:[^\]\\])+\]/g, 'S');
}

/** A message made for the pattern: its own literals, and something that could stand in each hole. */
function messageFor(pattern: string, filling: readonly string[]): string {
  let next = 0;
  const fill = (): string => filling[next++ % filling.length] ?? '';
  return pattern
    .replaceAll('{{', '\0')
    .replaceAll(/\{h\d+:addr\}/g, '192.0.2.7')
    .replaceAll(/\{h\d+:client\}/g, 'h[192.0.2.8]')
    .replaceAll(/\{h\d+:[^}]*\}/g, fill)
    .replaceAll(/\{\?|\}|\$$/g, '')
    .replaceAll('\0', '{');
}

describe('any pattern', () => {
  const messages = fc.tuple(
    patternText,
    fc.array(fragment, { minLength: 1, maxLength: 12 }),
    fc.boolean(),
    fc.constantFrom(undefined, 12, 30),
  );

  test('compiled finds what the plain definition finds, and its required texts and its beginning are there', () => {
    let compiled = 0;
    let matched = 0;
    fc.assert(
      fc.property(messages, ([text, fragments, fitting, cutBytes]) => {
        const pattern = compile(text, cutBytes);
        if (pattern === undefined) return;
        compiled++;
        const message = fitting ? messageFor(text, fragments) : fragments.join('');
        const expected = referenceMatch(pattern.syntax, pattern.proof, message, cutBytes);
        const actual = pattern.pattern.match(message);
        assert.deepEqual(actual, expected);
        if (actual === undefined) return;
        matched++;
        const { literals, head } = pattern.pattern;
        assert.ok(literals.length === 0 || literals.some((one) => message.includes(one)), `${literals.join('|')} in ${message}`);
        assert.ok(head === undefined || new RegExp(head, 'y').test(message), head);
      }),
      { numRuns: 10_000 },
    );
    assert.ok(compiled > 2_000 && matched > 400, `${compiled} compiled, ${matched} matched`);
  });

  test('is linear: its expressions have no unbounded quantifier but a closing one, and none on a group that has one', () => {
    fc.assert(
      fc.property(patternText, (text) => {
        const pattern = compile(text);
        if (pattern === undefined) return;
        for (const part of fixedParts(pattern.syntax)) {
          const { source } = compileFixedPart(part, pattern.syntax.ended);
          assert.doesNotMatch(withoutSets(source), /[*+]|\{\d+,\}|[}?]\)+[{*+]/, source);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('never crashes, whatever the text, and its mistakes lie within it', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('{', '}', '?', ':', '$', '|', 'a', 'addr', 'text', 'client', ' ') }),
      patternText,
    );
    fc.assert(
      fc.property(text, (pattern) => {
        const { syntax, mistakes } = parsePattern(pattern);
        const { proof, mistakes: unproved } = provePattern(syntax, 'address');
        for (const { start, end } of [...mistakes, ...unproved]) assert.ok(start >= 0 && start < end && end <= Math.max(1, pattern.length));
        if (mistakes.length + unproved.length > 0) return;
        compilePattern(syntax, proof, { name: 'x', follows: false, address: { kind: 'own' }, cutBytes: undefined }).match(pattern);
      }),
      { numRuns: 5_000 },
    );
  });
});
