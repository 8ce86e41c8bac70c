import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Fail2ban, loadFail2ban } from '../../../src/rules/fail2ban/load-fail2ban.ts';
import { without } from '../../environment.ts';
import { readOriginal } from './original.ts';

const root = mkdtempSync(join(tmpdir(), 'slu-f2b-broken-'));
after(() => rmSync(root, { recursive: true }));
let count = 0;

type Files = Readonly<Record<string, string | Uint8Array>>;

/** One sound jail, beside what a test adds. */
const sound: Files = {
  'fail2ban.conf': '[Definition]\nloglevel = INFO\n',
  'jail.conf': '[DEFAULT]\nbackend = polling\nlogpath = /nowhere\n[sound]\nenabled = true\nfilter = sound\n',
  'filter.d/sound.conf': '[Definition]\nfailregex = ^<HOST>$\n',
};

function directory(files: Files): string {
  const dir = join(root, String(++count));
  for (const [name, text] of Object.entries({ ...sound, ...files })) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}

function told({ dir, disabled }: Fail2ban): readonly (readonly [jail: string, place: string, message: string])[] {
  return disabled.flatMap(({ jail, diagnostics }) =>
    diagnostics.map(({ file, line, message }) => [jail, `${file.slice(dir.length + 1)}:${line}`, message] as const),
  );
}

const bad = '[bad]\nenabled = true\n';

