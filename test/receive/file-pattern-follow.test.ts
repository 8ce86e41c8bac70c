import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { count, logScene, write } from '../support/log-scene.ts';
import { recordedSink } from '../support/recorded-sink.ts';

const scene = logScene();

describe('a pattern', () => {
  test('stands for the files there are, and for those that appear', async () => {
    const sink = recordedSink();
    await scene.follow(sink, {}, { path: join(scene.home, '*.log') });
    assert.match(sink.ups[0]?.detail ?? '', /no file fits .*\*\.log yet/);
    write(join(scene.home, 'a.log'), 'a');
    await sink.until(count(1));
    write(join(scene.home, 'b.log'), 'b');
    write(join(scene.home, 'c.txt'), 'c');
    await sink.until(count(2));
    write(join(scene.home, 'a.log'), 'a again');
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['a', 'b', 'a again']);
    assert.equal(sink.ups.at(-1)?.up, true);
  });

  test('does not read again what was rotated away under it', async () => {
    const sink = recordedSink();
    write(scene.log, 'one');
    write(`${scene.log}.2.gz`, 'never');
    await scene.follow(sink, {}, { path: join(scene.home, 'mail.log*') });
    await sink.until(count(1));
    renameSync(scene.log, `${scene.log}.1`);
    write(scene.log, 'two');
    await sink.until(count(2));
    write(scene.log, 'three');
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['one', 'two', 'three']);
  });

  test('a file that is renamed within it is read on, not again', async () => {
    const sink = recordedSink();
    write(join(scene.home, 'a.log'), 'one');
    await scene.follow(sink, {}, { path: join(scene.home, '*.log') });
    await sink.until(count(1));
    renameSync(join(scene.home, 'a.log'), join(scene.home, 'b.log'));
    write(join(scene.home, 'b.log'), 'two');
    await sink.until(count(2));
    write(join(scene.home, 'a.log'), 'three');
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['one', 'two', 'three']);
  });
});
