import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { execa } from 'execa';
import { runSluice } from '../cli/running-command.ts';
import { cgroups, startJournald, withoutJournald } from '../support/journald.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-test-'));
after(() => rmSync(directory, { recursive: true }));

const message = (address: string): string =>
  `NOQUEUE: reject: RCPT from unknown[${address}]: 454 4.7.1 <a@b.example>: Relay access denied; from=<c@d.example> to=<a@b.example> proto=ESMTP helo=<WIN>`;
const log = [
  `Nov 22 20:00:00 mx postfix/smtpd[1]: ${message('192.0.2.4')}`,
  'Nov 22 20:00:01 mx postfix/smtpd[1]: connect from mail.example[192.0.2.9]',
  'Nov 22 20:00:02 mx postfix/smtpd[1]: warning: unknown[192.0.2.5]: SASL LOGIN authentication failed: Connection lost to authentication server',
  `2026-11-22T20:00:03.5+01:00 mx postfix/smtpd[1]: ${message('2001:DB8::4')}`,
  '',
].join('\n');
const path = join(directory, 'mail.log');
writeFileSync(path, log);

const captures = { qid: 'NOQUEUE', stage: 'RCPT', client: 'unknown', code: '454', dsn: '4.7.1', rcpt: 'a@b.example' };
/** Berlin is an hour ahead; a year-less stamp takes the year nearest to --now. */
const expected = [
  {
    line: 1,
    filter: 'postfix',
    pattern: 'relay-denied',
    id: '192.0.2.4',
    address: '192.0.2.4',
    time: '2026-11-22T19:00:00.000Z',
    captures,
  },
  {
    line: 4,
    filter: 'postfix',
    pattern: 'relay-denied',
    id: '2001:db8::4',
    address: '2001:db8::4',
    time: '2026-11-22T19:00:03.500Z',
    captures,
  },
  { summary: { lines: 4, matched: 2, missed: 1, ignored: 1 } },
];

function objects(stdout: string): unknown[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
}

const asked = ['--filter', 'postfix', '--json', '--now', '2026-11-23'];

describe('sluice test --json', () => {
  test('of a file: an object for each line that matched, then the summary', async () => {
    const { code, stdout, stderr } = await runSluice(['test', path, ...asked]);
    assert.deepEqual([code, stderr, objects(stdout)], [0, '', expected]);
  });

  test('of the same, compressed', async () => {
    const packed = join(directory, 'mail.log.1.gz');
    writeFileSync(packed, gzipSync(log));
    assert.deepEqual(objects((await runSluice(['test', packed, ...asked])).stdout), expected);
  });

  test('of the same from stdin', async () => {
    assert.deepEqual(objects((await runSluice(['test', '-', ...asked], { input: log })).stdout), expected);
  });

  test('of a line given by hand, with or without its header', async () => {
    for (const line of [log.split('\n')[0] ?? '', message('192.0.2.4')]) {
      const { code, stdout } = await runSluice(['test', line, ...asked]);
      const [match, summary] = objects(stdout) as [{ id: string; time: string | null }, unknown];
      assert.deepEqual([code, match.id, summary], [0, '192.0.2.4', { summary: { lines: 1, matched: 1, missed: 0, ignored: 0 } }]);
      assert.equal(match.time, line.startsWith('Nov') ? '2026-11-22T19:00:00.000Z' : null);
    }
  });

  test('with one pattern of a filter, or a rule file by its path', async () => {
    const one = objects((await runSluice(['test', path, '--filter', 'postfix/relay-denied', '--json', '--now', '2026-11-23'])).stdout);
    assert.deepEqual(one.slice(0, 2), expected.slice(0, 2));
    const rules = fileURLToPath(new URL('../../rules/postfix.yaml', import.meta.url));
    assert.deepEqual(objects((await runSluice(['test', path, '--filter', rules, '--json', '--now', '2026-11-23'])).stdout), expected);
  });

  test('with a pattern typed by hand', async () => {
    const pattern = '{qid}: reject: RCPT from {client}: {code} {dsn} <{rcpt}>: Relay access denied';
    const { code, stdout } = await runSluice(['test', path, '--pattern', pattern, '--json', '--now', '2026-11-23']);
    assert.equal(code, 0);
    const [first, , summary] = objects(stdout) as { id?: string; captures?: object }[];
    assert.deepEqual(
      [first?.id, first?.captures],
      ['192.0.2.4', { qid: 'NOQUEUE', client: 'unknown', code: '454', dsn: '4.7.1', rcpt: 'a@b.example' }],
    );
    assert.deepEqual(summary, { summary: { lines: 4, matched: 2, missed: 2, ignored: 0 } });
  });

  test('of the journal', { skip: withoutJournald() }, async (t) => {
    const journald = await startJournald();
    t.after(() => journald.stop());
    await journald.log(['connect from x[192.0.2.9]', message('192.0.2.4')], { identifier: 'postfix/smtpd', cgroup: cgroups.postfix });
    // Somebody else says the same; his unit is another.
    await journald.log(message('192.0.2.66'), { identifier: 'postfix/smtpd', uid: 65_534, cgroup: cgroups.session });
    await journald.rotate();
    const sluice = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
    const [command = '', ...before] = journald.inside();
    const { stdout } = await execa(command, [
      ...before,
      sluice,
      'test',
      'journal:_SYSTEMD_SLICE=system-postfix.slice',
      '--filter',
      'postfix',
      '--json',
    ]);
    const [match, summary] = objects(stdout) as { id?: string }[];
    assert.deepEqual([match?.id, summary], ['192.0.2.4', { summary: { lines: 2, matched: 1, missed: 1, ignored: 0 } }]);
  });
});

