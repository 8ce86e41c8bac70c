import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BanRequest } from '../../src/control/protocol.ts';
import { startControl } from '../../src/control/server.ts';
import { privateDirectory, serve } from '../control/running-control.ts';
import { createSampleDaemon, sampleBan, sampleBans, sampleStatus } from '../control/sample-daemon.ts';
import { runSluice } from './running-command.ts';

const when = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0[12]:00 \([^)]+\)`;

/** What `fail2ban-client status postfix-auth` would print of the sample. */
const tree = [
  'Status for the jail: postfix-auth',
  '|- Filter',
  '|  |- Currently failed:\t20',
  '|  |- Total failed:\t149',
  '|  |- File list:\t/var/log/mail.log',
  '|  `- Journal matches:\t_SYSTEMD_UNIT=postfix.service',
  '`- Actions',
  '   |- Currently banned:\t1',
  '   |- Total banned:\t13',
  '   `- Banned IP list:\t203.0.113.9',
  '',
].join('\n');

describe('looking', () => {
  test('status, with the daemon named by --socket or by $SLUICE_SOCKET', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    const byFlag = await runSluice(['status', '--socket', socketPath]);
    const byEnvironment = await runSluice(['status'], { env: { SLUICE_SOCKET: socketPath } });
    for (const { code, stdout, stderr } of [byFlag, byEnvironment]) {
      assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
      assert.match(stdout, /^sluice 0\.1\.0, ready, up .*, pid 4711\nbans go to nftables\n/);
    }
  });

  const documents: readonly [words: readonly string[], expected: unknown][] = [
    [['status'], sampleStatus],
    [['list'], { bans: sampleBans }],
    [['list', '--jail', 'postfix-auth'], { bans: [sampleBan] }],
    [['config'], { file: null, values: [{ path: ['defaults', 'maxretry'], value: 5, from: null }] }],
    [['metrics'], [{ name: 'sluice_rules', labels: { state: 'enabled' }, value: 3 }]],
    [['ping'], { version: '0.1.0', pid: process.pid, started: sampleStatus.started }],
  ];
  for (const [words, expected] of documents) {
    test(`${words.join(' ')} --json is one document`, async (t) => {
      const { socketPath } = await serve(t, createSampleDaemon().api);
      const { code, stdout } = await runSluice([...words, '--json', '--socket', socketPath]);
      assert.equal(code, 0);
      assert.deepEqual(JSON.parse(stdout), expected);
    });
  }

  test('status JAIL shows the jail and whom it holds', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    const { code, stdout } = await runSluice(['status', 'postfix-auth', '--socket', socketPath]);
    assert.equal(code, 0);
    assert.equal(stdout, tree);
  });

  test('status JAIL --verbose adds what fail2ban does not tell', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    const { stdout } = await runSluice(['status', '-v', 'postfix-auth', '--socket', socketPath]);
    assert.ok(stdout.startsWith(`${tree}\njail postfix-auth (/etc/sluice/sluice.yaml:20)\n`), stdout);
    assert.match(stdout, /^203\.0\.113\.9 {2}postfix-auth {2}/m);
    assert.doesNotMatch(stdout, /2001:db8/);
  });

  test('an unknown jail is exit 2, with those there are', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    for (const words of [
      ['status', 'postfix'],
      ['list', '--jail', 'postfix'],
      ['ban', '192.0.2.1', '--jail', 'postfix'],
    ]) {
      const { code, stdout, stderr } = await runSluice([...words, '--socket', socketPath]);
      assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
      assert.match(stderr, /There is no jail "postfix".* Jails: postfix-auth, postfix-noise, manual\n$/);
    }
  });

  test('an empty list leaves stdout empty', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon({ bans: () => [] }).api);
    assert.deepEqual(await runSluice(['list', '--socket', socketPath]), {
      code: 0,
      signal: null,
      stdout: '',
      stderr: 'Nobody is banned.\n',
    });
  });

  test('explain takes any spelling and answers for an address that is not banned', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    const { code, stdout } = await runSluice(['explain', '2001:0DB8::0:1', '--socket', socketPath]);
    assert.deepEqual({ code, stdout }, { code: 0, stdout: '2001:db8::1 is not banned, and nothing is known of it.\n' });
  });

  test('metrics is the exposition as it is', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    const { stdout } = await runSluice(['metrics', '--socket', socketPath]);
    assert.equal(stdout, '# HELP sluice_rules Rules.\n# TYPE sluice_rules gauge\nsluice_rules{state="enabled"} 3\n');
  });

  test('colours only when asked for: stdout is no terminal here', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    const plain = await runSluice(['status', '--socket', socketPath]);
    assert.doesNotMatch(plain.stdout, /\u001b/);
    const forced = await runSluice(['status', '--socket', socketPath], { env: { FORCE_COLOR: '1' } });
    assert.match(forced.stdout, /\u001b\[31mDOWN/);
  });

  test('a reader that leaves early is no error: sluice list | head', async (t) => {
    const many = Array.from({ length: 20_000 }, () => sampleBan);
    const { socketPath } = await serve(t, createSampleDaemon({ bans: () => many }).api);
    const binary = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
    const child = spawn(binary, ['list', '--socket', socketPath], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.stdout.once('data', () => child.stdout.destroy());
    const [code] = await once(child, 'close');
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  });
});

