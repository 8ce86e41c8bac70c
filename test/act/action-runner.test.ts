import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type ActionBan, type ActionRunnerSettings, createActionRunner, type JailInfo } from '../../src/act/action-runner.ts';
import { createShellRunner } from '../../src/act/shell-launcher.ts';
import { environmentForActions } from '../../src/act/shell-run.ts';
import { parseAddress, parsePrefix, prefixOf } from '../../src/model/address.ts';
import type { ForeignAction } from '../../src/model/foreign-jail.ts';

const info: JailInfo = {
  bantimeMs: 600_000,
  counts: () => ({ banned: 0, bannedTotal: 0, found: 0, foundTotal: 0 }),
  history: () => undefined,
};

function banOf(text: string, given: Partial<ActionBan> = {}): ActionBan {
  const address = parseAddress(text);
  assert.ok(address !== undefined);
  const subject = prefixOf(address, 128);
  return {
    address,
    subject,
    sinceMs: 1_000,
    untilMs: 601_000,
    failures: 5,
    count: 1,
    matches: [],
    fields: new Map(),
    restored: false,
    ...given,
  };
}

function actionOf(commands: Readonly<Record<string, string>>, given: Partial<ForeignAction> = {}): ForeignAction {
  return {
    name: 'own',
    file: 'own',
    commands: new Map(Object.entries(commands)),
    startOnDemand: false,
    repairOnUnban: false,
    notRestored: false,
    parameters: new Map(),
    timeoutMs: 20_000,
    ...given,
  };
}

