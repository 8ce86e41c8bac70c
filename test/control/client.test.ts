import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createRawServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { createClient } from '../../src/control/client.ts';
import type { DaemonEvent } from '../../src/control/event.ts';
import type { BanList, Pong } from '../../src/control/protocol.ts';
import { NotReachableError } from '../../src/control/unreachable.ts';
import { without } from '../environment.ts';
import { privateDirectory, serve } from './running-control.ts';
import { createSampleDaemon, sampleBans } from './sample-daemon.ts';

const note = (message: string): DaemonEvent => ({ kind: 'notice', time: '2026-11-22T19:38:06.000Z', level: 'info', message });

test('the second place is asked when nobody is at the first', async (t) => {
  const { socketPath } = await serve(t, createSampleDaemon().api);
  const client = createClient([join(await privateDirectory(t), 'nobody.sock'), socketPath]);
  assert.equal((await client.get<Pong>('/v1/ping')).pid, process.pid);
});

describe('a daemon that cannot be reached', () => {
  test('nothing there: every place is named, and how to start it', async (t) => {
    const directory = await privateDirectory(t);
    assert.equal(
      await messageOf([join(directory, 'a.sock'), join(directory, 'b.sock')]),
      `The daemon does not run, or elsewhere: no answer at ${directory}/a.sock or ${directory}/b.sock.\n` +
        'Start it: systemctl start sluice, or in the foreground: sluice run. If it has another socket, name it: --socket PATH.',
    );
  });

  test('a socket without a daemon says so', async (t) => {
    const socketPath = join(await privateDirectory(t), 'stale.sock');
    const owner = spawn(process.execPath, [
      '-e',
      `require('node:net').createServer().listen(${JSON.stringify(socketPath)}, () => console.log('up'))`,
    ]);
    await once(owner.stdout, 'data');
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    assert.match(await messageOf([socketPath]), /^The daemon does not run: .*stale\.sock was left behind/);
  });

  test('a file in its place', async (t) => {
    const path = join(await privateDirectory(t), 'file');
    await writeFile(path, '');
    assert.match(await messageOf([path]), /left behind|no answer/);
  });

  test('no permission: who may, and how to become one of them', { skip: without('root') }, async (t) => {
    const directory = await privateDirectory(t);
    await chmod(directory, 0o755);
    const inner = join(directory, 'sluice');
    await mkdir(inner);
    const server = createServer().listen(join(inner, 'control.sock'));
    await once(server, 'listening');
    t.after(() => server.close());
    await chown(inner, 0, 1);
    await chmod(inner, 0o750);
    // Another user, because root is never denied; only once all is loaded, because the checkout may be closed to others.
    const script = `
      import { createClient } from ${JSON.stringify(new URL('../../src/control/client.ts', import.meta.url).href)};
      process.setgroups([]);
      process.setegid(65534);
      process.seteuid(65534);
      await createClient([${JSON.stringify(join(inner, 'control.sock'))}]).get('/v1/ping').catch((error) => console.log(error.message));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.equal(
      await readAll(child.stdout),
      `You may not use ${inner}/control.sock (permission denied).\n` +
        'Ask as root: sudo sluice ..., or as a member of the group daemon: sudo usermod -aG daemon $USER, then log in again.\n',
    );
  });
});

describe('an answer that is none', () => {
  const answers: readonly [name: string, text: string, message: RegExp][] = [
    ['nothing', '', /broke off: socket hang up/],
    ['no HTTP', 'pong\n', /broke off/],
    ['half a document', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"pid":', /answer broke off/],
    ['no JSON', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', /broke off or is not JSON/],
    [
      'an error without a reason',
      'HTTP/1.1 502 Bad\r\nContent-Length: 2\r\n\r\nno',
      /HTTP status 502 and no reason; is that socket sluice's\?/,
    ],
    ['a reason of another kind', 'HTTP/1.1 400 Bad\r\nContent-Length: 20\r\n\r\n{"error":{"code":7}}', /status 400/],
  ];
  for (const [name, text, message] of answers) {
    test(`${name}: is an error that says so`, async (t) => {
      const client = createClient([await answering(t, text)]);
      await assert.rejects(client.get('/v1/ping'), { name: 'RefusalError', code: 'failed', message });
    });
  }
});

test('a daemon that does not know a request is of another version', async (t) => {
  const { socketPath } = await serve(t, createSampleDaemon().api);
  await assert.rejects(createClient([socketPath]).get('/v1/new'), {
    code: 'unknown_path',
    message: /^nothing answers at \/v1\/new\. The daemon is of another version/,
  });
});

describe('following events', () => {
  test('gives the recent ones and then each as it happens', async (t) => {
    const { api, feed } = createSampleDaemon();
    const { socketPath } = await serve(t, api);
    for (const message of ['a', 'b', 'c']) feed.publish(note(message));
    const seen: unknown[] = [];
    for await (const line of createClient([socketPath]).lines('/v1/events?last=2&follow=1')) {
      seen.push(JSON.parse(line));
      if (seen.length === 2) feed.publish(note('d'));
      if (seen.length === 3) break;
    }
    assert.deepEqual(seen, [note('b'), note('c'), note('d')]);
  });

  test('a follower without recent events is answered at once', async (t) => {
    const { api, feed } = createSampleDaemon();
    const subscribed = Promise.withResolvers<void>();
    const events = { ...feed, subscribe: (listener: (event: DaemonEvent) => void) => (subscribed.resolve(), feed.subscribe(listener)) };
    const { socketPath } = await serve(t, { ...api, events });
    const lines = createClient([socketPath]).lines('/v1/events?follow=1')[Symbol.asyncIterator]();
    const first = lines.next();
    await subscribed.promise;
    feed.publish(note('now'));
    assert.deepEqual(JSON.parse((await first).value), note('now'));
    await lines.return?.();
  });

  test('a follower that leaves is forgotten', async (t) => {
    const { api, feed } = createSampleDaemon();
    const left = Promise.withResolvers<void>();
    const events = {
      ...feed,
      subscribe: (listener: (event: DaemonEvent) => void) => {
        const end = feed.subscribe(listener);
        return () => {
          end();
          left.resolve();
        };
      },
    };
    const { socketPath } = await serve(t, { ...api, events });
    feed.publish(note('a'));
    for await (const _ of createClient([socketPath]).lines('/v1/events?follow=1')) break;
    await left.promise;
  });

  test('one that does not read costs a bounded amount, delays nobody, and learns how much it missed', async (t) => {
    const { api, feed } = createSampleDaemon();
    const { socketPath } = await serve(t, api);
    feed.publish(note('first'));
    const lines = createClient([socketPath]).lines('/v1/events?last=1&follow=1')[Symbol.asyncIterator]();
    await lines.next();
    // More than the socket's buffers and the waiting room hold together, in one turn of the loop: nobody can read meanwhile.
    const total = 20_000;
    for (let count = 0; count < total; count++) feed.publish(note(`${count} ${'x'.repeat(400)}`));
    let arrived = 0;
    let missed = 0;
    while (arrived + missed < total) {
      const event = JSON.parse((await lines.next()).value) as DaemonEvent;
      if (event.kind === 'missed') missed += event.count;
      else arrived++;
    }
    assert.equal(arrived + missed, total);
    assert.ok(arrived < 3_000, `${arrived} events were held`);
    await lines.return?.();
  });

  test('the seventeenth follower is turned away', async (t) => {
    const { api, feed } = createSampleDaemon();
    const { socketPath } = await serve(t, api);
    feed.publish(note('first'));
    const client = createClient([socketPath]);
    const followers = Array.from({ length: 16 }, () => client.lines('/v1/events?follow=1')[Symbol.asyncIterator]());
    await Promise.all(followers.map((follower) => follower.next()));
    const oneMore = client.lines('/v1/events?follow=1')[Symbol.asyncIterator]();
    await assert.rejects(oneMore.next(), { code: 'busy', message: /16 others follow/ });
    for (const follower of followers) await follower.return?.();
  });
});

test('a list of 20,000 bans arrives whole', async (t) => {
  const { socketPath } = await serve(
    t,
    createSampleDaemon({
      bans: () =>
        Array.from({ length: 20_000 }, () => sampleBans)
          .flat()
          .slice(0, 20_000),
    }).api,
  );
  assert.equal((await createClient([socketPath]).get<BanList>('/v1/bans')).bans.length, 20_000);
});

async function readAll(stream: AsyncIterable<Buffer> | Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function messageOf(paths: readonly string[]): Promise<string> {
  const error: unknown = await createClient(paths)
    .get('/v1/ping')
    .catch((reason: unknown) => reason);
  assert.ok(error instanceof NotReachableError, String(error));
  return error.message;
}

async function answering(t: TestContext, text: string): Promise<string> {
  const socketPath = join(await privateDirectory(t), 'odd.sock');
  const server = createRawServer((connection) => void connection.once('data', () => connection.end(text)));
  server.listen(socketPath);
  await once(server, 'listening');
  t.after(() => server.close());
  return socketPath;
}
