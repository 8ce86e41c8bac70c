import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { array, boolean, constantFrom, letrec, noShrink, oneof, record, sample, string, tuple } from 'fast-check';
import { compileRegex } from '../../../src/rules/fail2ban/regex-compile.ts';
import { RegexMistake } from '../../../src/rules/fail2ban/regex-tree.ts';
import { without } from '../../environment.ts';
import { searchWithPython } from './python-search.ts';
import type { PythonHit, SearchCase } from './python-search.ts';

const skip = without('python3');

function ours({ pattern, multiline, texts }: SearchCase): string | readonly PythonHit[] {
  try {
    const regex = compileRegex(pattern, { multiline, names: true });
    return texts.map((text) => {
      const hit = regex.search(text);
      if (hit === undefined) return null;
      const points = (offset: number): number => Array.from(text.slice(0, offset)).length;
      return [points(hit.start), points(hit.end), Object.fromEntries(hit.groups)];
    });
  } catch (error) {
    if (error instanceof RegexMistake) return error.message;
    throw error;
  }
}

/** Asserts that both find the same, or both refuse. */
function assertSame(cases: readonly SearchCase[]): void {
  const theirs = searchWithPython(cases);
  for (const [index, one] of cases.entries()) {
    const [mine, python] = [ours(one), theirs[index]];
    assert.ok(python !== undefined);
    if (typeof mine === 'string' || typeof python === 'string') {
      assert.equal(
        typeof mine,
        typeof python,
        `${JSON.stringify(one.pattern)}: ours ${JSON.stringify(mine)}, Python ${JSON.stringify(python)}`,
      );
      continue;
    }
    for (const [place, text] of one.texts.entries())
      assert.deepEqual(mine[place], python[place], `${JSON.stringify(one.pattern)} on ${JSON.stringify(text)}`);
  }
}

const each: readonly [pattern: string, texts: readonly string[], because: string][] = [
  ['^a.b$', ['a\rb\n', 'a\u2028b\n', 'a\nb\n', 'axb', 'axb\n\n'], '"." stops at a newline alone, "$" stands before one final newline'],
  ['[^]]+', ['a]b', ']'], 'a "]" right behind "[^" is a character'],
  ['[]a]+', [']a]', 'b'], 'a "]" right behind "[" is a character'],
  ['[^[]+', ['a[b'], 'a "[" in a set is a character'],
  ['[\\0-\\37\\101\\8]', ['8'], 'no octal digit'],
  ['[\\0-\\37\\101\\7]', ['\x1f', '7', 'A', '\x07', '8', '0'], 'octal digits in a set, one to three'],
  ['[\\400]', ['0'], 'octal digits that are too much'],
  ['a{,2}b', ['aaab', 'b'], '{,n} counts from 0'],
  ['a{b}c{}d{1,x}', ['a{b}c{}d{1,x}'], 'any other brace is a character'],
  ['\\-\\"\\<\\ \\:\\/', ['-"< :/'], 'escapes that nobody needs'],
  ['(?P<a>x)?(?P<b>(?(a)y|z))', ['xy', 'z', 'xz', 'y'], 'a condition'],
  ['(?P<a>)?b(?(a)c|d)', ['bc', 'bd'], 'a condition on a group that matched nothing'],
  ['(?P<a>(?<=^\\[))?1(?(a)(?=\\])|!)', ['[1]', '[1!', '1!'], 'a condition on a group without width'],
  ['(?P<a>a)?(?P=a)b', ['aab', 'b', 'ab'], 'a reference to a group that took no part fails'],
  ['(?P<a>[-/])x(?P=a)', ['-x-', '-x/'], 'a reference'],
  ['(?P<a>a|b*)?c', ['c', 'bbc'], 'an optional group that matched nothing took part'],
  ['(?i:vrfy|expn) (?P<a>[a-k]+)', ['VRFY ABK', 'eXpN \u212a', 'expn x'], 'letter case that does not count'],
  ['(?i)(?P<a>[^a-k]+)s', ['ABxyzS', 'K\u017f', '\u212axſ'], 'a negated set without letter case'],
  ['(?i)straße|µ|σ', ['STRASSE', 'STRAẞE', 'Μ', 'ς', 'Σ', 'μ'], 'letter case beyond ASCII'],
  ['(?i)[i]|\\u0130', ['İ', 'ı', 'I'], 'the Turkish letters'],
  ['(?a:\\w+) (?P<b>\\w+)', ['é é', 'a é'], 'ASCII classes'],
  ['\\bée\\b|\\d|\\s', ['xée', ' ée.', '٣', '\u0085', '\u001f', '\ufeff', '\u3000'], 'classes beyond ASCII'],
  ['[^\\W_]+|[\\W\\d]', ['_é', '€', '_'], 'a negated class in a set'],
  ['[\\S\\n]+', [' a\nb c'], 'a negated class beside a character'],
  ['(?P<a>a++)b|(?P<b>(?>c|cd)e)', ['aab', 'cde', 'ce'], 'atomic groups'],
  ['(?P<a>a?+)a', ['a', 'aa'], 'a possessive option'],
  ['x*?(?P<a>y??)z', ['xxyz'], 'lazy repetitions'],
  ['\\Aab\\Z', ['ab', 'ab\n'], 'the very end'],
  ['(?x) a b # c\n [ ]d', ['ab d', 'a b'], 'the verbose form'],
  ['(?s)a.b(?#comment)', ['a\nb'], 'dots that take newlines, and comments'],
  ['\\x41\\u00e9\\U0001f600[\\x30-\\x39]', ['Aé😀7'], 'characters by their number'],
  ['\\0\\012\\101', ['\0\nA'], 'octal numbers'],
  ['.😀.', ['a😀b', '😀😀😀'], 'characters beyond the first plane'],
  ['(a)(?P<b>\\1)', ['aa'], 'a reference by number'],
  ['(?<!a)b|(?<=x|y)z', ['ab', 'b', 'yz'], 'lookbehind'],
  ['(?=(?P<a>\\w))\\w+(?!\\w)', ['hello'], 'lookahead'],
  // Refused by both.
  ['a**', [], 'a repetition of a repetition'],
  ['(?P<a>x)(?P<a>y)', [], 'a name twice'],
  ['(?<=a+)b', [], 'lookbehind without one length'],
  ['[z-a]', [], 'a range that ends before it begins'],
  ['a(?i)b', [], 'flags in the middle'],
  ['(?P<a', [], 'a name without end'],
  ['(?<a>x)', [], 'a name as others write it'],
  ['\\q', [], 'an unknown escape'],
  ['x{3,1}', [], 'a repetition that ends before it begins'],
  ['(', [], 'a group without end'],
  [')', [], 'an end without a group'],
  ['[a', [], 'a set without end'],
  ['*a', [], 'nothing to repeat'],
  ['\\2(a)', [], 'a reference to a group that is not there yet'],
  ['(?P=b)', [], 'a reference to no name'],
  ['(?(3)a|b)', [], 'a condition on no group'],
];

