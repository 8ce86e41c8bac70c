import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parseConfig } from '../../src/config/parse.ts';
import { formatDiagnostics } from '../../src/diagnostic.ts';
import type { ForeignJail } from '../../src/model/foreign-jail.ts';
import { compileFilter } from '../../src/rules/fail2ban/compile-filter.ts';
import { fail2banDialect } from '../../src/rules/fail2ban/dialect.ts';
import { serverOf } from '../../src/rules/fail2ban/foreign-jails.ts';
import { loadFail2ban } from '../../src/rules/fail2ban/load-fail2ban.ts';
import { toForeignJail } from '../../src/rules/fail2ban/to-foreign-jail.ts';
import { type Outcome, runSluice } from '../cli/running-command.ts';
import { without } from '../environment.ts';

const folder = mkdtempSync(join(tmpdir(), 'slu-import-'));
after(() => rmSync(folder, { recursive: true }));
let made = 0;

/** A directory with these files. */
function directory(files: Readonly<Record<string, string>>): string {
  const dir = join(folder, String(++made));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return dir;
}

function stockWith(local: string): string {
  const dir = join(folder, String(++made));
  cpSync('/etc/fail2ban', dir, { recursive: true });
  writeFileSync(join(dir, 'jail.local'), local);
  return dir;
}

function target(): string {
  return join(folder, `${++made}.yaml`);
}

/** The jails of a configuration, with random numbers that are always the same. */
function written(file: string): readonly ForeignJail[] {
  const text = readFileSync(file, 'utf8');
  const reading = parseConfig([{ path: file, text }], {
    filters: [],
    brokenFilters: [],
    services: '',
    dialect: fail2banDialect({ nowMs: Date.now(), random: () => 0.25 }),
    syslogUid: undefined,
    uid: 0,
    env: {},
  });
  assert.equal(reading.kind, 'config', reading.kind === 'config' ? '' : formatDiagnostics(reading.diagnostics, new Map([[file, text]])));
  return reading.kind === 'config' ? reading.config.foreignJails : [];
}

/** The same jails as they come directly from the directory. */
function direct(dir: string): readonly ForeignJail[] {
  const read = loadFail2ban(dir);
  const jails = read.jails.map((jail) => toForeignJail(jail, { actions: [], ...serverOf(read), random: () => 0.25 }).foreign);
  // freeswitch has no mode aggressive: what is left of it finds nobody.
  return jails.filter(({ texts }) => compileFilter(texts, Date.now()).mistakes.length === 0);
}

const returns = Array.from({ length: 26 }, (_, earlier) => earlier);

/** What a jail decides by. `closes: false` is to observe in a native jail: it has no commands that would ban. */
function deciding({ jail, texts, reading, ignore, readsBans }: ForeignJail): unknown {
  const { lengthMs, ...bantime } = jail.bantime;
  const { closes = true, observe, ports, ...policy } = jail;
  return {
    policy: { ...policy, bantime, ports: closes && !observe ? ports : 'closes nothing' },
    lengthsMs: lengthMs === undefined ? undefined : returns.map(lengthMs),
    texts,
    reading,
    readsBans,
    ignored: ignore.entries,
  };
}

const variants: readonly [local: string, because: string][] = [
  ['[DEFAULT]\nenabled = true\n', 'as the package has it'],
  [
    '[DEFAULT]\nenabled = true\nbackend = systemd[journalpath=/var/log/journal/x, namespace=mail]\nmode = aggressive\n',
    'the journal, aggressive',
  ],
  [
    '[DEFAULT]\nenabled = true\nbantime.increment = true\nbantime.rndtime = 10m\nbantime.maxtime = 5w\nbantime.factor = 2\nbantime.formula = ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)\nignoreip = 192.0.2.0/24 2001:db8::1 host.example file:/etc/friends\nusedns = no\nlogtimezone = UTC+0200\nlogencoding = latin-1\n',
    'a formula, people to spare, a zone',
  ],
  [
    '[DEFAULT]\nenabled = true\nbantime = -1\nbantime.increment = true\nbantime.multipliers = 1 5 30 60 300\nbantime.overalljails = true\nusedns = yes\nbanaction = %(banaction_allports)s\n',
    'multipliers over all jails, permanent',
  ],
  ['[DEFAULT]\nenabled = true\nbantime = 1d 12h\nfindtime = 1w\nbantime.increment = true\nprotocol = tcp,udp\n', 'doubling, two protocols'],
];

