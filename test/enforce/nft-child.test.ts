import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type NftChild, startNftChild } from '../../src/enforce/nft-child.ts';

/** In place of nft, whose answers these tests choose: prints its arguments and its stdin. */
function startEcho(t: TestContext, script = 'echo "$*"; cat'): { readonly child: NftChild; readonly directory: string } {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const nft = join(directory, 'nft');
  writeFileSync(nft, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const child = startNftChild({ nft, directory, timeoutMs: 10_000 });
  t.after(async () => {
    await child.stop();
    rmSync(directory, { recursive: true });
  });
  return { child, directory };
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

const echo = (input: string) => ({ program: 'nft', args: ['-f', '-'], input, maxOutputBytes: 1_000 }) as const;

describe('the small child that runs nft', () => {
  test('gives each job its input, and hands back what it printed, in order', async (t) => {
    const { child } = startEcho(t);
    const ran = await Promise.all(['one', 'two', 'three'].map((input) => child.run(echo(input))));
    assert.deepEqual(
      ran.map((each) => (each.kind === 'exit' ? [each.code, each.stdout] : each.kind)),
      [
        [0, '-f -\none'],
        [0, '-f -\ntwo'],
        [0, '-f -\nthree'],
      ],
    );
  });

  test('tells the exit code, and bounds what it hands on of stdout and stderr', async (t) => {
    const { child } = startEcho(t, 'yes | head -c 100000; yes | head -c 100000 >&2; exit 3');
    const ran = await child.run(echo(''));
    assert.ok(ran.kind === 'exit');
    assert.deepEqual([ran.code, ran.stdout.length, ran.cut, ran.stderr.length], [3, 1_000, true, 16_384]);
  });

  test('an argument is a word, whatever the shell makes of it elsewhere', async (t) => {
    const { child } = startEcho(t);
    const args = ['*', '$HOME', '`id`', ';', '(', '|', '>x'];
    const ran = await child.run({ program: 'nft', args, maxOutputBytes: 1_000 });
    assert.equal(ran.kind === 'exit' && ran.stdout, `${args.join(' ')}\n`);
  });

  test('works in a directory that nobody else can enter, and removes each file after its job', async (t) => {
    const { child, directory } = startEcho(t);
    await child.run(echo('x'));
    const [own] = readdirSync(directory).filter((name) => name.startsWith(`sluice-nft-${process.pid}-`));
    assert.ok(own);
    assert.equal(statSync(join(directory, own)).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(join(directory, own)), []);
  });

  test('removes the directories of processes that were killed, and only those', async (t) => {
    const { directory } = startEcho(t);
    // The largest pid is 2^22.
    const dead = join(directory, 'sluice-nft-4194305-dead');
    const young = join(directory, 'sluice-nft-4194305-young');
    const alive = join(directory, `sluice-nft-${process.ppid}-alive`);
    for (const path of [dead, young, alive]) mkdirSync(path);
    for (const path of [dead, alive]) utimesSync(path, 0, 0);
    const second = startNftChild({ nft: '/bin/false', directory, timeoutMs: 1_000 });
    await second.stop();
    const left = readdirSync(directory);
    assert.deepEqual([left.includes('sluice-nft-4194305-dead'), left.includes('sluice-nft-4194305-young')], [false, true]);
    assert.ok(left.includes(`sluice-nft-${process.ppid}-alive`));
  });

  test('outlives the Ctrl-C that stops us: what was decided before is still written', async (t) => {
    const { child } = startEcho(t);
    const before = await child.run({ program: 'nft', args: ['-'], maxOutputBytes: 10 });
    assert.equal(before.kind, 'exit');
    for (const pid of childrenOf(process.pid)) process.kill(pid, 'SIGINT');
    const after = await child.run(echo('x'));
    assert.equal(after.kind === 'exit' && after.stdout, '-f -\nx');
  });

  test('refuses jobs after stop, and stops while one is at work', async (t) => {
    const { child } = startEcho(t);
    const atWork = child.run(echo('x'));
    const queued = child.run(echo('y'));
    await child.stop();
    assert.deepEqual([(await atWork).kind, (await queued).kind, (await child.run(echo('z'))).kind], ['exit', 'gone', 'gone']);
  });

  test('ends with its parent, also after kill -9', async () => {
    const module = join(import.meta.dirname, '../../src/enforce/nft-child.ts');
    const source = `import { startNftChild } from ${JSON.stringify(module)};
      const child = startNftChild({ nft: '/bin/true', timeoutMs: 1_000 });
      await child.run({ program: 'nft', args: [] });
      console.log('started');
      setInterval(() => {}, 1_000);`;
    const parent = spawn(process.execPath, ['--no-warnings', '--input-type=module-typescript', '-e', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(parent.stdout, 'data');
    assert.ok(parent.pid);
    const [shell] = childrenOf(parent.pid);
    assert.ok(shell);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    while (isRunning(shell)) await new Promise(setImmediate);
  });
});

/** A process that has ended and is not collected yet has ended. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
