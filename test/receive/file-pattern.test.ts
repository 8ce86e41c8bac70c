import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { expandPattern } from '../../src/receive/file-pattern.ts';

let home: string;
const files = [
  'mail.log',
  'mail.log.1',
  'mail.log.2.gz',
  'mail.log-20261121',
  'mail.err',
  'access.2026-11-21.log',
  'access.2026-11-22',
  '.hidden.log',
  'a[1].log',
  'a1.log',
  'vhosts/one.example/error.log',
  'vhosts/two.example/error.log',
  'vhosts/two.example/other.log',
];
before(() => {
  home = mkdtempSync(join(tmpdir(), 'slu-pattern-'));
  for (const file of files) {
    mkdirSync(dirname(join(home, file)), { recursive: true });
    writeFileSync(join(home, file), '');
  }
});
after(() => rmSync(home, { recursive: true }));

describe('a path', () => {
  const cases: readonly [pattern: string, paths: readonly string[], because: string][] = [
    ['mail.log', ['mail.log'], 'a plain name stands for itself'],
    ['missing', ['missing'], 'also if there is no such file'],
    ['mail.log*', ['mail.log'], 'what was rotated away was read under its first name'],
    ['mail.*', ['mail.err', 'mail.log'], 'a star'],
    ['mail.???', ['mail.err', 'mail.log'], 'question marks'],
    ['access.*', ['access.2026-11-21.log', 'access.2026-11-22'], 'a date in a name is no rotation where nothing has the name without it'],
    ['*.log', ['a1.log', 'a[1].log', 'access.2026-11-21.log', 'mail.log'], 'a star does not match a leading dot'],
    ['a[0-9].log', ['a1.log'], 'a class'],
    ['a[!c]*.log', ['a1.log', 'a[1].log'], 'a class, negated'],
    ['m[a]il.lo[!a-f]', ['mail.log'], 'classes in the middle'],
    ['vhosts/*/error.log', ['vhosts/one.example/error.log', 'vhosts/two.example/error.log'], 'a star in a directory'],
    ['vhosts/*', ['vhosts/one.example', 'vhosts/two.example'], 'a star does not cross a slash'],
    ['nothing/*.log', [], 'no such directory'],
  ];
  for (const [pattern, paths, because] of cases) {
    test(`${pattern}: ${because}`, async () => {
      const expansion = await expandPattern(join(home, pattern));
      assert.deepEqual(
        expansion.paths.filter((path) => !path.endsWith('vhosts')),
        paths.map((path) => join(home, path)),
      );
    });
  }

  test('says where files of it may appear', async () => {
    assert.deepEqual((await expandPattern(join(home, 'x'))).directories, [home]);
    assert.deepEqual((await expandPattern(join(home, 'vhosts/*/error.log'))).directories, [
      join(home, 'vhosts'),
      join(home, 'vhosts/one.example'),
      join(home, 'vhosts/two.example'),
    ]);
  });

  test('counts a rotated file as such also while the name itself is missing for a moment', async () => {
    const { paths } = await expandPattern(join(home, 'gone.log*'), [join(home, 'gone.log')]);
    assert.deepEqual(paths, []);
    writeFileSync(join(home, 'gone.log.1'), '');
    assert.deepEqual((await expandPattern(join(home, 'gone.log*'), [join(home, 'gone.log')])).paths, []);
  });
});
