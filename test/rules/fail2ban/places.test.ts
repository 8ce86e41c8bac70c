import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { loadFail2ban } from '../../../src/rules/fail2ban/load-fail2ban.ts';
import { linesOf, type Replacement, replaceParts, type SourcedText, sourced } from '../../../src/rules/fail2ban/sourced-text.ts';

const layers = fileURLToPath(new URL('../../samples/fail2ban/layers', import.meta.url));

test('each failregex names the file and line where it was written, through includes, layers and both substitutions', () => {
  const jail = loadFail2ban(layers).jails.find(({ name }) => name === 'second');
  assert.deepEqual(
    jail?.filter.failregex.map(({ text, place }) => [text, `${place.file.slice(layers.length + 1)}:${place.line}`]),
    [
      ['^^app: wrong password from <HOST>$', 'filter.d/app.conf:7'],
      ['^^app: odd greeting from <HOST>$', 'filter.d/app.conf:9'],
      ['^^app: added by one from <HOST>$', 'filter.d/app.d/one.conf:3'],
      ['^extra in the jail from <HOST>$', 'jail.conf:28'],
      ['^extra number two from <HOST>$', 'jail.conf:30'],
    ],
  );
});

test('a value that nobody wrote counts as written where its jail begins', () => {
  const jail = loadFail2ban(layers).jails.find(({ name }) => name === 'fourth');
  assert.equal(jail?.place.file, join(layers, 'jail.d/99-last.local'));
  assert.equal(jail?.options.get('backend')?.places[0].file, join(layers, 'jail.conf'));
});

describe('putting values into a value', () => {
  const at = (file: string, line: number) => ({ file, line, column: 1 });
  const value = fc.array(fc.constantFrom('', 'a', 'bc', '<x>', 'a<x>', '<x>b'), { minLength: 1, maxLength: 5 });
  const numbered = (file: string, lines: readonly string[]): SourcedText => {
    const [first = at(file, 1), ...rest] = lines.map((_, index) => at(file, index + 1));
    return { text: lines.join('\n'), places: [first, ...rest] };
  };

  test('keeps one place for each line, and each line of its own where it was', () => {
    fc.assert(
      fc.property(value, value, (hostLines, innerLines) => {
        const host = numbered('host', hostLines);
        const inner = numbered('inner', innerLines);
        const replacements: Replacement[] = [...host.text.matchAll(/<x>/g)].map(({ index }) => ({ start: index, end: index + 3, inner }));
        const result = replaceParts(host, replacements);
        assert.equal(
          result.text,
          host.text.replaceAll('<x>', () => inner.text),
        );
        assert.equal(result.places.length, result.text.split('\n').length);
        // What stands alone in its line is where the inner value has it; what never was a reference is where the host has it.
        for (const [index, line] of result.text.split('\n').entries()) {
          const place = result.places[index];
          const origin = place?.file === 'host' ? hostLines : innerLines;
          const written = origin[(place?.line ?? 0) - 1] ?? '?';
          assert.ok(
            place?.file === 'host' ? written.includes('<x>') || written === line : line.includes(written),
            JSON.stringify({ line, written }),
          );
        }
      }),
    );
  });

  test('empty lines of a list are left out', () => {
    assert.deepEqual(
      linesOf(sourced('a\n\nb', at('f', 3))).map(({ text }) => text),
      ['a', 'b'],
    );
  });
});
