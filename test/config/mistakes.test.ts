import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { read, shownMistakes } from './sample.ts';

/** `=== what is wrong`, the file, `---`, and all that the user is shown. */
const cases = readFileSync(new URL('mistakes.txt', import.meta.url), 'utf8')
  .split(/^=== /m)
  .slice(1)
  .map((block) => {
    const [, name = '', text = '', shown = ''] = /^(.*)\n([\s\S]*?)\n---\n((?:sluice\.yaml)[\s\S]*)$/.exec(block) ?? [];
    return { name, text, shown: shown.trimEnd() };
  });

describe('mistakes.txt: each mistake is refused with its place, the value found and the value wanted', () => {
  test('the cases were found', () => assert.ok(cases.length > 80, `${cases.length} cases`));
  for (const { name, text, shown } of cases) {
    test(name, () => {
      assert.notEqual(shown, '', 'the case has no end');
      const reading = read(text);
      assert.equal(shownMistakes(reading, text), shown);
      assert.equal(reading.kind, 'mistakes');
    });
  }
});