describe('following events', () => {
  test('prints the recent ones, then each as it comes; an interrupt is exit 130', async (t) => {
    const { api, feed } = createSampleDaemon();
    const { socketPath } = await serve(t, api);
    const notice = (message: string) => feed.publish({ kind: 'notice', time: '2026-11-22T19:38:06.000Z', level: 'info', message });
    notice('before');
    let told = false;
    const outcome = await runSluice(['events', '-f', '--socket', socketPath], {
      onStdout: (soFar, kill) => {
        if (soFar.includes('after')) kill('SIGINT');
        else if (!told) {
          told = true;
          notice('after\u001b[2J');
        }
      },
    });
    assert.deepEqual(outcome, {
      code: 130,
      signal: null,
      stdout: '2026-11-22 20:38:06 +01:00  notice   before\n2026-11-22 20:38:06 +01:00  notice   after\\x1b[2J\n',
      stderr: '',
    });
  });

  test('without -f it ends; --json is one object a line', async (t) => {
    const { api, feed } = createSampleDaemon();
    const { socketPath } = await serve(t, api);
    const event = { kind: 'notice', time: '2026-11-22T19:38:06.000Z', level: 'error', message: 'nft\nfails' } as const;
    feed.publish(event);
    const { code, stdout } = await runSluice(['events', '--json', '--socket', socketPath]);
    assert.deepEqual({ code, stdout }, { code: 0, stdout: `${JSON.stringify(event)}\n` });
  });

  test('a daemon that stops ends it with exit 4', async (t) => {
    const { api, feed } = createSampleDaemon();
    const socketPath = join(await privateDirectory(t), 'control.sock');
    const control = await startControl({ socketPath, group: undefined, daemon: api, onError: assert.fail });
    feed.publish({ kind: 'notice', time: '2026-11-22T19:38:06.000Z', level: 'info', message: 'here' });
    const outcome = await runSluice(['events', '-f', '--socket', socketPath], { onStdout: () => void control.close() });
    assert.deepEqual({ code: outcome.code, stderr: outcome.stderr }, { code: 4, stderr: 'The daemon has stopped.\n' });
  });
});

