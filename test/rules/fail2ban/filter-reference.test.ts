import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { parseReference, splitReferences } from '../../../src/rules/fail2ban/filter-reference.ts';
import { splitWords } from '../../../src/rules/fail2ban/shell-words.ts';
import { without } from '../../environment.ts';
import { askPython } from './original.ts';

const pieces = fc.constantFrom(
  'name',
  'a.py',
  '[',
  ']',
  '[x=1]',
  '[x="a, b]", y=\'c\']',
  '][',
  'k=v',
  'k = v',
  'key=',
  ',',
  ' ',
  '  ',
  '\n',
  '\n   ',
  '"',
  "'",
  '=',
  '-',
  '.',
  '[a=1,b=2][c=3]',
  '[\n a=1,\n b=2 ]',
  '\\',
);
const text = fc.array(pieces, { minLength: 1, maxLength: 8 }).map((parts) => parts.join(''));

function refused(answer: unknown): boolean {
  return typeof answer === 'object' && answer !== null && 'error' in answer;
}

describe('references with options in brackets', { skip: without('fail2ban-client') }, () => {
  test('are taken apart as fail2ban takes them apart', async () => {
    const texts = fc.sample(text, { numRuns: 5_000, seed: 3 }).filter((each) => each.trim() === each && each !== '');
    const answers = await askPython(
      'from fail2ban.helpers import extractOptions\ndef answer(text): return list(extractOptions(text))',
      texts,
    );
    for (const [index, each] of texts.entries()) {
      const ours = parseReference(each);
      const theirs = answers[index];
      const told = JSON.stringify({ each, ours, theirs });
      if (typeof ours === 'string') assert.ok(refused(theirs), told);
      else assert.deepEqual([ours.name, Object.fromEntries(ours.options)], theirs, told);
    }
  });

  test('are told apart in a list as fail2ban does it', async () => {
    const texts = fc.sample(text, { numRuns: 5_000, seed: 3 });
    const answers = await askPython(
      'from fail2ban.helpers import splitWithOptions\ndef answer(text): return [one.strip() for one in splitWithOptions(text)]',
      texts,
    );
    for (const [index, each] of texts.entries()) {
      assert.deepEqual(
        splitReferences(each).map((one) => one.text),
        answers[index],
        JSON.stringify(each),
      );
    }
  });

  test('words of a journalmatch are those of a shell', async () => {
    const texts = fc.sample(text, { numRuns: 5_000, seed: 3 });
    const answers = await askPython('import shlex\ndef answer(text): return shlex.split(text)', texts);
    for (const [index, each] of texts.entries()) {
      const ours = splitWords(each);
      if (typeof ours === 'string') assert.ok(refused(answers[index]), each);
      else assert.deepEqual(ours, answers[index], JSON.stringify(each));
    }
  });
});

test('a mistake in the brackets is named with what stands there', () => {
  assert.equal(parseReference('f[mode=more'), 'the "[" is not closed by a "]" at the end');
  assert.equal(parseReference('f[mode]'), '"name=value" was expected, found "mode"');
  assert.equal(
    parseReference('f[ports=25]465]'),
    '"," or "]" was expected behind ports, found "]465"; a value with "," or "]" needs quotes',
  );
});
