import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { type IniFile, parseIni, type Section } from '../../../src/rules/fail2ban/ini-file.ts';
import { without } from '../../environment.ts';
import { askPython } from './original.ts';

const configParser = `
import configparser, io
def answer(text):
    parser = configparser.ConfigParser(inline_comment_prefixes=";", interpolation=None)
    parser.read_file(io.StringIO(text, newline=None))
    return {"defaults": dict(parser._defaults), "sections": {name: dict(values) for name, values in parser._sections.items()}}
`;

/** Lines that configuration files are made of, and what people get wrong. */
const line = fc
  .tuple(
    fc.constantFrom('', '', '', ' ', '    ', '\t', '\u00a0'),
    fc.constantFrom(
      '[a]',
      '[b]',
      '[DEFAULT]',
      '[a] tail',
      '[Init?family=inet6]',
      'x = 1',
      'y: 2',
      'X=3',
      'z =',
      'key',
      '= value',
      'u = a = b',
      'v = a ; comment',
      'w = a;b',
      '# comment',
      '; comment',
      'x = # data',
      'more ; and comment',
      '',
      '',
      'ü = ä',
      'v =\u001cw',
      ' [c]',
      '[]',
      '[',
      'k=\u0085v\u2028',
    ),
    fc.constantFrom('', ' ', '\t'),
    fc.constantFrom('\n', '\n', '\n', '\r\n', '\r'),
  )
  .map((parts) => parts.join(''));
const file = fc.tuple(fc.boolean(), fc.array(line, { maxLength: 14 })).map(([headed, lines]) => (headed ? '[a]\n' : '') + lines.join(''));

function plain(values: Section): Record<string, string> {
  return Object.fromEntries([...values].map(([key, { text }]) => [key, text]));
}

function contents({ defaults, sections }: IniFile): unknown {
  return { defaults: plain(defaults), sections: Object.fromEntries([...sections].map(([name, values]) => [name, plain(values)])) };
}

describe('a file of fail2ban', () => {
  test('reads as Python reads it, and has a mistake where Python finds one', { skip: without('fail2ban-client') }, async () => {
    const texts = fc.sample(file, { numRuns: 3_000, seed: 3 });
    const answers = await askPython(configParser, texts);
    let sound = 0;
    for (const [index, text] of texts.entries()) {
      const ours = parseIni('f', text);
      const theirs = answers[index];
      const refused = typeof theirs === 'object' && theirs !== null && 'error' in theirs;
      assert.equal(ours.mistakes.length > 0, refused, JSON.stringify({ text, theirs, mistakes: ours.mistakes }));
      if (refused) continue;
      sound++;
      assert.deepEqual(contents(ours), theirs, JSON.stringify(text));
    }
    assert.ok(sound > 300, `${sound} files without a mistake`);
  });

  test('remembers for each line of a value where it stands', () => {
    const text = ['[s]', 'a = one', '# a comment', '    two', '', '    three', 'b = x'].join('\n');
    const value = parseIni('f', text).sections.get('s')?.get('a');
    assert.equal(value?.text, 'one\ntwo\n\nthree');
    assert.deepEqual(
      value?.places.map(({ line: at, column }) => [at, column]),
      [
        [2, 1],
        [4, 5],
        [5, 1],
        [6, 5],
      ],
    );
  });

  test('tells of every mistake, with its place and the section that it spoils', () => {
    const { mistakes } = parseIni('f', ['early', '[a]', 'x = 1', 'x = 2', '[b]', 'what is this', '[a]', 'y = 1'].join('\n'));
    assert.deepEqual(
      mistakes.map(({ section, diagnostic }) => [section, diagnostic.line, diagnostic.message]),
      [
        [undefined, 1, 'text before the first [section]'],
        ['a', 4, 'the key "x" stands in [a] twice; the first is in line 3'],
        ['b', 6, 'neither "key = value" nor a [section]'],
        ['a', 7, 'the section [a] stands in this file twice; the first is in line 2'],
      ],
    );
  });
});
