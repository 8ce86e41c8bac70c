import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { SocketError } from '../../src/control/listen.ts';
import { startControl } from '../../src/control/server.ts';
import { without } from '../environment.ts';
import { exchange, privateDirectory } from './running-control.ts';
import { createSampleDaemon } from './sample-daemon.ts';

function open(socketPath: string, group?: string) {
  return startControl({ socketPath, group, daemon: createSampleDaemon().api, onError: assert.fail });
}

/** A socket whose owner was killed: the file is there, nobody listens. */
async function leaveStaleSocket(socketPath: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(socketPath)}, () => process.stdout.write('up'))`;
  const owner = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(owner.stdout, 'data');
  owner.kill('SIGKILL');
  await once(owner, 'exit');
}

async function refusal(t: TestContext, socketPath: string, group?: string): Promise<string> {
  try {
    const control = await open(socketPath, group);
    t.after(() => control.close());
  } catch (error) {
    assert.ok(error instanceof SocketError, String(error));
    return error.message;
  }
  return assert.fail('it was opened');
}

describe('the control socket', () => {
  test('is for owner and group alone, in a directory that others cannot enter', async (t) => {
    const directory = join(await privateDirectory(t), 'run', 'sluice');
    const control = await open(join(directory, 'control.sock'));
    t.after(() => control.close());
    assert.equal(statSync(join(directory, 'control.sock')).mode & 0o777, 0o660);
    assert.equal(statSync(directory).mode & 0o007, 0);
  });

  test('belongs to the group asked for, by name or number', { skip: without('root') }, async (t) => {
    for (const group of ['daemon', '1']) {
      const directory = join(await privateDirectory(t), 'sluice');
      const control = await open(join(directory, 'control.sock'), group);
      t.after(() => control.close());
      assert.equal(statSync(join(directory, 'control.sock')).gid, 1);
      assert.equal(statSync(directory).gid, 1);
    }
  });

  test('is made again when somebody deleted it, with its directory too; what is connected goes on', async (t) => {
    const directory = join(await privateDirectory(t), 'run');
    const socketPath = join(directory, 'control.sock');
    for (const deleted of [socketPath, directory]) {
      const { promise: said, resolve } = Promise.withResolvers<string>();
      const control = await startControl({
        socketPath,
        group: undefined,
        daemon: createSampleDaemon().api,
        onError: resolve,
        lookMs: 10,
      });
      t.after(() => control.close());
      const before = createConnection(socketPath);
      await once(before, 'connect');
      await rm(deleted, { recursive: true });
      assert.match(await said, /control\.sock was gone, and is there again/);
      assert.equal(statSync(socketPath).mode & 0o777, 0o660);
      assert.equal((await exchange(socketPath, { path: '/v1/ping' })).status, 200);
      assert.equal(before.readyState, 'open');
      before.destroy();
      await control.close();
      assert.equal(existsSync(socketPath), false);
    }
  });

  test('is gone when the server closes', async (t) => {
    const socketPath = join(await privateDirectory(t), 'control.sock');
    const control = await open(socketPath);
    await control.close();
    assert.equal(existsSync(socketPath), false);
  });

  test('closing answers what was asked before', async (t) => {
    const socketPath = join(await privateDirectory(t), 'control.sock');
    const asked = Promise.withResolvers<void>();
    const ready = Promise.withResolvers<string>();
    const metrics = () => {
      asked.resolve();
      return ready.promise;
    };
    const control = await startControl({ socketPath, group: undefined, daemon: createSampleDaemon({ metrics }).api, onError: assert.fail });
    const reply = exchange(socketPath, { path: '/v1/metrics' });
    await asked.promise;
    const closed = control.close();
    ready.resolve('sluice_up 1\n');
    assert.equal((await reply).text, 'sluice_up 1\n');
    await closed;
  });

  test('left behind by a killed daemon, it is replaced', async (t) => {
    const socketPath = join(await privateDirectory(t), 'control.sock');
    await leaveStaleSocket(socketPath);
    assert.ok(existsSync(socketPath));
    const control = await open(socketPath);
    t.after(() => control.close());
    assert.equal((await exchange(socketPath, { path: '/v1/ping' })).status, 200);
  });

  test('a second daemon is refused and the first goes on', async (t) => {
    const socketPath = join(await privateDirectory(t), 'control.sock');
    const control = await open(socketPath);
    t.after(() => control.close());
    assert.match(await refusal(t, socketPath), /Another sluice answers on .*control\.sock\. Stop it first/);
    assert.equal((await exchange(socketPath, { path: '/v1/ping' })).status, 200);
  });

  test('is not put in the place of a socket that somebody else listens on', async (t) => {
    const socketPath = join(await privateDirectory(t), 'control.sock');
    const other = createServer((connection) => connection.destroy()).listen(socketPath);
    await once(other, 'listening');
    t.after(() => other.close());
    assert.match(await refusal(t, socketPath), /Another sluice answers/);
    assert.ok(existsSync(socketPath));
  });

  test('does not replace a file', async (t) => {
    const socketPath = join(await privateDirectory(t), 'control.sock');
    await writeFile(socketPath, 'precious');
    assert.match(await refusal(t, socketPath), /is not a socket\. Move it away/);
    assert.ok(existsSync(socketPath));
  });

  test('is not put where everybody may write', async (t) => {
    const directory = join(await privateDirectory(t), 'open');
    await mkdir(directory);
    await chmod(directory, 0o1777);
    assert.match(await refusal(t, join(directory, 'control.sock')), /everybody may write there \(mode 1777\)/);
  });

  test('a directory that cannot be made is named', async (t) => {
    const file = join(await privateDirectory(t), 'file');
    await writeFile(file, '');
    assert.match(await refusal(t, join(file, 'control.sock')), /Cannot make the directory of the control socket, .*file/);
  });

  test('an unknown group is named', async (t) => {
    const socketPath = join(await privateDirectory(t), 'control.sock');
    assert.match(await refusal(t, socketPath, 'no-such-group'), /no group "no-such-group".*groupadd/);
  });

  test('a path longer than the kernel takes is refused', async (t) => {
    const socketPath = join(await privateDirectory(t), 'x'.repeat(120));
    assert.match(await refusal(t, socketPath), /107 bytes/);
  });
});
