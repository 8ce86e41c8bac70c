import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { count, logScene, positionOf, write } from '../support/log-scene.ts';
import { recordedSink } from '../support/recorded-sink.ts';

const scene = logScene();

describe('a line that is too long', () => {
  const limit = 64 * 1024;
  for (const length of [limit, limit + 1, 3 * limit, 1_000_000]) {
    test(`of ${length} bytes is ${length > limit ? 'cut and counted' : 'whole'}, and the next one comes whole`, async () => {
      const long = 'x'.repeat(length);
      writeFileSync(scene.log, `before\n${long}`);
      const sink = recordedSink();
      await scene.follow(sink);
      await sink.until(count(1));
      appendFileSync(scene.log, 'tail\nafter\n');
      await sink.until(count(3));
      assert.deepEqual(sink.texts(), ['before', `${long}tail`.slice(0, limit), 'after']);
      assert.deepEqual(
        sink.errors.map(({ reason }) => reason),
        ['oversize'],
      );
      assert.equal(positionOf(sink.records[1]).offsetBytes, 7 + length + 5);
      assert.deepEqual(sink.total(), { records: 3, bytes: 7 + length + 5 + 6 });
    });
  }

  test('NULs that a writer left behind copytruncate are no line', async () => {
    const sink = recordedSink();
    write(scene.log, 'one');
    await scene.follow(sink);
    await sink.until(count(1));
    writeFileSync(scene.log, Buffer.concat([Buffer.alloc(700_000), Buffer.from('two\nthree\n')]));
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['one', 'two', 'three']);
    assert.deepEqual(sink.errors, []);
  });
});