describe('acting', () => {
  test('ban says what was banned and until when', async (t) => {
    const daemon = createSampleDaemon();
    const { socketPath } = await serve(t, daemon.api);
    const { code, stdout, stderr } = await runSluice([
      'ban',
      '192.0.2.1',
      '2001:db8::1',
      '2001:db8:5::5/128',
      '--for',
      '1h30m',
      '--socket',
      socketPath,
    ]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    const [first, second, third, ...rest] = stdout.split('\n');
    assert.match(first ?? '', new RegExp(`^banned 192\\.0\\.2\\.1 in jail manual until ${when}$`));
    assert.match(
      second ?? '',
      /^banned 2001:db8::\/64, the network of 2001:db8::1 \(for the one address: 2001:db8::1\/128\) in jail manual until /,
    );
    assert.match(third ?? '', /^banned 2001:db8:5::5 in jail manual until /);
    assert.deepEqual(rest, ['']);
    assert.deepEqual(daemon.calls.length, 1);
  });

  test('ban of a never-banned address is exit 1 with the reason; the others are banned', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    const { code, stdout, stderr } = await runSluice(['ban', '127.0.0.1', '192.0.2.1', '--socket', socketPath]);
    assert.equal(code, 1);
    assert.equal(stderr, 'not banned 127.0.0.1: loopback is never banned\n');
    assert.match(stdout, /^banned 192\.0\.2\.1 /);
  });

  test('ban of a banned address says so and is no failure', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    const { code, stdout } = await runSluice(['ban', '203.0.113.9', '--socket', socketPath]);
    assert.equal(code, 0);
    assert.match(stdout, /^already banned 203\.0\.113\.9 in jail postfix-auth until /);
  });

  test('unban names the jails', async (t) => {
    const daemon = createSampleDaemon();
    const { socketPath } = await serve(t, daemon.api);
    const { code, stdout, stderr } = await runSluice(['unban', '203.0.113.9', '2001:db8:1:2::9', '192.0.2.1', '--socket', socketPath]);
    assert.equal(code, 0);
    assert.equal(stdout, 'unbanned 203.0.113.9 from postfix-auth\nunbanned 2001:db8:1:2::9 from manual (2001:db8:1:2::/64)\n');
    assert.equal(stderr, '192.0.2.1 was not banned\n');
    assert.equal(daemon.bans.length, 1);
  });

  test('unban of nobody is exit 5', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    const outcome = await runSluice(['unban', '192.0.2.1', '--socket', socketPath]);
    assert.deepEqual(outcome, { code: 5, signal: null, stdout: '', stderr: '192.0.2.1 was not banned\n' });
  });

  test('unban --all lifts all, and the second time there is nobody', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    assert.deepEqual(await runSluice(['unban', '--all', '--socket', socketPath]), {
      code: 0,
      signal: null,
      stdout: 'unbanned all: 3 bans lifted\n',
      stderr: '',
    });
    assert.deepEqual(await runSluice(['unban', '--all', '--socket', socketPath]), {
      code: 5,
      signal: null,
      stdout: '',
      stderr: 'nobody was banned\n',
    });
  });

  test('allow stores it and lifts what it covers', async (t) => {
    const daemon = createSampleDaemon();
    const { socketPath } = await serve(t, daemon.api);
    const { code, stdout } = await runSluice(['allow', '203.0.113.0/24', '2001:db8::1', '--socket', socketPath]);
    assert.equal(code, 0);
    assert.equal(stdout, 'allowed 203.0.113.0/24 for ever, 1 ban lifted (postfix-auth)\nallowed 2001:db8::1 for ever\n');
    const withEnd = await runSluice(['allow', '192.0.2.1', '--for', '1d', '--socket', socketPath]);
    assert.match(withEnd.stdout, new RegExp(`^allowed 192\\.0\\.2\\.1 until ${when}\\n$`));
  });

  test('allow --remove takes it back; what was not allowed is exit 5', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    const both = await runSluice(['allow', '--remove', '2001:db8::1', '192.0.2.1', '--socket', socketPath]);
    assert.deepEqual(both, {
      code: 0,
      signal: null,
      stdout: 'no longer allowed 2001:db8::1\n',
      stderr: '192.0.2.1 was not allowed by "sluice allow"\n',
    });
    assert.equal((await runSluice(['allow', '--remove', '192.0.2.1', '--socket', socketPath])).code, 5);
  });

  test('addresses come from stdin too: 2,500 of them in parts, in order, comments and blank lines left out', async (t) => {
    const daemon = createSampleDaemon();
    const { socketPath } = await serve(t, daemon.api);
    const list = Array.from({ length: 2_500 }, (_, index) => `198.51.${Math.floor(index / 250)}.${index % 250}`);
    const input = `# known offenders\r\n\r\n${list.join('  # seen\r\n')}`;
    const { code, stdout } = await runSluice(['ban', '-', '192.0.2.77', '--json', '--socket', socketPath], { input });
    assert.equal(code, 0);
    const { results } = JSON.parse(stdout) as { results: { target: string }[] };
    assert.deepEqual(
      results.map(({ target }) => target),
      [...list, '192.0.2.77'],
    );
    assert.deepEqual(
      daemon.calls.map((call) => (call as { ban: BanRequest }).ban.targets.length),
      [1_000, 1_000, 501],
    );
  });

  test('bad lines of stdin are named with their number, and nothing is done', async (t) => {
    const daemon = createSampleDaemon();
    const { socketPath } = await serve(t, daemon.api);
    const { code, stdout, stderr } = await runSluice(['ban', '-', '--socket', socketPath], {
      input: '192.0.2.1\n\n999.0.2.1\n[192.0.2.2]:25\n\u001b[2J\n',
    });
    assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
    assert.equal(
      stderr,
      'sluice ban: stdin line 3: "999.0.2.1" is not an address or network\n' +
        'stdin line 4: "[192.0.2.2]:25" is not an address or network: without brackets and port\n' +
        'stdin line 5: "\\x1b[2J" is not an address or network\nSee: sluice help ban\n',
    );
    assert.deepEqual(daemon.calls, []);
  });

  test('a stdin without an end is cut off', async () => {
    const { code, stderr } = await runSluice(['unban', '-'], { input: Buffer.alloc(9 * 1024 * 1024, '192.0.2.1\n') });
    assert.equal(code, 2);
    assert.match(stderr, /stdin is longer than 8388608 bytes; give the addresses in parts/);
  });

  test('reload tells what changed', async (t) => {
    const { socketPath } = await serve(t, createSampleDaemon().api);
    assert.deepEqual(await runSluice(['reload', '--socket', socketPath]), {
      code: 0,
      signal: null,
      stdout: 'reloaded\n  jail ssh is new\n',
      stderr: '',
    });
  });

  test('reload of a broken configuration is exit 78, with the mistakes', async (t) => {
    const mistakes = ['/etc/sluice/sluice.yaml:9:3: unknown key "jial"; did you mean "jail"?\n    9 |   jial: x\n      |   ^^^^'];
    const { socketPath } = await serve(t, createSampleDaemon({ reload: () => Promise.resolve({ outcome: 'refused', mistakes }) }).api);
    assert.deepEqual(await runSluice(['reload', '--socket', socketPath]), {
      code: 78,
      signal: null,
      stdout: '',
      stderr: `${mistakes.join('\n')}\nNothing was changed: the daemon goes on with what it had.\n`,
    });
  });

  test('what the daemon cannot do is exit 1 with its reason', async (t) => {
    const failing = createSampleDaemon({ unban: () => Promise.reject(new Error('nft exited with 1: "No such file"')) });
    const { socketPath } = await serve(t, failing.api);
    const outcome = await runSluice(['unban', '--all', '--socket', socketPath]);
    assert.deepEqual(outcome, { code: 1, signal: null, stdout: '', stderr: 'sluice unban: nft exited with 1: "No such file"\n' });
  });
});

