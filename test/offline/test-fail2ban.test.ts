import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { parseAddress } from '../../src/model/address.ts';
import { without } from '../environment.ts';
import { type CorpusCase, corpusCases, corpusNowMs, withoutCorpus } from '../rules/fail2ban/stock-filters.ts';

const sluice = fileURLToPath(new URL('../../bin/sluice', import.meta.url));

interface Match {
  readonly line: number;
  readonly id: string;
  readonly address: string | null;
  readonly time: string | null;
  readonly captures: Readonly<Record<string, unknown>>;
}

/** Runs `sluice test - ...` over the lines. @returns what matched, by line number */
async function runTest(lines: readonly string[], ...args: readonly string[]): Promise<ReadonlyMap<number, Match>> {
  const { stdout, stderr, exitCode } = await execa(sluice, ['test', '-', '--json', '--now', new Date(corpusNowMs).toISOString(), ...args], {
    input: `${lines.join('\n')}\n`,
    env: { TZ: 'Europe/Zurich' },
    reject: false,
  });
  assert.ok(exitCode === 0 || exitCode === 5, stderr);
  const found: readonly Match[] = stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
  return new Map(found.map((match) => [match.line, match]));
}

function expectedOf({ match, host, epoch, fields }: CorpusCase): unknown {
  return match ? { host: host === undefined ? undefined : (parseAddress(host) ?? host), epoch, fields: fields ?? {} } : 'no failure';
}

function foundOf(match: Match | undefined, { host, epoch, fields }: CorpusCase): unknown {
  if (match === undefined) return 'no failure';
  const shown = Object.fromEntries(Object.keys(fields ?? {}).map((name) => [name, match.captures[name] ?? null]));
  const seconds = match.time === null ? undefined : Date.parse(match.time) / 1_000;
  return { host: host === undefined ? undefined : match.id, epoch: epoch === undefined ? undefined : (seconds ?? epoch), fields: shown };
}

describe("test with fail2ban's own filters", { skip: withoutCorpus !== false ? withoutCorpus : without('fail2ban-client') }, () => {
  const instances = Map.groupBy(corpusCases(), ({ instance }) => instance);
  for (const [instance, cases] of instances) {
    const [first] = cases;
    if (first === undefined) continue;
    const options = Object.entries(first.options).map(([name, value]) => `${name}=${value}`);
    const spec = `/etc/fail2ban/filter.d/${first.filter}.conf${options.length === 0 ? '' : `[${options.join(',')}]`}`;
    test(`${spec}: ${cases.length} lines of ${instance} are judged as fail2ban 1.0.2 judges them`, async () => {
      const found = await runTest(
        cases.map(({ line }) => line),
        '--filter',
        spec,
        ...(first.journal ? ['--no-date'] : []),
      );
      assert.deepEqual(
        cases.map((one, index) => foundOf(found.get(index + 1), one)),
        cases.map(expectedOf),
      );
    });
  }
});

describe("test in fail2ban's dialect", () => {
  const line = 'Nov 22 17:30:40 mx foo: bad guest from 192.0.2.1';

  test('--regex sees the line without its date; captures and id are there', async () => {
    const found = await runTest([line, 'nothing'], '--regex', '^ mx foo: bad <F-USER>\\S+</F-USER> from <HOST>$');
    assert.deepEqual([...found.keys()], [1]);
    assert.equal(found.get(1)?.address, '192.0.2.1');
    assert.equal(found.get(1)?.captures['user'], 'guest');
  });

  test('--ignore takes lines out again', async () => {
    const found = await runTest([line, line.replace('guest', 'root')], '--regex', 'bad \\S+ from <HOST>', '--ignore', 'bad guest');
    assert.deepEqual([...found.keys()], [2]);
  });

  test('what is marked as no failure is none, also without a connection', async () => {
    const found = await runTest([line, line.replace('guest', 'root')], '--regex', 'bad (?:<F-NOFAIL>guest</F-NOFAIL>|\\w+) from <HOST>');
    assert.deepEqual([...found.keys()], [2]);
  });

  test('--date reads the date in another notation', async () => {
    const found = await runTest(['[22|11|2004 17:30:40] bad 192.0.2.1'], '--regex', 'bad <HOST>', '--date', '%d\\|%m\\|%Y %H:%M:%S');
    assert.equal(found.get(1)?.time, '2004-11-22T16:30:40.000Z');
  });

  const mistakes: readonly [args: readonly string[], code: number, said: RegExp][] = [
    [['--regex', 'bad (<HOST>'], 78, /^--regex:1:5: this group is never closed\n/],
    [['--regex', 'bad guest'], 78, /^--regex:1:1: /],
    [['--filter', '/nowhere/x.conf'], 78, /^\/nowhere\/x\.conf: there is no such filter file$/],
    [['--filter', 'postfix', '--no-date'], 2, /--ignore, --date and --no-date go with --regex and fail2ban's filters/],
  ];
  for (const [args, code, said] of mistakes) {
    test(`${args.join(' ')}: exit ${code}, and why`, async () => {
      const { exitCode, stderr } = await execa(sluice, ['test', line, ...args], { reject: false });
      assert.equal(exitCode, code, stderr);
      assert.match(stderr, said);
    });
  }

  test('a line that hurts an expression is named, and the run ends', async () => {
    const { exitCode, stderr } = await execa(sluice, ['test', `x ${'a'.repeat(60)}! 192.0.2.1`, '--regex', '(?:a+)+b <HOST>'], {
      reject: false,
    });
    assert.equal(exitCode, 1);
    assert.match(stderr, /took too long; lines 1/);
  });
});
