import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { runSluice } from './cli/running-command.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-check-'));
after(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const good = `filter: knocker
about: Who knocks at a door that is not there
programs: [doorman]
ports: all
patterns:
  knock: 'knock from {addr} at {door}'
tests:
  - line: 'knock from 192.0.2.4 at the front'
    matches: knock
    address: 192.0.2.4
  - line: 'no knock from 192.0.2.4'
    matches: nothing
`;

describe('sluice check', () => {
  test('says ok, and of what, where there is nothing to say', async () => {
    const sources = 'sources: { own: syslog, journal: { enabled: false }, syslog: [{ listen: udp://127.0.0.1:5514 }] }';
    const config = file('good.yaml', `${sources}\njails: { relay: { filters: [postfix/relay-denied] } }\n`);
    const { code, stdout, stderr } = await runSluice(['check', '-c', config]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^\d+ rule files, \d+ patterns, \d+ tests, 1 jail: ok\n(?![^])/m);
    const rules = await runSluice(['check', file('knocker.yaml', good)]);
    assert.deepEqual([rules.code, rules.stdout], [0, '1 rule file, 1 pattern, 2 tests: ok\n']);
  });

  test('names every mistake of a configuration at once: place, line, caret, what is meant; exit 3', async () => {
    const config = file(
      'bad.yaml',
      'metrics: on\nallowlist: [192.0.2.0/33]\njails:\n  relay: { filters: [postfix/relay-denid], maxretries: 2, findtime: 600 }\n',
    );
    const { code, stdout } = await runSluice(['check', '-c', config]);
    assert.equal(code, 3);
    const places = [...stdout.matchAll(/^(.*bad\.yaml):(\d+):(\d+): /gm)].map(([, path, line, column]) => `${path}:${line}:${column}`);
    assert.deepEqual(
      places.toSorted(),
      ['1:10', '2:13', '4:22', '4:44', '4:69'].map((place) => `${config}:${place}`),
    );
    assert.match(stdout, /^ +\| {22}\^+$/m, 'a caret below the name of the filter');
    assert.match(stdout, /relay-denid.*did you mean "(?:postfix\/)?relay-denied"/);
    assert.match(stdout, /maxretries.*did you mean "maxretry"/);
    assert.match(stdout, /5 mistakes, 0 warnings\n$/);
  });

  test('turns away a rule by which a client could have somebody else banned, and says how to write it', async () => {
    const rules = file('moved.yaml', good.replace("'knock from {addr} at {door}'", "'{who} knocks from {addr} at {door}'"));
    const { code, stdout } = await runSluice(['check', rules]);
    assert.equal(code, 3);
    assert.match(stdout, /moved\.yaml:6:11: the client could move this address: \{who\} stands before \{addr\}/);
    assert.match(stdout, /help: end the pattern with "\$"/);
  });

  test('runs the tests inside the rules: one that fails is a finding at its line', async () => {
    const rules = file('failing.yaml', good.replace('matches: nothing', 'matches: knock'));
    const { code, stdout } = await runSluice(['check', rules]);
    assert.equal(code, 3);
    assert.match(stdout, /failing\.yaml:1[12]:\d+: /);
    assert.match(stdout, /1 mistake, 0 warnings/);
  });

  test('takes several files, and is told of all their mistakes', async () => {
    const one = file('one.yaml', good.replace('programs:', 'programmes:'));
    const other = file('other.yaml', good.replace('{door}', '{door:wood}'));
    const { code, stdout } = await runSluice(['check', one, other]);
    assert.equal(code, 3);
    assert.match(stdout, /one\.yaml:3:1: .*did you mean "programs"/);
    assert.match(stdout, /other\.yaml:6:\d+: .*wood/);
  });

  test('--json: the same as a document', async () => {
    const rules = file('moved.yaml', good.replace("'knock from {addr} at {door}'", "'{who} knocks from {addr} at {door}'"));
    const { code, stdout } = await runSluice(['check', '--json', rules]);
    assert.equal(code, 3);
    const { ok, diagnostics } = JSON.parse(stdout) as {
      ok: boolean;
      diagnostics: { file: string; line: number; column: number; severity: string }[];
    };
    assert.equal(ok, false);
    assert.deepEqual(
      diagnostics
        .filter(({ severity }) => severity === 'error')
        .map(({ line, column }) => [line, column])
        .slice(0, 1),
      [[6, 11]],
    );
    assert.equal(diagnostics[0]?.file, rules);
    assert.deepEqual(JSON.parse((await runSluice(['check', '--json', file('knocker.yaml', good)])).stdout), { ok: true, diagnostics: [] });
  });

  test('a file that is not there is a failure, not a finding; an unknown option is misuse', async () => {
    const missing = await runSluice(['check', join(directory, 'nowhere.yaml')]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /nowhere\.yaml/);
    assert.equal((await runSluice(['check', '--strict'])).code, 2);
  });
});