describe('the runner of actions', () => {
  let dir = '';
  let out = '';
  let troubles: string[] = [];
  let dropped: string[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'slu-run-'));
    out = join(dir, 'out');
    writeFileSync(out, '');
    troubles = [];
    dropped = [];
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const said = (): readonly string[] => readFileSync(out, 'utf8').trimEnd().split('\n');

  function create(given: Partial<ActionRunnerSettings> = {}) {
    return createActionRunner({
      maxWaiting: 100,
      onTrouble: (jail, action, command, why) => troubles.push(`${jail} ${action} ${command}: ${why}`),
      onDropped: (jail, address, bound) => dropped.push(`${jail} ${address} ${bound}`),
      run: createShellRunner({ PATH: '/usr/bin:/bin', OUT: out, DIR: dir }),
      names: { short: 'mx', full: async () => 'mx.example', nameOf: async () => undefined },
      ...given,
    });
  }
  const saying = (text: string) => `echo "${text}" >>"$OUT"`;
  const life = {
    actionstart: saying('start'),
    actionban: saying('ban <ip>'),
    actionunban: saying('unban <ip>'),
    actionstop: saying('stop'),
  };

  test('runs one command at a time, and gives every jail its turn', async () => {
    const runner = create();
    const busy = `mkdir "$DIR/lock" && ${saying('<name> <ip>')} && rmdir "$DIR/lock"`;
    const jails = ['one', 'two'].map((name) =>
      runner.jail(name, [actionOf({ actionban: busy }, { parameters: new Map([['name', name]]) })], info),
    );
    for (const jail of jails) for (const last of [1, 2, 3]) jail.ban(banOf(`192.0.2.${last}`));
    await runner.idle();
    assert.deepEqual(troubles, []);
    assert.deepEqual(said(), ['one 192.0.2.1', 'two 192.0.2.1', 'one 192.0.2.2', 'two 192.0.2.2', 'one 192.0.2.3', 'two 192.0.2.3']);
  });

  test('tries a command that failed once more, tells what it said, and does the rest', async () => {
    const runner = create();
    const jail = runner.jail(
      'mail',
      [actionOf({ actionban: 'echo "no such thing" >&2; exit 3' }), actionOf(life, { name: 'other' })],
      info,
    );
    jail.ban(banOf('192.0.2.1'));
    await runner.idle();
    assert.deepEqual(troubles, ['mail own actionban: exit code 3: no such thing', 'mail own actionban: exit code 3: no such thing']);
    assert.deepEqual(said(), ['ban 192.0.2.1']);
  });

  test('keeps the end of what a command says', async () => {
    const runner = create();
    runner.jail('mail', [actionOf({ actionban: 'yes noise | head -c 1000000 >&2; echo last >&2; exit 1' })], info).ban(banOf('192.0.2.1'));
    await runner.idle();
    assert.ok((troubles[0]?.length ?? 0) < 5_000);
    assert.ok(troubles[0]?.endsWith('last'));
  });

  test('ends a command that takes too long, with all that it started', async () => {
    const runner = create();
    const action = actionOf({ actionban: 'trap "" TERM; sleep 300 & echo $! >"$DIR/pid"; wait' }, { timeoutMs: 300 });
    runner.jail('mail', [action], info).ban(banOf('192.0.2.1'));
    await runner.idle();
    assert.deepEqual(new Set(troubles), new Set(['mail own actionban: ended after 0.3 s']));
    const pid = readFileSync(join(dir, 'pid'), 'utf8').trim();
    assert.ok(
      !existsSync(`/proc/${pid}`) || /^\d+ \(sleep\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8')),
      'the child of the command is gone',
    );
  });

  test('does not wait for what a command leaves behind', async () => {
    const runner = create();
    runner.jail('mail', [actionOf({ actionban: 'sleep 300 & echo $! >>"$DIR/pid"; exit 1' })], info).ban(banOf('192.0.2.1'));
    await runner.idle();
    for (const pid of readFileSync(join(dir, 'pid'), 'utf8').trimEnd().split('\n')) process.kill(Number(pid));
    assert.deepEqual(new Set(troubles), new Set(['mail own actionban: exit code 1']));
  });

  test('starts another shell when the one that starts commands has gone', async () => {
    const runner = create();
    const action = actionOf({ actionban: `if mkdir "$DIR/first"; then kill -9 $PPID; else ${saying('ban <ip>')}; fi` });
    runner.jail('mail', [action], info).ban(banOf('192.0.2.1'));
    await runner.idle();
    assert.deepEqual(troubles, ['mail own actionban: the shell that starts commands has ended']);
    assert.deepEqual(said(), ['ban 192.0.2.1']);
  });

  test('drops the bans that find too many before them, and says so', async () => {
    const runner = create({ maxWaiting: 2 });
    const jail = runner.jail('mail', [actionOf(life)], info);
    for (const last of [1, 2, 3, 4]) jail.ban(banOf(`192.0.2.${last}`));
    await runner.idle();
    jail.ban(banOf('192.0.2.5'));
    await runner.idle();
    assert.deepEqual(said(), ['ban 192.0.2.1', 'ban 192.0.2.2', 'ban 192.0.2.5']);
    assert.deepEqual(dropped, ['mail 192.0.2.3 waiting', 'mail 192.0.2.4 waiting']);
  });

  test('makes no ban that it could not end', async () => {
    const runner = create({ maxHeld: 1 });
    const jail = runner.jail('mail', [actionOf(life)], info);
    jail.ban(banOf('192.0.2.1'));
    jail.ban(banOf('192.0.2.2'));
    const two = banOf('192.0.2.2');
    jail.unban(two.subject);
    jail.unban(banOf('192.0.2.1').subject);
    jail.ban(two);
    await runner.idle();
    assert.deepEqual(said(), ['ban 192.0.2.1', 'unban 192.0.2.1', 'ban 192.0.2.2']);
    assert.deepEqual(dropped, ['mail 192.0.2.2 held']);
  });

  test('leaves out bans from before a restart, where an action says so', async () => {
    const runner = create();
    const jail = runner.jail(
      'mail',
      [
        actionOf({ actionban: saying('mail <restored>') }, { notRestored: true }),
        actionOf({ actionban: saying('ban <restored>') }, { name: 'b' }),
      ],
      info,
    );
    jail.ban(banOf('192.0.2.1', { restored: true }));
    jail.ban(banOf('192.0.2.2'));
    await runner.idle();
    assert.deepEqual(said(), ['ban 1', 'mail 0', 'ban 0']);
  });

  test('ends all bans and then the actions when it stops, the last one first', async () => {
    const runner = create();
    const two = actionOf({ ...life, actionflush: saying('flush two'), actionstop: saying('stop two') }, { name: 'two' });
    const jail = runner.jail('mail', [actionOf(life), two], info);
    jail.start();
    jail.ban(banOf('192.0.2.1'));
    await runner.idle();
    await runner.stop(10_000);
    assert.deepEqual(said(), ['start', 'start', 'ban 192.0.2.1', 'ban 192.0.2.1', 'flush two', 'unban 192.0.2.1', 'stop two', 'stop']);
    jail.ban(banOf('192.0.2.2'));
    await runner.idle();
    assert.equal(said().length, 8);
  });

  test('is not kept from stopping by a command that hangs', async () => {
    const runner = create();
    const jail = runner.jail('mail', [actionOf({ actionban: saying('ban <ip>'), actionunban: 'sleep 300' })], info);
    for (const last of [1, 2, 3]) jail.ban(banOf(`192.0.2.${last}`));
    await runner.idle();
    await jail.stop(300);
    await runner.idle();
    assert.match(troubles.join('\n'), /actionunban: ended after/);
    assert.match(troubles.join('\n'), /not run for 2 bans: there was no time left/);
  });

  test('ends the bans of one jail though a command of another one hangs', async () => {
    const runner = create();
    const jail = runner.jail('mail', [actionOf(life)], info);
    jail.start();
    jail.ban(banOf('192.0.2.1'));
    await runner.idle();
    runner.jail('web', [actionOf({ actionban: `${saying('hangs')}; sleep 1000` })], info).ban(banOf('192.0.2.2'));
    await runner.stop(4_000);
    await runner.idle();
    assert.deepEqual(said(), ['start', 'ban 192.0.2.1', 'hangs', 'unban 192.0.2.1', 'stop']);
    assert.deepEqual(
      troubles.filter((each) => each.startsWith('mail')),
      [],
    );
  });

  test('ends what a jail began before the next one of that name, though that one stops too', async () => {
    const runner = create();
    const gate = `until [ -e "$DIR/gate" ]; do sleep 0.05; done`;
    const first = runner.jail('mail', [actionOf(life)], info);
    first.ban(banOf('192.0.2.1'));
    await runner.idle();
    runner.jail('web', [actionOf({ actionban: gate })], info).ban(banOf('192.0.2.2'));
    const stopped = first.stop(60_000);
    const second = runner.jail('mail', [actionOf(life)], info);
    second.start();
    const stoppedToo = second.stop(60_000);
    writeFileSync(join(dir, 'gate'), '');
    await Promise.all([stopped, stoppedToo]);
    assert.deepEqual(said(), ['ban 192.0.2.1', 'unban 192.0.2.1', 'stop']);
    assert.deepEqual(troubles, []);
  });

  test('says what it could not end, where all the time was taken by others', async () => {
    const runner = create();
    const jail = runner.jail('mail', [actionOf(life)], info);
    jail.ban(banOf('192.0.2.1'));
    await runner.idle();
    runner.jail('web', [actionOf({ actionban: 'sleep 1000' })], info).ban(banOf('192.0.2.2'));
    // Nobody is in a hurry, and then somebody is.
    const stopped = jail.stop(600_000);
    await Promise.all([jail.stop(100), stopped]);
    assert.deepEqual(troubles, ['mail own actionstop: not run, nor anything for 1 bans: other commands took all the time']);
    await runner.stop(0);
    await runner.idle();
  });

  test('names a network with its length, and tells two that begin alike apart', async () => {
    const runner = create();
    const jail = runner.jail('mail', [actionOf(life)], info);
    const [wide, narrow] = ['192.0.2.0/24', '192.0.2.0/25'].map((text) => {
      const subject = parsePrefix(text);
      assert.ok(subject !== undefined);
      return { ...banOf('192.0.2.0'), subject };
    });
    assert.ok(wide !== undefined && narrow !== undefined);
    jail.ban(wide);
    jail.ban(narrow);
    jail.unban(wide.subject);
    await runner.idle();
    assert.deepEqual(said(), ['ban 192.0.2.0/24', 'ban 192.0.2.0/25', 'unban 192.0.2.0/24']);
    assert.deepEqual(troubles, []);
  });

  test('does not run what a text of the log would become part of', async () => {
    const runner = create();
    runner.jail('mail', [actionOf({ actionban: `eval "<matches>"; ${saying('ban')}` })], info).ban(banOf('192.0.2.1', { matches: ['id'] }));
    await runner.idle();
    assert.deepEqual(said(), ['']);
    assert.match(troubles.join(), /actionban: not run: <matches>: eval/);
  });

  test('hands over ten lines of 512 bytes, and no NUL', async () => {
    const runner = create();
    const matches = Array.from({ length: 12 }, (_, index) => `${index}\0${'ä'.repeat(400)}`);
    runner.jail('mail', [actionOf({ actionban: 'printf "%s\\n" "<matches>" >>"$OUT"' })], info).ban(banOf('192.0.2.1', { matches }));
    await runner.idle();
    assert.deepEqual(
      said(),
      Array.from({ length: 10 }, (_, index) => `${index + 2}${'ä'.repeat(255)}`),
    );
  });

  test('takes <ip-host> for a name only if it looks like one', async () => {
    const nameOf = async (address: string) => (address === '192.0.2.1' ? 'a.example' : '$(id).example');
    const runner = create({ names: { short: 'mx', full: async () => 'mx.example', nameOf } });
    const jail = runner.jail('mail', [actionOf({ actionban: saying('<ip> <ip-host> <fq-hostname>') })], info);
    for (const last of [1, 2]) jail.ban(banOf(`192.0.2.${last}`));
    await runner.idle();
    assert.deepEqual(said(), ['192.0.2.1 a.example mx.example', '192.0.2.2 None mx.example']);
  });
});

test('commands do not speak in the name of the daemon', () => {
  const kept = environmentForActions({
    PATH: '/bin',
    LANG: 'C',
    NOTIFY_SOCKET: '/run/n',
    WATCHDOG_USEC: '1',
    NODE_OPTIONS: '--x',
    f2bV_a: 'b',
  });
  assert.deepEqual(kept, { PATH: '/bin', LANG: 'C' });
});
