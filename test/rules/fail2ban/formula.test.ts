import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { banLengthMs, type BantimePolicy } from '../../../src/rules/fail2ban/bantime.ts';
import { compileFormula } from '../../../src/rules/fail2ban/formula.ts';
import { FormulaError } from '../../../src/rules/fail2ban/formula-syntax.ts';
import { without } from '../../environment.ts';
import { askPython } from './original.ts';

const names = ['ban.Time', 'ban.Count', 'banFactor'];
const values = new Map([
  ['ban.Time', 600],
  ['ban.Count', 3],
  ['banFactor', 2],
]);

const python = `
import math, random
random.random = lambda: 0.25
class ban:
    Time = 600
    Count = 3
banFactor = 2
def answer(text):
    value = eval(text)
    if isinstance(value, complex): raise ValueError("complex")
    if isinstance(value, float) and (math.isinf(value) or math.isnan(value)): raise ValueError("not finite")
    return float(value)
`;

function ours(text: string): number | undefined {
  try {
    return compileFormula(text, names).evaluate(values, () => 0.25);
  } catch (error) {
    assert.ok(error instanceof FormulaError, String(error));
    assert.ok(error.offset >= 0 && error.offset <= text.length);
    return undefined;
  }
}

const written = [
  'ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor',
  'ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)',
  'ban.Time * math.log(ban.Count + 1) * banFactor',
  'min(ban.Time * 2**ban.Count, 86400)',
  'ban.Time + random.random() * 600',
  'ban.Time if ban.Count < 3 else ban.Time * 10 if ban.Count < 5 else ban.Time * 100',
  '-2**2',
  '2**-1',
  '2**3**2',
  '-7//2',
  '-7%3',
  '7%-3',
  '7//-2',
  '1<2<3',
  '3>2>2',
  'not 0',
  '1 and 2 or 3',
  '0 or 0',
  '~5',
  '6&3|8^1',
  '1<<3+1',
  '10-3-2',
  '1_000 * 2',
  '0x10',
  '1e3',
  '.5',
  '5.',
  'True + 1',
  'abs(-3)',
  'round(2.5)',
  'round(3.5)',
  'round(-1.5)',
  'int(-2.7)',
  'math.floor(-2.5)',
  'math.ceil(2.1)',
  'pow(2, 8)',
  'max(1, 2, 3)',
  '1/0',
  '1//0',
  '5%0',
  'math.log(0)',
  'math.sqrt(-1)',
  '1 +',
  '(1',
  '1)',
  'foo',
  'ban',
  'ban.Time()',
  'math.log',
  'ban.__class__',
  '"a"',
  'lambda: 1',
  '1 if 2',
  '012',
  '1 2',
  '1__0',
  '2 ** 20000.0',
  'min()',
  'max(1,)',
  'math.pow(0, -1)',
  '1 << -1',
  '1 << 2 << 3',
  '7 >> 1',
  'math.factorial(5)',
  'if',
  'not',
  '1 not 2',
];