test('what is written passes the check', { skip: without('fail2ban-client') }, async () => {
  const file = target();
  await runSluice(['import', 'fail2ban', stockWith('[DEFAULT]\nenabled = true\n'), '--write', file]);
  const { code, stdout } = await runSluice(['check', '-c', file]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, / 91 jails: ok, \d+ warnings\n$/);
});

describe('the stock jails, written as native ones, decide the same', { skip: without('fail2ban-client') }, () => {
  for (const [local, because] of variants) {
    test(because, async () => {
      const dir = stockWith(local);
      const file = target();
      const { stderr } = await runSluice(['import', 'fail2ban', dir, '--write', file]);
      assert.equal(stderr, '');
      const [native, original] = [written(file), direct(dir)];
      assert.ok(original.length > 80, `${original.length} jails`);
      assert.deepEqual(
        native.map(({ jail }) => jail.name),
        original.map(({ jail }) => jail.name),
      );
      for (const [index, jail] of original.entries())
        assert.deepEqual(deciding(native[index] ?? assert.fail()), deciding(jail), jail.jail.name);
    });
  }
});

const filter = { 'filter.d/f.conf': '[Definition]\nfailregex = ^bad <HOST>$\n' };
const plain = { ...filter, 'jail.conf': '[a]\nenabled = true\nfilter = f\nlogpath = /var/log/a.log\nmaxretry = 4\n' };

interface Shown {
  readonly whole: boolean;
  readonly jails: readonly {
    readonly name: string;
    readonly carried: readonly { readonly option: string; readonly value: string; readonly file: string; readonly line: number }[];
    readonly lost: readonly Note[];
    readonly differs: readonly Note[];
    readonly directoryOnly: readonly Note[];
    readonly rights: readonly Note[];
    readonly unproved: readonly Note[];
  }[];
}

interface Note {
  readonly message: string;
  readonly file: string;
  readonly line: number;
}

async function importOf(
  files: Readonly<Record<string, string>>,
  ...words: readonly string[]
): Promise<{ dir: string; outcome: Outcome; shown: Shown }> {
  const dir = directory(files);
  const outcome = await runSluice(['import', 'fail2ban', dir, '--json', ...words]);
  return { dir, outcome, shown: JSON.parse(outcome.stdout) as Shown };
}