describe('sluice test', () => {
  test('for people: the lines with their address, counts by pattern and address, what was missed if asked', async () => {
    const { code, stdout } = await runSluice(['test', path, '--filter', 'postfix', '--missed']);
    assert.equal(code, 0);
    assert.match(stdout, /^1: relay-denied 192\.0\.2\.4$/m);
    assert.match(stdout, /^ +2 {2}relay-denied$/m);
    assert.match(stdout, /^2: .*connect from mail\.example/m);
    assert.match(stdout, /^Lines: 4 read, 2 matched, 1 ignored, 1 missed$/m);
  });

  test('nothing matched: exit 5', async () => {
    const { code, stdout } = await runSluice(['test', path, '--filter', 'sshd', '--json']);
    assert.deepEqual([code, objects(stdout)], [5, [{ summary: { lines: 4, matched: 0, missed: 4, ignored: 0 } }]]);
  });

  test('no such filter, pattern or rule file: exit 78, with those there are', async () => {
    for (const [spec, why] of [
      ['postfixx', /postfixx.*postfix/],
      ['postfix/relay-denid', /relay-denid.*relay-denied/],
      ['./nowhere.yaml', /nowhere\.yaml/],
    ] as const) {
      const { code, stdout, stderr } = await runSluice(['test', path, '--filter', spec]);
      assert.deepEqual([code, stdout], [78, ''], spec);
      assert.match(stderr, why);
    }
  });

  test('a pattern with mistakes: exit 78, with a caret', async () => {
    const { code, stderr } = await runSluice(['test', path, '--pattern', 'x {who} from {addr} y']);
    assert.equal(code, 78);
    assert.match(stderr, /^--pattern:1:3: the client could move this address/);
    assert.match(stderr, /^ +\| {3}\^{5}$/m);
  });

  test('no log, no filter, or both kinds: exit 2; a log that is not there: exit 1, and the others are read', async () => {
    assert.equal((await runSluice(['test', '--filter', 'postfix'])).code, 2);
    assert.equal((await runSluice(['test', path])).code, 2);
    assert.equal((await runSluice(['test', path, '--filter', 'postfix', '--pattern', 'x {addr}'])).code, 2);
    const { code, stdout, stderr } = await runSluice(['test', join(directory, 'nowhere.log'), path, ...asked]);
    assert.equal(code, 1);
    assert.match(stderr, /nowhere\.log/);
    assert.deepEqual(objects(stdout).at(-1), { summary: { lines: 4, matched: 2, missed: 1, ignored: 1 } });
  });
});

test('finds in a file, compressed or not, what an earlier line must be remembered for', async () => {
  const mail = [
    'Nov 22 20:00:00 mx postfix/smtpd[1]: 3A1B2C3: client=unknown[192.0.2.4]',
    'Nov 22 20:00:01 mx postfix/smtpd[1]: 3A1B2C4: client=unknown[192.0.2.5]',
    'Nov 22 20:00:02 mx postfix/cleanup[2]: 3A1B2C3: reject: body x from unknown[192.0.2.4]; from=<c@d.example>: 5.7.1 no',
    '',
  ].join('\n');
  const plain = join(directory, 'remembered.log');
  writeFileSync(plain, mail);
  writeFileSync(`${plain}.gz`, gzipSync(mail));
  for (const name of [plain, `${plain}.gz`]) {
    const { stdout, code } = await runSluice(['test', name, '--filter', 'postfix', '--json']);
    assert.equal(code, 0);
    const [found, last] = stdout.split('\n').map((line): unknown => (line === '' ? undefined : JSON.parse(line)));
    assert.partialDeepStrictEqual(found, { line: 3, pattern: 'content-reject', address: '192.0.2.4' });
    assert.deepEqual(last, { summary: { lines: 3, matched: 1, missed: 2, ignored: 0 } });
  }
});

test('what is remembered counts from the line on that asks first, also where that is far behind', async () => {
  const about = (id: string, at: number): string => `Nov 22 20:00:00 mx postfix/smtpd[1]: ${id}: client=unknown[192.0.2.${at}]`;
  const refused = (id: string): string =>
    `Nov 22 20:00:02 mx postfix/cleanup[2]: ${id}: reject: body x from unknown[192.0.2.200]; from=<c@d.example>: 5.7.1 no`;
  const other = `Nov 22 20:00:01 mx postfix/smtpd[1]: ${message('192.0.2.99')}`;
  const between = Array.from({ length: 9_000 }, (_, index) =>
    index % 100 === 0 ? other : `Nov 22 20:00:01 mx postfix/qmgr[3]: ${'x'.repeat(120)}`,
  );
  const lines = [
    about('3A1', 1),
    about('3A2', 2),
    ...between,
    about('3A2', 3),
    refused('3A2'),
    about('3A4', 4),
    refused('3A1'),
    refused('3A9'),
    ...between,
  ];
  const far = join(directory, 'far.log');
  writeFileSync(far, [...lines, refused('3A4'), ''].join('\n'));
  writeFileSync(`${far}.gz`, gzipSync([...lines, refused('3A4'), ''].join('\n')));
  const [plain, packed] = await Promise.all(
    [far, `${far}.gz`].map(async (name) => (await runSluice(['test', name, '--filter', 'postfix', '--json'])).stdout),
  );
  assert.equal(plain, packed);
  const found = (plain ?? '')
    .split('\n')
    .flatMap((text): readonly unknown[] => (text.includes('"content-reject"') ? [JSON.parse(text)] : []));
  assert.partialDeepStrictEqual(found, [
    { line: 9_004, address: '192.0.2.3' },
    { line: 9_006, address: '192.0.2.1' },
    { line: 18_008, address: '192.0.2.4' },
  ]);
  assert.match(plain ?? '', /"summary":\{"lines":18008,"matched":183,"missed":17824,"ignored":1\}/);
});