describe('a formula', () => {
  test('has the value that Python gives it, or none where Python refuses', { skip: without('fail2ban-client') }, async () => {
    const answers = await askPython(python, written);
    for (const [index, text] of written.entries()) {
      const theirs = answers[index];
      const value = ours(text);
      if (typeof theirs === 'number') assert.equal(value?.toPrecision(12), theirs.toPrecision(12), text);
      else assert.equal(value, undefined, `${text}: ${JSON.stringify(theirs)}`);
    }
  });

  const number = fc.oneof(fc.integer({ min: 0, max: 9 }).map(String), fc.constantFrom('ban.Time', 'ban.Count', 'banFactor', '1.5', '0.25'));
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      number,
      fc
        .tuple(tie('expression'), fc.constantFrom('+', '-', '*', '/', '//', '%', '<', '>=', '==', ' and ', ' or '), tie('expression'))
        .map((parts) => parts.join('')),
      fc.tuple(fc.constantFrom('-', '+', 'not '), tie('expression')).map((parts) => `(${parts.join('')})`),
      tie('expression').map((inner) => `(${inner})`),
      fc.tuple(tie('expression'), tie('expression'), tie('expression')).map(([a, b, c]) => `(${a} if ${b} else ${c})`),
      fc.tuple(fc.constantFrom('min', 'max'), tie('expression'), tie('expression')).map(([name, a, b]) => `${name}(${a}, ${b})`),
    ),
  }));

  test('any that is put together from the parts has the value that Python gives it', { skip: without('fail2ban-client') }, async () => {
    const texts = fc.sample(expression, { numRuns: 3_000, seed: 7 }).filter((text) => text.length < 500);
    const answers = await askPython(python, texts);
    let finite = 0;
    for (const [index, text] of texts.entries()) {
      const theirs = answers[index];
      if (typeof theirs !== 'number') {
        assert.equal(ours(text), undefined, `${text}: ${JSON.stringify(theirs)}`);
        continue;
      }
      finite++;
      const value = ours(text);
      assert.ok(value !== undefined && Math.abs(value - theirs) <= 1e-9 * Math.max(1, Math.abs(theirs)), `${text}: ${value} for ${theirs}`);
    }
    assert.ok(finite > 1_000);
  });

  test('of any text is read or refused, and never does anything else', () => {
    const noise = fc
      .array(
        fc.constantFrom(
          'ban',
          '.',
          'Time',
          '(',
          ')',
          '+',
          '**',
          '9',
          '<<',
          ',',
          ' if ',
          ' else ',
          'math.',
          'exp',
          '_',
          '"',
          '[',
          ';',
          '\n',
          'é',
        ),
        { maxLength: 30 },
      )
      .map((parts) => parts.join(''));
    fc.assert(fc.property(noise, (text) => void ours(text)));
    fc.assert(fc.property(fc.string(), (text) => void ours(text)));
  });

  for (const text of [
    '__import__("os").getpid()',
    '[1][0]',
    '(lambda: 1)()',
    'ban.Time.real',
    'open("/dev/null").fileno()',
    '{1: 2}[1]',
    '1 if [] else 2',
    'f"{1}"',
  ]) {
    test(`has no part that could do more than compute: ${text}`, () => assert.equal(ours(text), undefined));
  }

  test('is bounded in length and depth', () => {
    for (const text of ['('.repeat(900), '-'.repeat(1_900), 'not '.repeat(400), '2**'.repeat(600), '1+'.repeat(1_500), '9'.repeat(1_999)])
      assert.equal(ours(text), undefined);
  });

  test('tells where it goes wrong, and what is known', () => {
    assert.throws(
      () => compileFormula('ban.Time * ban.Cout', names),
      (error) => error instanceof FormulaError && error.offset === 11 && error.message.includes('ban.Count'),
    );
    assert.throws(() => compileFormula('math.log', names), /write "math.log\(...\)"/);
  });
});

describe('the length of a ban', () => {
  const increment = { factor: 1, formula: undefined, multipliers: [], maxMs: Infinity, randomMs: 0, overAllJails: false };
  const lengths = (policy: BantimePolicy) => [0, 1, 2, 3].map((earlier) => banLengthMs(policy, earlier, () => 0.5) / 1_000);

  test('is always the same without increment', () =>
    assert.deepEqual(lengths({ firstMs: 600_000, increment: undefined }), [600, 600, 600, 600]));
  test('doubles with increment', () => assert.deepEqual(lengths({ firstMs: 600_000, increment }), [600, 1_200, 2_400, 4_800]));
  test('follows the multipliers, and stays at the last', () =>
    assert.deepEqual(
      lengths({ firstMs: 600_000, increment: { ...increment, factor: 2, multipliers: [1, 5, 30] } }),
      [600, 6_000, 36_000, 36_000],
    ));
  test('is never shorter than the first by a formula', () =>
    assert.deepEqual(
      lengths({ firstMs: 600_000, increment: { ...increment, formula: compileFormula('ban.Count', names) } }),
      [600, 600, 600, 600],
    ));
  test('ends at maxtime, and rndtime comes on top', () =>
    assert.deepEqual(
      lengths({ firstMs: 600_000, increment: { ...increment, maxMs: 2_000_000, randomMs: 100_000 } }),
      [600, 1_250, 2_050, 2_050],
    ));
  test('for ever stays for ever', () =>
    assert.equal(
      banLengthMs({ firstMs: Infinity, increment }, 3, () => 0),
      Infinity,
    ));
});
