import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { parseF2bDuration } from '../../../src/rules/fail2ban/f2b-duration.ts';
import { without } from '../../environment.ts';
import { askPython } from './original.ts';

const str2seconds = 'from fail2ban.server.mytime import MyTime\ndef answer(text): return MyTime.str2seconds(text)';

const cases: readonly [text: string, seconds: number][] = [
  ['600', 600],
  ['10m', 600],
  ['1d12h30m', 131_400],
  ['1h + 30min', 5_400],
  ['1year-6mo', 15_778_800],
  ['-1', -1],
  ['1.5h', 5_400],
  ['2 Weeks', 1_209_600],
  ['1h\n30m', 5_400],
  ['24*60*60', 86_400],
  ['5 mm', 300],
];
for (const [text, seconds] of cases) {
  test(`${JSON.stringify(text)} is ${seconds} seconds`, () => assert.equal(parseF2bDuration(text), seconds));
}

for (const text of ['', 'soon', '1x', '10 parsecs', '1h]', '__import__("os")', '1/0', '9**9**9**9']) {
  test(`${JSON.stringify(text)} is refused`, () => assert.match(String(parseF2bDuration(text)), /is not a length of time/));
}

describe('any sum of numbers and units', { skip: without('fail2ban-client') }, () => {
  const units =
    's ss se sec second seconds m mm mi min minute minutes h hh ho hou hour hours d dd da day days w ww we wee week weeks mo mon month months y yy ye yea year years';
  const unit = fc.constantFrom('', ...units.split(' ')).chain((name) => fc.constantFrom(name, name.toUpperCase()));
  const term = fc.tuple(fc.constantFrom('1', '2', '30', '1.5', '007'), fc.constantFrom('', '', ' '), unit).map((parts) => parts.join(''));
  const sum = fc
    .tuple(
      term,
      fc.array(
        fc.tuple(fc.constantFrom('', ' ', '+', ' - ', ' + ', '*', '  '), term).map((parts) => parts.join('')),
        { maxLength: 3 },
      ),
    )
    .map(([first, rest]) => first + rest.join(''));

  test('is as long as fail2ban takes it for', async () => {
    const texts = fc.sample(sum, { numRuns: 5_000, seed: 5 });
    const answers = await askPython(str2seconds, texts);
    for (const [index, text] of texts.entries()) {
      const ours = parseF2bDuration(text);
      const theirs = answers[index];
      if (typeof theirs === 'number') assert.equal(Number(ours).toPrecision(12), theirs.toPrecision(12), text);
      else assert.equal(typeof ours, 'string', `${text}: ${JSON.stringify({ ours, theirs })}`);
    }
  });
});
