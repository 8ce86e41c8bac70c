import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type Channel, openChannel } from '../../src/receive/journal-channel.ts';

describe('the channel that journalctl writes to', () => {
  const open: Channel[] = [];
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'slu-channel-'));
  });
  afterEach(() => {
    for (const { written, read } of open.splice(0)) for (const socket of [written, read]) socket.destroy();
    rmSync(directory, { recursive: true });
  });

  async function channel(take: (bytes: Buffer) => boolean, places = [directory]): Promise<Channel> {
    const opened = await openChannel(take, places);
    open.push(opened);
    return opened;
  }

  test('gives all that came together while nobody looked in one read', async () => {
    const reads: string[] = [];
    const { promise: heard, resolve } = Promise.withResolvers<void>();
    const { written, read } = await channel((bytes) => {
      reads.push(bytes.toString());
      if (reads.length === 2) resolve();
      return false;
    });
    await write(written, 'alone');
    while (reads.length === 0) await new Promise(setImmediate);
    for (let i = 0; i < 10; i += 1) await write(written, `${i};`);
    assert.deepEqual(reads, ['alone']);
    read.resume();
    await heard;
    assert.deepEqual(reads, ['alone', '0;1;2;3;4;5;6;7;8;9;']);
  });

  test('ends when the writer has, after everything was read', async () => {
    let text = '';
    const { written, read } = await channel((bytes) => {
      text += bytes.toString();
      return true;
    });
    written.end('x'.repeat(1_000_000));
    await once(read, 'close');
    assert.equal(text.length, 1_000_000);
  });

  test('leaves no name behind that anybody could connect to', async () => {
    await channel(() => true);
    assert.deepEqual(readdirSync(directory), []);
  });

  test('is made where it can be', async () => {
    const missing = join(directory, 'missing');
    const long = join(directory, 'x'.repeat(100));
    mkdirSync(long);
    await channel(() => true, [missing, long, directory]);
    const nowhere = openChannel(() => true, [long, missing]);
    await assert.rejects(nowhere, /ENOENT/);
    assert.deepEqual(readdirSync(long), []);
  });
});

async function write(socket: Channel['written'], text: string): Promise<void> {
  await new Promise<void>((resolve) => socket.write(text, () => resolve()));
}
