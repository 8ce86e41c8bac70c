import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { compileRegexPattern } from '../../../src/rules/native/regex-pattern.ts';
import type { RegexPattern } from '../../../src/rules/native/regex-pattern.ts';

function compile(regex: string, unproved = false): RegexPattern {
  return compileRegexPattern(regex, { name: 'x', follows: false, unproved, cutBytes: undefined });
}

const fitting: readonly [regex: string, message: string, expected: string | undefined, because: string][] = [
  ['^login of (?<user>\\w+) from <ADDR>$', 'login of a from 192.0.2.4', '192.0.2.4 user=a', 'a word holds no space: proved from the left'],
  [
    '^login of (?<user>.*) from <ADDR>$',
    'login of x from 203.0.113.66 from 192.0.2.4',
    '192.0.2.4 user=x from 203.0.113.66',
    'from the right',
  ],
  [
    '^login of .* from <ADDR>(?: port \\d{1,5})?$',
    `login of ${'a'.repeat(900)} from 203.0.113.66`,
    undefined,
    'a long message may have been cut',
  ],
  [
    '^from <ADDR>: (?:error|failure) \\d{1,3}',
    'from 2001:db8::4: failure 12',
    '2001:db8::4',
    'a colon behind an address, and what no address has',
  ],
  ['^from <ADDR>', 'from 192.0.2.4-x.example', undefined, 'an address does not end in the middle of a name'],
  ['^from <ADDR>', 'from 010.0.0.1', undefined, 'only real addresses'],
  ['^from <ADDR>', 'x from 192.0.2.4', undefined, 'anchored'],
];
for (const [regex, message, expected, because] of fitting) {
  test(`/${regex}/ on "${message.slice(0, 60)}": ${because}`, () => {
    const { pattern, mistakes } = compile(regex);
    assert.deepEqual(mistakes, []);
    const match = pattern?.match(message);
    const captures = [...(match?.captures ?? [])].map(([name, value]) => ` ${name}=${value}`).join('');
    assert.equal(match === undefined ? undefined : `${match.address}${captures}`, expected);
  });
}

const refused: readonly [regex: string, mistake: RegExp, marked: string][] = [
  ['from <ADDR>', /does not begin with "\^"/, 'f'],
  ['^a', /has no <ADDR>/, '^a'],
  ['^<ADDR> <ADDR>', /second <ADDR>/, '<ADDR>'],
  ['^a (?:from <ADDR>)?', /inside a group/, '<ADDR>'],
  ['^a (?:from <ADDR>|b)', /inside a group/, '<ADDR>'],
  ['^a <ADDR>?', /takes no quantifier/, '<ADDR>?'],
  ['^a\\w+<ADDR>', /where the address begins/, '<ADDR>'],
  ['^a <ADDR>\\d', /where the address ends/, '<ADDR>'],
  ['^a <ADDR>:', /where the address ends/, '<ADDR>'],
  ['^(a+)+ <ADDR>', /exponential/, '(a+)+'],
  ['^(?:a|a\\d?)x <ADDR>', /two choices/, '(?:a|a\\d?)'],
  ['^(?: x)? x <ADDR>', /two choices/, '(?: x)?'],
  ['^(?:a+a|b)x <ADDR>', /inside a group/, 'a+'],
  ['^.*a.* <ADDR>$', /quadratic/, '.*'],
  ['^.* [a-z]+=<ADDR>$', /\{1,64\}/, '[a-z]+'],
  ['^.* <ADDR>', /does not end in "\$"/, '.*'],
  ['^[^<]+ <ADDR> x', /quadratic|does not end in "\$"/, '[^<]+'],
  ['^a (?=b)<ADDR>', /lookahead/, '(?='],
  ['^(?<!b)<ADDR>', /lookahead/, '(?<!'],
  ['^(a) \\1 <ADDR>', /backreferences/, '\\1'],
  ['^(?i:a) <ADDR>', /not taken/, '(?i:'],
  ['^a+? <ADDR>', /lazy/, '+?'],
  ['^a|b <ADDR>', /outside a group/, '|'],
  ['^(a <ADDR>', /never closed/, '('],
  ['^a) <ADDR>', /closes nothing/, ')'],
  ['^[a <ADDR>', /set is never closed/, '['],
  ['^\\bx <ADDR>', /not taken/, '\\b'],
  ['^* <ADDR>', /nothing to stand behind/, '*'],
];
for (const [regex, mistake, marked] of refused) {
  test(`/${regex}/ is refused`, () => {
    const { pattern, mistakes } = compile(regex);
    assert.equal(pattern, undefined);
    const [first] = mistakes;
    assert.match(first?.message + (first?.help ?? ''), mistake);
    assert.equal(regex.slice(first?.start, first?.end), marked);
  });
}

test('"unproved: true" lets an address through that is not proved, and no expression that is not linear', () => {
  assert.equal(compile('^.* <ADDR>', true).pattern?.match('x 203.0.113.66 y')?.address, '203.0.113.66');
  assert.equal(compile('^.* <ADDR>', true).proof, 'none');
  assert.equal(compile('^(a+)+ <ADDR>', true).pattern, undefined);
});

describe('any expression that is taken', () => {
  const atom = fc.constantFrom('a', 'b', ' ', '.', '[^ ]', '\\d', '\\w', '[ab]', 'x', ':');
  const quantifier = fc.constantFrom('', '', '+', '*', '?', '{1,3}');
  const item = fc.tuple(atom, quantifier).map((parts) => parts.join(''));
  const group = fc
    .tuple(
      fc.constantFrom('(?:', '('),
      fc.array(
        fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => items.join('')),
        { minLength: 1, maxLength: 3 },
      ),
      fc.constantFrom('', '?', '+'),
    )
    .map(([open, alternatives, close]) => `${open}${alternatives.join('|')})${close}`);
  const items = fc
    .array(fc.oneof({ weight: 4, arbitrary: item }, { weight: 1, arbitrary: group }), { maxLength: 4 })
    .map((list) => list.join(''));
  const regex = fc.tuple(items, items, fc.constantFrom('', '$')).map(([before, behind, end]) => `^${before} <ADDR>${behind}${end}`);

  test('takes no more than the expression says, and holds its literals', () => {
    let taken = 0;
    fc.assert(
      fc.property(regex, fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'x', '1', ':', '192.0.2.4') }), (source, message) => {
        const { pattern } = compile(source, true);
        if (pattern === undefined) return;
        taken++;
        const match = pattern.match(message);
        const plain = new RegExp(source.replace('<ADDR>', '([0-9A-Fa-f:.]{2,45})')).exec(message);
        assert.ok(match === undefined || plain !== null);
        assert.ok(match === undefined || pattern.literals.every((literal) => message.includes(literal)));
      }),
      { numRuns: 10_000 },
    );
    assert.ok(taken > 200, `${taken} taken`);
  });

  test('never crashes, whatever the text', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('^', '(', ')', '?', '[', ']', '\\', 'd', '<ADDR>', '*', '+', '|', '{', '}', '1', ',', '$', '.') }),
    );
    fc.assert(
      fc.property(text, (source) => {
        for (const { start, end } of compile(source).mistakes) assert.ok(start >= 0 && start < end && end <= source.length + 1);
      }),
      { numRuns: 10_000 },
    );
  });
});
