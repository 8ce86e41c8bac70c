import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { commands } from '../../src/cli/commands.ts';
import { program } from '../environment.ts';
import { runSluice } from './running-command.ts';

describe('help', () => {
  const ways: readonly (readonly string[])[] = [[], ['--help'], ['-h'], ['help']];
  for (const words of ways) {
    test(`sluice ${words.join(' ')} lists the table's commands and nothing else`, async () => {
      const { code, stdout, stderr } = await runSluice(words);
      assert.equal(code, 0);
      assert.equal(stderr, '');
      const listed = [...stdout.matchAll(/^ {2}([a-z]\S*) {2,}(.*)$/gm)].map(([, name, about]) => [name, about]);
      assert.deepEqual(
        listed,
        commands.map(({ name, about }) => [name, about]),
      );
    });
  }

  test('help COMMAND and COMMAND --help are the same, whatever else stands there', async () => {
    const byHelp = await runSluice(['help', 'ban']);
    const byFlag = await runSluice(['ban', '--nonsense', '--help']);
    assert.deepEqual(byHelp, byFlag);
    assert.equal(byHelp.code, 0);
    assert.match(byHelp.stdout, /^Usage: sluice ban ADDRESS\[\/LEN\]\.\.\. \[--jail JAIL\] \[--for DURATION\] \[--json\]\n/);
  });

  test('the version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
    assert.deepEqual(await runSluice(['--version']), { code: 0, signal: null, stdout: `sluice ${version}\n`, stderr: '' });
  });
});

describe('a command line that is none of ours: exit 2, what is wrong, and where to read on', { concurrency: 2 }, () => {
  const cases: readonly [words: readonly string[], stderr: string][] = [
    [['bann'], 'sluice: there is no command "bann"; did you mean "ban"?\nSee: sluice help\n'],
    [['banned'], 'sluice: there is no command "banned"; here it is "sluice list"\nSee: sluice help\n'],
    [['xyzzy'], 'sluice: there is no command "xyzzy"\nSee: sluice help\n'],
    [['\u001b[2J'], 'sluice: there is no command "\\x1b[2J"\nSee: sluice help\n'],
    [['__proto__'], 'sluice: there is no command "__proto__"\nSee: sluice help\n'],
    [['help', 'lst'], 'sluice: there is no command "lst"; did you mean "list"?\nSee: sluice help\n'],
    [['list', '--jial', 'ssh'], 'sluice list: there is no option --jial; did you mean "--jail"?\nSee: sluice help list\n'],
    [['list', '--jail'], 'sluice list: --jail wants a value: --jail JAIL\nSee: sluice help list\n'],
    [
      ['list', '--jail', '--json'],
      'sluice list: --jail wants a value, and "--json" looks like an option; if it is meant, write --jail=--json\nSee: sluice help list\n',
    ],
    [['list', '--jail', 'a', '--jail', 'b'], 'sluice list: --jail is given twice\nSee: sluice help list\n'],
    [['list', '--json=yes'], 'sluice list: --json takes no value\nSee: sluice help list\n'],
    [['list', 'ssh'], 'sluice list: "ssh" is one word too many; usage: sluice list [--jail JAIL] [--json]\nSee: sluice help list\n'],
    [['explain'], 'sluice explain: which address?\nSee: sluice help explain\n'],
    [['explain', 'mail.example'], 'sluice explain: "mail.example" is not an address\nSee: sluice help explain\n'],
    [
      ['explain', '192.0.2.0/24'],
      'sluice explain: "192.0.2.0/24" is not an address; give one address, without a length\nSee: sluice help explain\n',
    ],
    [['ban'], 'sluice ban: which address? Name one or more, or - to read them from stdin\nSee: sluice help ban\n'],
    [
      ['ban', '192.0.2.1', 'mail.example', '192.0.2.01'],
      'sluice ban: "mail.example" is not an address or network: names are not looked up\n' +
        '"192.0.2.01" is not an address or network: a number with a leading zero means octal to some programs, write it without\nSee: sluice help ban\n',
    ],
    [
      ['ban', '192.0.2.1', '--for', '3600'],
      'sluice ban: --for: "3600" is not a length of time such as 90s, 15m, 1h30m, 2d, permanent; for seconds write 3600s\nSee: sluice help ban\n',
    ],
    [['unban'], 'sluice unban: which address? Name one or more, - to read them from stdin, or --all\nSee: sluice help unban\n'],
    [['unban', '--all', '192.0.2.1'], 'sluice unban: --all and addresses exclude each other\nSee: sluice help unban\n'],
    [
      ['unban', '--offline', '192.0.2.1'],
      "sluice unban: --offline goes with --all: single bans are the daemon's to lift\nSee: sluice help unban\n",
    ],
    [['allow', '192.0.2.1', '--remove', '--for', '1d'], 'sluice allow: --remove and --for exclude each other\nSee: sluice help allow\n'],
    [['events', '-n', 'ten'], 'sluice events: --last: "ten" is not a number of events\nSee: sluice help events\n'],
    [['test', 'mail.log'], 'sluice test: what to look for? Give --filter, --pattern or --regex\nSee: sluice help test\n'],
    [
      ['test', 'mail.log', '--filter', 'postfix', '--pattern', 'x'],
      'sluice test: --filter and --pattern exclude each other\nSee: sluice help test\n',
    ],
    [
      ['test', '--filter', 'postfix'],
      'sluice test: which log? Name a file, - for stdin, or give a log line in quotes\nSee: sluice help test\n',
    ],
    [
      ['replay', 'mail.log', '--now', 'yesterday'],
      'sluice replay: --now: "yesterday" is not a time; write 2026-11-22, 2026-11-22T20:38, 2026-11-22T20:38:06+01:00 or @1795376286\nSee: sluice help replay\n',
    ],
    [['completion', 'csh'], 'sluice completion: "csh" is not a shell with completions: bash, zsh or fish?\nSee: sluice help completion\n'],
  ];
  for (const [words, stderr] of cases) {
    test(`sluice ${words.map((word) => JSON.stringify(word)).join(' ')}`, async () => {
      assert.deepEqual(await runSluice(words), { code: 2, signal: null, stdout: '', stderr });
    });
  }
});

describe('completion', () => {
  test('bash offers commands, then the options of the command', {
    skip: program('bash') === undefined ? 'left out: needs bash' : false,
  }, async () => {
    const { stdout: script } = await runSluice(['completion', 'bash']);
    const complete = async (line: string): Promise<readonly string[]> => {
      const words = line.split(' ');
      const probe = `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _sluice; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const child = spawn('bash', ['-c', probe], { stdio: ['ignore', 'pipe', 'inherit'] });
      let out = '';
      for await (const chunk of child.stdout) out += String(chunk);
      return out.trim().split('\n');
    };
    assert.deepEqual(await complete('sluice un'), ['unban']);
    assert.deepEqual(await complete('sluice help exp'), ['explain']);
    assert.deepEqual(await complete('sluice ban --f'), ['--for']);
    assert.deepEqual(await complete('sluice unban --'), ['--all', '--offline', '--config', '--json', '--socket', '--help']);
  });

  for (const shell of ['bash', 'zsh', 'fish']) {
    test(`${shell} knows every command`, async () => {
      const { code, stdout } = await runSluice(['completion', shell]);
      assert.equal(code, 0);
      for (const { name } of commands) assert.match(stdout, new RegExp(`\\b${name}\\b`));
    });
  }
});