describe('no daemon: exit 4', () => {
  for (const words of [['ping'], ['status'], ['list'], ['explain', '192.0.2.1'], ['events', '-f'], ['ban', '192.0.2.1'], ['reload']]) {
    test(`sluice ${words.join(' ')}`, async () => {
      assert.deepEqual(await runSluice(words), {
        code: 4,
        signal: null,
        stdout: '',
        stderr:
          `sluice ${words[0]}: The daemon does not run, or elsewhere: no answer at /nonexistent/sluice.sock.\n` +
          'Start it: systemctl start sluice, or in the foreground: sluice run. If it has another socket, name it: --socket PATH.\n',
      });
    });
  }

  test('the daemon of an ordinary user is found in $XDG_RUNTIME_DIR', async (t) => {
    const runtime = await privateDirectory(t);
    await mkdir(join(runtime, 'sluice'));
    const control = await startControl({
      socketPath: join(runtime, 'sluice', 'control.sock'),
      group: undefined,
      daemon: createSampleDaemon().api,
      onError: assert.fail,
    });
    t.after(() => control.close());
    const { code, stdout } = await runSluice(['ping'], { env: { SLUICE_SOCKET: '', XDG_RUNTIME_DIR: runtime } });
    assert.equal(code, 0);
    assert.match(stdout, /^pong: sluice 0\.1\.0, pid \d+, up .+\n$/);
  });
});