describe("an expression of Python's dialect", { skip }, () => {
  for (const [pattern, texts, because] of each)
    test(`${JSON.stringify(pattern)}: ${because}`, () => assertSame([{ pattern, multiline: false, texts }]));

  test('finds at line ends what Python finds there with MULTILINE', () => {
    const texts = ['a\nb\n', 'b\na', '\n\n', 'ab', 'a\rb\n'];
    assertSame(['^b', 'a$', '$', '^$', 'a\\Z', '\\Ab', '^(?P<x>.*)$'].map((pattern) => ({ pattern, multiline: true, texts })));
  });

  test('finds what Python finds, whatever it is made of', () => {
    const text = string({
      unit: constantFrom(...Array.from('aAbB1 _-]\n\r'), 'é', 'K', 'ſ', '\u2028', '\u0085', '😀'),
      minLength: 1,
      maxLength: 12,
    });
    const cases = sample(
      record({ pattern: noShrink(expression), multiline: boolean(), texts: array(text, { minLength: 4, maxLength: 8 }) }),
      { numRuns: 1_500, seed: 20_051_408 },
    );
    assertSame(cases);
  });
});

/** Expressions whose named groups stand outside of repetitions: within them, JavaScript forgets what a group took at each round. */
const { expression } = letrec<{
  atom: string;
  group: string;
  item: string;
  sequence: string;
  body: string;
  choice: string;
  expression: string;
}>((tie) => {
  const char = constantFrom('a', 'b', 'A', '1', ' ', '_', '\\-', '\\]', 'é', 'k', '\\n');
  const set = constantFrom('[ab]', '[^a]', '[^]b]', '[a-z]', '[^\\W_]', '[\\s1]', '[^\\S\\n]', '[A-K_-]', '[é-ü]');
  const edge = constantFrom('^', '$', '\\b', '\\B', '\\Z');
  return {
    atom: oneof(
      { weight: 6, arbitrary: char },
      { weight: 3, arbitrary: set },
      { weight: 3, arbitrary: constantFrom('.', '\\w', '\\W', '\\s', '\\S', '\\d', '\\D') },
      {
        weight: 3,
        arbitrary: tuple(constantFrom('(?:', '(?i:', '('), tie('sequence'), char).map(([open, body, one]) => `${open}${body}${one})`),
      },
    ),
    group: oneof(
      edge.map((at) => `(?:${at})`),
      tuple(constantFrom('(?:', '(?i:', '(?=', '(?!', '(?>'), tie('body')).map(([open, body]) => `${open}${body})`),
      tuple(constantFrom('(?<=', '(?<!'), oneof(char, set)).map(([open, one]) => `${open}${one})`),
    ),
    // What can match nothing is not repeated: Python then goes round once more with nothing, JavaScript does not.
    item: oneof(
      tuple(tie('atom'), constantFrom('', '', '', '*', '+', '*?', '+?', '{2}', '{,2}', '{1,2}?')).map(
        ([atom, quantifier]) => atom + quantifier,
      ),
      tuple(tie('group'), constantFrom('', '', '?', '??')).map(([group, quantifier]) => group + quantifier),
      tuple(oneof(char, set), constantFrom('*+', '++', '?+', '{1,2}+')).map(([one, quantifier]) => one + quantifier),
    ),
    sequence: array(tie('item'), { minLength: 1, maxLength: 3 }).map((items) => items.join('')),
    body: oneof({ maxDepth: 3, withCrossShrink: true }, tie('sequence'), tie('choice')),
    choice: tuple(tie('sequence'), tie('sequence')).map(([one, other]) => `${one}|${other}`),
    expression: tuple(
      constantFrom('', '', '(?i)', '(?s)'),
      tie('sequence'),
      tie('body'),
      constantFrom('', '?', '??'),
      tie('sequence'),
      constantFrom('', '(?(x)a|b)', '(?P=x)', '$'),
      tie('sequence'),
    ).map(([flags, before, inner, quantifier, after, late, last]) => {
      const reference = flags === '(?i)' && late === '(?P=x)' ? '' : late;
      return `${flags}${before}(?P<x>${inner})${quantifier}${after}${reference}(?P<y>${last})`;
    }),
  };
});