describe('what is said of a jail', () => {
  test('each option that carries over, with its line', async () => {
    const { dir, outcome, shown } = await importOf(plain);
    assert.equal(outcome.code, 0);
    assert.deepEqual(shown.jails[0]?.carried, [
      { option: 'filter', value: 'f: 1 failregex', file: join(dir, 'jail.conf'), line: 3 },
      { option: 'logpath', value: '/var/log/a.log', file: join(dir, 'jail.conf'), line: 4 },
      { option: 'maxretry', value: '4', file: join(dir, 'jail.conf'), line: 5 },
      { option: 'findtime', value: '10m', file: join(dir, 'jail.conf'), line: 1 },
      { option: 'bantime', value: '10m', file: join(dir, 'jail.conf'), line: 1 },
    ]);
  });

  const lost: readonly [name: string, files: Readonly<Record<string, string>>, message: RegExp, place: string][] = [
    [
      'a Python action',
      { 'jail.conf': `${plain['jail.conf']}action = smtp.py[host=h]\n` },
      /^action smtp: smtp\.py is a Python module/,
      'jail.conf:6',
    ],
    ['usedns = raw', { 'jail.conf': `${plain['jail.conf']}usedns = raw\n` }, /^usedns = raw: /, 'jail.conf:6'],
    [
      'a broken expression',
      { 'filter.d/f.conf': '[Definition]\nfailregex = ^ok <HOST>\n  ^bad ( <HOST>$\n' },
      /^failregex: this group is never closed/,
      'filter.d/f.conf:3',
    ],
    ['a filter that is not there', { 'jail.conf': '[a]\nenabled = true\nfilter = g\n' }, /^there is no filter "g"/, 'jail.conf:3'],
    [
      'a number that is none',
      { 'jail.conf': `${plain['jail.conf']}maxmatches = many\n` },
      /^maxmatches: "many" is not a whole number/,
      'jail.conf:6',
    ],
  ];
  for (const [name, files, message, place] of lost) {
    test(`${name} cannot be carried: exit 3, and the line`, async () => {
      const { dir, outcome, shown } = await importOf({ ...plain, ...files });
      assert.equal(outcome.code, 3);
      assert.equal(shown.whole, false);
      const [note] = shown.jails[0]?.lost ?? [];
      assert.match(note?.message ?? '', message);
      assert.equal(`${note?.file}:${note?.line}`, join(dir, place));
    });
  }

  const actions = {
    'action.d/tell.conf': '[Definition]\nactionban = /usr/bin/touch /run/banned-<ip>\n',
    'jail.conf': `${plain['jail.conf']}action = tell\nignorecommand = /bin/true <ip>\n`,
  };

  test('commands run with the directory, and are missed in a native jail: exit 3 only with --write', async () => {
    const { outcome, shown } = await importOf({ ...plain, ...actions });
    assert.equal(outcome.code, 0);
    assert.deepEqual(
      shown.jails[0]?.directoryOnly.map(({ message, line }) => [line, message]),
      [
        [7, 'ignorecommand = /bin/true <ip>'],
        [6, 'action tell: a native jail runs no commands'],
        [2, 'none of its actions closes a port: as a native jail it only observes'],
      ],
    );
    assert.match(shown.jails[0].rights.map(({ message }) => message).join(), /action tell: writes \/run\/banned-0/);
    const file = target();
    const again = await importOf({ ...plain, ...actions }, '--write', file);
    assert.equal(again.outcome.code, 3);
    assert.match(readFileSync(file, 'utf8'), /^ {2}# left out: action tell: a native jail runs no commands \(.*jail\.conf:6\)$/m);
    assert.equal(written(file)[0]?.jail.observe, true);
  });

  test('what somebody added to the start of an action that our sets replace', async () => {
    const { shown } = await importOf({
      ...plain,
      'action.d/iptables-multiport.conf':
        '[Definition]\nactionstart = <iptables> -N f2b-<name>\nactionban = <iptables> -I f2b-<name> 1 -s <ip> -j <blocktype>\n[Init]\niptables = iptables\nblocktype = DROP\ntype = multiport\nport = ssh\nchain = INPUT\n',
      'action.d/iptables-multiport.local': '[Definition]\nactionstart = <iptables> -N f2b-<name>\n  curl https://example.org/started\n',
      'jail.conf': `${plain['jail.conf']}action = iptables-multiport\n`,
    });
    assert.deepEqual(
      shown.jails[0]?.differs.filter(({ message }) => message.includes('actionstart')).map(({ message, line }) => [line, message]),
      [[2, "actionstart of iptables-multiport runs curl: our own sets take the action's place, and it is not run"]],
    );
  });

  test('an encoding nobody knows is taken as UTF-8', async () => {
    const file = target();
    const { outcome, shown } = await importOf({ ...plain, 'jail.conf': `${plain['jail.conf']}logencoding = klingon\n` }, '--write', file);
    assert.equal(outcome.code, 3); // It has no action: nobody is banned.
    assert.ok(
      shown.jails[0]?.differs.some(({ message, line }) => line === 6 && message.startsWith('logencoding = klingon is taken as UTF-8')),
    );
    const { reading } = written(file)[0] ?? assert.fail();
    assert.equal(reading.kind === 'files' ? reading.encoding : undefined, 'auto');
  });

  test('expressions in which text of a client could stand before the address', async () => {
    const { dir, outcome, shown } = await importOf({
      ...plain,
      'filter.d/f.conf': '[Definition]\nfailregex = ^bad .* <HOST>\n  ^good <HOST>$\n  from <HOST>$\n',
    });
    assert.equal(outcome.code, 0);
    assert.deepEqual(shown.jails[0]?.unproved, [
      {
        file: join(dir, 'filter.d/f.conf'),
        line: 2,
        message: 'not proved: text of a client could stand before the address, ".*" takes it',
      },
      {
        file: join(dir, 'filter.d/f.conf'),
        line: 4,
        message: 'not proved: the match may begin anywhere in the line, so text of a client could be all of it',
      },
    ]);
  });

  test('a broken jail does not keep the others from being written', async () => {
    const file = target();
    const { outcome } = await importOf(
      { ...plain, 'jail.conf': `${plain['jail.conf']}[b]\nenabled = true\nfilter = g\n` },
      '--write',
      file,
    );
    assert.equal(outcome.code, 3);
    assert.deepEqual(
      written(file).map(({ jail }) => jail.name),
      ['a'],
    );
    assert.match(readFileSync(file, 'utf8'), /^# Not written: b \(.*jail\.conf:\d+\): there is no filter "g"/m);
  });

  test('what no configuration of ours can say: the jail is left out, and the reason is given', async () => {
    const file = target();
    const two = `${plain['jail.conf']}[big]\nenabled = true\nfilter = f\nlogpath = /var/log/a.log\nmaxretry = 5000\n`;
    const { outcome, shown } = await importOf({ ...plain, 'jail.conf': two }, '--write', file);
    assert.equal(outcome.code, 3);
    assert.match(
      shown.jails[1]?.directoryOnly.map(({ message }) => message).join() ?? '',
      /cannot be written as a native jail: found 5000, wanted a whole number from 1 to 1000/,
    );
    assert.deepEqual(
      written(file).map(({ jail }) => jail.name),
      ['a'],
    );
    assert.match(readFileSync(file, 'utf8'), /^# Not written: big \(.*jail\.conf:7\): .*5000/m);
  });
});

test('for a person: one block for each jail, what all share once, and what to do next', async () => {
  const jail = (name: string) => `[${name}]\nenabled = true\nfilter = f\nlogpath = /nowhere/a.log\n`;
  const dir = directory({ ...filter, 'jail.conf': `${jail('a')}${jail('b')}${jail('c')}ignoreself = false\n` });
  const { stdout, code } = await runSluice(['import', 'fail2ban', dir]);
  const blocks = stdout.split('\n\n');
  assert.match(blocks[2] ?? '', /^c {2}jail\.conf:\d+, filter\.d\/f\.conf\n/);
  assert.match(blocks[2] ?? '', /^ {2}logpath {6}\/nowhere\/a\.log {2}jail\.conf:12$/m);
  assert.match(blocks[2] ?? '', /^ {2}differs {6}ignoreself = false: .* {2}jail\.conf:13$/m);
  assert.match(blocks[3] ?? '', /^Every jail\n {2}differs {6}failures within findtime are counted one by one/);
  assert.match(blocks[4] ?? '', /^3 jails, all carry over; 3 commands .*\nNext:\n {2}sluice run --fail2ban .* --observe/);
  assert.equal(code, 0);
});

describe('mistakes that people make', () => {
  const cases: readonly [name: string, words: () => readonly string[], said: RegExp, code: number][] = [
    ['no such directory', () => [join(folder, 'none')], /there is no such directory; name the one that holds jail\.conf/, 1],
    ['a file', () => [join(directory(plain), 'jail.conf')], /jail\.conf is a file: name the directory that holds jail\.conf, \/.*\n$/, 1],
    ['a directory without jail.conf', () => [directory({ 'x.conf': '' })], /there is no jail\.conf and no jail\.local/, 1],
    [
      'no jail enabled',
      () => [directory({ 'jail.conf': '[a]\n[b]\nenabled = false\n' })],
      /no jail is enabled in .*; it has a, b\n {2}help: enable .*jail\.d\/local\.conf: \[a\] and below it "enabled = true"/,
      1,
    ],
    ['write to a directory', () => [directory(plain), '--write', folder], /is a directory; name a file in it/, 1],
    ['write where no directory is', () => [directory(plain), '--write', join(folder, 'no/where.yaml')], /there is no directory/, 1],
    [
      'write over a file',
      () => [directory(plain), '--write', join(directory(plain), 'jail.conf')],
      /is there already, and is not overwritten/,
      1,
    ],
  ];
  for (const [name, words, said, code] of cases) {
    test(name, async () => {
      const outcome = await runSluice(['import', 'fail2ban', ...words()]);
      assert.match(outcome.stderr, said);
      assert.deepEqual([outcome.stdout, outcome.code], ['', code]);
    });
  }

  test('import of something else', async () => {
    const outcome = await runSluice(['import', '/etc/fail2ban']);
    assert.match(outcome.stderr, /"\/etc\/fail2ban" is nothing that can be imported; wanted: sluice import fail2ban \/etc\/fail2ban/);
    assert.equal(outcome.code, 2);
  });

  test('nothing that can be written: no file is made', async () => {
    const file = target();
    const dir = directory({ ...plain, 'filter.d/f.conf': '[Definition]\nfailregex = ^bad (\n' });
    const outcome = await runSluice(['import', 'fail2ban', dir, '--write', file]);
    assert.match(outcome.stderr, /none of the jails can be written/);
    assert.deepEqual([outcome.code, existsSync(file)], [3, false]);
  });
});