/** `original`: what fail2ban itself does. It gives up all jails where it finds the mistake too late to skip one. */
const cases: readonly {
  readonly because: string;
  readonly files: Files;
  readonly original: 'skips' | 'refuses' | 'goes on';
  readonly place: string;
  readonly message: RegExp;
}[] = [
  {
    because: 'a filter that is not there',
    files: { 'jail.local': `${bad}filter = missing\n` },
    original: 'skips',
    place: 'jail.local:3',
    message: /there is no filter "missing"/,
  },
  {
    because: 'options that cannot be read',
    files: { 'jail.local': `${bad}filter = sound[mode=a]b\n` },
    original: 'skips',
    place: 'jail.local:3',
    message: /the filter "sound\[mode=a\]b" cannot be read/,
  },
  {
    because: 'an action that is not there',
    files: { 'jail.local': `${bad}filter = sound\naction = %(one)s\none = first[x=1]\n` },
    original: 'skips',
    place: 'jail.local:5',
    message: /there is no action "first"/,
  },
  {
    because: 'a name that nobody defines',
    files: { 'jail.local': `${bad}filter = sound\naction = \n  %(undefined)s\n` },
    original: 'refuses',
    place: 'jail.local:5',
    message: /"undefined" is not defined/,
  },
  {
    because: 'a lone percent sign in a filter',
    files: { 'jail.local': `${bad}filter = date\n`, 'filter.d/date.conf': '[Definition]\nfailregex = ^a\n  ^b <HOST>\ndatepattern = %Y\n' },
    original: 'refuses',
    place: 'filter.d/date.conf:4',
    message: /"%" must be followed by/,
  },
  {
    because: 'a filter with a line that is none',
    files: { 'jail.local': `${bad}filter = odd\n`, 'filter.d/odd.conf': '[Definition]\nfailregex = ^<HOST>\nwhat is this\n' },
    original: 'refuses',
    place: 'filter.d/odd.conf:3',
    message: /neither "key = value" nor a \[section\]/,
  },
  {
    because: 'an include of the filter with a mistake',
    files: {
      'jail.local': `${bad}filter = odd\n`,
      'filter.d/odd.conf': '[INCLUDES]\nbefore = part.conf\n[Definition]\nfailregex = ^<HOST>\n',
      'filter.d/part.conf': '[Definition]\na = 1\na = 2\n',
    },
    original: 'refuses',
    place: 'filter.d/part.conf:3',
    message: /the key "a" stands in \[Definition\] twice/,
  },
  {
    because: 'tags in a circle',
    files: { 'jail.local': `${bad}filter = circle\n`, 'filter.d/circle.conf': '[Definition]\na = <b>\nb = <a>\nfailregex = ^<a> <HOST>\n' },
    original: 'refuses',
    place: 'filter.d/circle.conf:4',
    message: /replaces <a> more than 25 times/,
  },
  {
    because: 'values in a circle',
    files: {
      'jail.local': `${bad}filter = circle\n`,
      'filter.d/circle.conf': '[Definition]\na = %(b)s\nb = %(a)s\nfailregex = ^%(a)s <HOST>\n',
    },
    original: 'refuses',
    place: 'filter.d/circle.conf:3',
    message: /more than 10 deep, or in a circle/,
  },
  {
    because: 'known/x of a value that is itself made of known/x',
    files: {
      'jail.local': `${bad}filter = twice\n`,
      'filter.d/twice.conf': '[Definition]\nfailregex = ^a <HOST>\n',
      'filter.d/twice.d/1.conf': '[Definition]\nfailregex = %(known/failregex)s\n ^b <HOST>\n',
      'filter.d/twice.local': '[Definition]\nfailregex = %(known/failregex)s\n ^c <HOST>\n',
    },
    original: 'refuses',
    place: 'filter.d/twice.d/1.conf:2',
    message: /in a circle/,
  },
  {
    because: 'a key twice in the section of the jail',
    files: { 'jail.local': `${bad}filter = sound\nmaxretry = 1\nmaxretry = 2\n` },
    original: 'refuses',
    place: 'jail.local:5',
    message: /the key "maxretry" stands in \[bad\] twice/,
  },
  {
    because: 'maxretry that is no number',
    files: { 'jail.local': `${bad}filter = sound\nmaxretry = some\n` },
    original: 'goes on',
    place: 'jail.local:4',
    message: /maxretry: "some" is not a whole number/,
  },
  {
    because: 'a length of time that is none',
    files: { 'jail.local': `${bad}filter = sound\nfindtime = soon\n` },
    original: 'goes on',
    place: 'jail.local:4',
    message: /findtime: "soon" is not a length of time/,
  },
  {
    because: 'a formula that would do more than compute',
    files: { 'jail.local': `${bad}filter = sound\nbantime.increment = true\nbantime.formula = __import__("os").system("reboot")\n` },
    original: 'goes on',
    place: 'jail.local:5',
    message: /bantime.formula: at character 12: unexpected """/,
  },
  {
    because: 'quotes of a journalmatch that stay open',
    files: { 'jail.local': `${bad}filter = sound\njournalmatch = _COMM="a\n` },
    original: 'refuses',
    place: 'jail.local:4',
    message: /journalmatch: the quotation mark " is not closed/,
  },
  {
    because: 'a filter that is not UTF-8',
    files: {
      'jail.local': `${bad}filter = latin\n`,
      'filter.d/latin.conf': Buffer.from('[Definition]\nfailregex = ^caf\xe9 <HOST>\n', 'latin1'),
    },
    original: 'skips',
    place: 'filter.d/latin.conf:0',
    message: /the file is not UTF-8/,
  },
];

describe('a broken filter or jail disables that jail alone', { skip: without('fail2ban-client') }, () => {
  for (const { because, files, original, place, message } of cases) {
    test(because, async () => {
      const dir = directory(files);
      const ours = loadFail2ban(dir);
      assert.deepEqual(
        ours.jails.map(({ name }) => name),
        ['sound'],
      );
      const [[jail, at, said] = ['', '', ''], ...more] = told(ours);
      assert.deepEqual([jail, at, more], ['bad', place, []], said);
      assert.match(said, message);

      const theirs = await readOriginal(dir);
      assert.equal(theirs.kind, original === 'refuses' ? 'refused' : 'jails', theirs.log);
      if (theirs.kind === 'jails') assert.equal(theirs.jails['bad']?.mistake !== undefined, original === 'skips');
    });
  }
});

describe('what no single jail owns', () => {
  test('disables all jails if it stands in [DEFAULT]: it may have been the list of addresses to spare', () => {
    const ours = loadFail2ban(directory({ 'jail.local': '[DEFAULT]\nignoreip = 192.0.2.1\nignoreip = 192.0.2.2\n' }));
    assert.deepEqual(ours.jails, []);
    assert.deepEqual(told(ours), [['sound', 'jail.local:3', 'the key "ignoreip" stands in [DEFAULT] twice; the first is in line 2']]);
  });

  test('is said of the directory if there is no jail.conf', () => {
    const ours = loadFail2ban(join(root, 'nothing'));
    assert.deepEqual(
      ours.diagnostics.map(({ message }) => message),
      ['there is no jail.conf and no jail.local'],
    );
  });

  test('a jail that is not enabled is not looked at', () => {
    const ours = loadFail2ban(directory({ 'jail.local': '[bad]\nenabled = false\nfilter = missing\nmaxretry = some\n' }));
    assert.deepEqual([ours.jails.length, ours.disabled], [1, []]);
  });
});

describe('what grows or goes round', () => {
  test('includes of each other are cut', () => {
    const ours = loadFail2ban(
      directory({
        'filter.d/sound.conf': '[INCLUDES]\nbefore = other.conf\n[Definition]\nfailregex = ^<HOST>$\n',
        'filter.d/other.conf': '[INCLUDES]\nbefore = ../filter.d/sound.conf\n',
      }),
    );
    assert.deepEqual(
      ours.jails.map(({ name }) => name),
      ['sound'],
    );
  });

  test('a value that grows tenfold with each line is given up', () => {
    const doubling = (reference: (name: string) => string, last: number) =>
      Array.from(
        { length: last },
        (_, index) => `v${index} = ${reference(`v${index + 1}`).repeat(index === last - 1 ? 0 : 10)}xxxxxxxxxx`,
      ).join('\n');
    for (const reference of [(name: string) => `<${name}>`, (name: string) => `%(${name})s`]) {
      const filter = `[Definition]\nfailregex = ${reference('v0')} <HOST>\n${doubling(reference, 9)}\n`;
      const ours = loadFail2ban(directory({ 'filter.d/bomb.conf': filter, 'jail.local': `${bad}filter = bomb\n` }));
      assert.deepEqual(
        ours.jails.map(({ name }) => name),
        ['sound'],
      );
      assert.match(told(ours)[0]?.[2] ?? '', /grows beyond|more than 10000 replacements/);
    }
  });

  test('files that include many are bounded', () => {
    const many = Array.from({ length: 300 }, (_, index) => `part${index}.conf`);
    const parts = Object.fromEntries(many.map((name) => [`filter.d/${name}`, '[Definition]\na = 1\n']));
    const ours = loadFail2ban(
      directory({
        ...parts,
        'filter.d/wide.conf': `[INCLUDES]\nbefore = ${many.join('\n  ')}\n[Definition]\nfailregex = ^<HOST>\n`,
        'jail.local': `${bad}filter = wide\n`,
      }),
    );
    assert.match(told(ours)[0]?.[2] ?? '', /more than 256 files are included/);
  });
});
