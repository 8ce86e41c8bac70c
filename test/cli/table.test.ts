import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { unpainted } from '../../src/cli/paint.ts';
import { formatTable } from '../../src/cli/table.ts';

const columns = [{ title: 'NAME' }, { title: 'COUNT', right: true }, { title: 'DETAIL' }];

describe('a table', () => {
  test('sets words left, numbers right, and no blanks at the end of a line', () => {
    assert.equal(
      formatTable(
        columns,
        [
          ['a', '7', 'up'],
          ['longer', '1234567', ''],
        ],
        unpainted,
      ),
      'NAME      COUNT  DETAIL\na             7  up\nlonger  1234567\n',
    );
  });

  test('keeps one line for a row, whatever a cell holds', () => {
    assert.equal(
      formatTable(columns, [['a\nb', '1', '\u001b[2J\u202e']], unpainted),
      'NAME    COUNT  DETAIL\na\\x0ab      1  \\x1b[2J\\u202e\n',
    );
  });

  test('tones do not move the columns', () => {
    const bracketed = formatTable(columns, [[{ text: 'a', tone: 'bad' }, '1', 'x']], (tone, text) =>
      tone === 'faint' ? text : `<${text}>`,
    );
    assert.equal(bracketed, 'NAME  COUNT  DETAIL\n<a   >      1  x\n');
  });

  test('without rows is its titles', () => assert.equal(formatTable(columns, [], unpainted), 'NAME  COUNT  DETAIL\n'));
});
