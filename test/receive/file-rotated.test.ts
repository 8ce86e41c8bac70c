import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, renameSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { FilePosition } from '../../src/receive/open-file.ts';
import { count, logScene, numbered, positionOf, write } from '../support/log-scene.ts';
import { recordedSink } from '../support/recorded-sink.ts';

const scene = logScene();

describe('rotation', () => {
  test('by rename: the old file is read to its end, then the new one', async () => {
    const sink = recordedSink();
    write(scene.log, 'a 0');
    await scene.follow(sink);
    await sink.until(count(1));
    write(scene.log, ...numbered('b', 1000));
    renameSync(scene.log, `${scene.log}.1`);
    write(`${scene.log}.1`, ...numbered('c', 1000)); // the writer has not reopened yet
    write(scene.log, ...numbered('d', 1000));
    await sink.until(count(3001));
    assert.deepEqual(sink.texts(), ['a 0', ...numbered('b', 1000), ...numbered('c', 1000), ...numbered('d', 1000)]);
  });

  test('what is still written to the old file comes, too, with a position of its own', async () => {
    const sink = recordedSink();
    write(scene.log, 'one');
    await scene.follow(sink);
    await sink.until(count(1));
    renameSync(scene.log, `${scene.log}.1`);
    write(scene.log, 'new');
    await sink.until(count(2));
    write(`${scene.log}.1`, 'late');
    await sink.until(count(3));
    assert.deepEqual(
      sink.records.map(({ text, origin }) => [text, origin.kind === 'file' && origin.path]),
      [
        ['one', scene.log],
        ['new', scene.log],
        ['late', `${scene.log}.1`],
      ],
    );
  });

  test('a half-written last line is handed over once the next file is written', async () => {
    const sink = recordedSink();
    write(scene.log, 'one');
    await scene.follow(sink);
    await sink.until(count(1));
    appendFileSync(scene.log, 'half');
    renameSync(scene.log, `${scene.log}.1`);
    writeFileSync(scene.log, '');
    appendFileSync(`${scene.log}.1`, ' and more');
    write(scene.log, 'two');
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['one', 'half and more', 'two']);
    assert.equal(positionOf(sink.records[1]).offsetBytes, 'one\nhalf and more'.length);
  });

  test('by copytruncate loses nothing: what was not read yet stands in the copy', async () => {
    const sink = recordedSink();
    write(scene.log, 'one of the first generation');
    await scene.follow(sink);
    await sink.until(count(1));
    write(scene.log, ...numbered('b', 1000));
    copyFileSync(scene.log, `${scene.log}.1`);
    truncateSync(scene.log);
    write(scene.log, ...numbered('c', 3000));
    await sink.until(count(4001));
    assert.deepEqual(sink.texts(), ['one of the first generation', ...numbered('b', 1000), ...numbered('c', 3000)]);
  });

  test('by truncation alone: the file is read from its beginning, also if it is longer by then', async () => {
    const sink = recordedSink();
    write(scene.log, 'one', 'two');
    await scene.follow(sink);
    await sink.until(count(2));
    writeFileSync(scene.log, 'three\nfour\nfive\n');
    await sink.until(count(5));
    writeFileSync(scene.log, 'x\n');
    await sink.until(count(6));
    assert.deepEqual(sink.texts(), ['one', 'two', 'three', 'four', 'five', 'x']);
  });

  test('by deletion and creation', async () => {
    const sink = recordedSink();
    write(scene.log, 'one');
    await scene.follow(sink);
    await sink.until(count(1));
    write(scene.log, 'two');
    unlinkSync(scene.log);
    write(scene.log, 'three');
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['one', 'two', 'three']);
  });

  test('so fast that a file had the name for a moment only: it is found under its later name', async () => {
    const sink = recordedSink();
    write(scene.log, 'one');
    await scene.follow(sink);
    await sink.until(count(1));
    // In one go, so that nobody can look in between.
    renameSync(scene.log, `${scene.log}.1`);
    for (const lines of [numbered('two', 100), numbered('three', 100)]) {
      write(scene.log, ...lines);
      renameSync(`${scene.log}.1`, `${scene.log}.${lines[0]}`);
      renameSync(scene.log, `${scene.log}.1`);
    }
    renameSync(`${scene.log}.1`, `${scene.log}.2`);
    renameSync(`${scene.log}.three 0`, `${scene.log}.3`);
    renameSync(`${scene.log}.two 0`, `${scene.log}.4`);
    write(scene.log, 'four');
    await sink.until(count(202));
    assert.deepEqual(sink.texts(), ['one', ...numbered('two', 100), ...numbered('three', 100), 'four']);
  });

  test('many times, while somebody writes: every line once, in order', async () => {
    const sink = recordedSink();
    write(scene.log, 'start');
    await scene.follow(sink);
    await sink.until(count(1));
    const expected = ['start'];
    for (let round = 0; round < 60; round++) {
      const lines = numbered(`round ${round} line`, 200);
      const half = Math.floor(lines.length / 2);
      write(scene.log, ...lines.slice(0, half));
      if (round % 3 === 0) {
        renameSync(scene.log, `${scene.log}.1`);
      } else if (round % 3 === 1) {
        copyFileSync(scene.log, `${scene.log}.1`);
        truncateSync(scene.log);
      } else {
        unlinkSync(scene.log);
      }
      write(scene.log, ...lines.slice(half));
      expected.push(...lines);
      await sink.until((heard) => heard.records.length > expected.length - half); // the new file is known
    }
    await sink.until(count(expected.length));
    assert.deepEqual(sink.texts(), expected);
    assert.deepEqual([...sink.errors, ...sink.losses], []);
  });
});

/** Reads so many lines, and stops. */
async function readOnce(lines: number): Promise<FilePosition> {
  const sink = recordedSink();
  const source = await scene.follow(sink);
  await sink.until(count(lines));
  await source.stop();
  return positionOf(sink.records[lines - 1]);
}
describe('after a restart', () => {
  test('a file that was renamed meanwhile is finished, with those rotated after it', async () => {
    write(scene.log, 'one', 'two');
    const position = await readOnce(2);
    write(scene.log, 'three');
    renameSync(scene.log, `${scene.log}.2`);
    write(`${scene.log}.1`, 'four');
    write(scene.log, 'five');
    write(join(scene.home, 'mail.logfile'), 'not ours');
    const sink = recordedSink();
    await scene.follow(sink, { positions: [position], startAt: { kind: 'end' } });
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['three', 'four', 'five']);
    assert.deepEqual(sink.losses, []);
  });

  test('a file that was copied and truncated meanwhile is finished in the copy', async () => {
    write(scene.log, 'one', 'two');
    const position = await readOnce(2);
    write(scene.log, 'three');
    copyFileSync(scene.log, `${scene.log}.1`);
    truncateSync(scene.log);
    write(scene.log, 'four', 'five', 'six');
    const sink = recordedSink();
    await scene.follow(sink, { positions: [position] });
    await sink.until(count(4));
    assert.deepEqual(sink.texts(), ['three', 'four', 'five', 'six']);
    assert.deepEqual(sink.losses, []);
  });

  test('a file whose old part is gone is a gap, and the new one is read whole', async () => {
    write(scene.log, 'one', 'two');
    const position = await readOnce(2);
    unlinkSync(scene.log);
    writeFileSync(`${scene.log}.1.gz`, 'compressed');
    write(scene.log, 'three of another file', 'four');
    const sink = recordedSink();
    await scene.follow(sink, { positions: [position] });
    await sink.until(count(2));
    assert.deepEqual(sink.texts(), ['three of another file', 'four']);
    assert.deepEqual(
      sink.losses.map(({ reason, count: lost }) => [reason, lost]),
      [['cursor_gap', 1]],
    );
  });

  test('an inode number that is used again is not the same file', async () => {
    write(scene.log, 'one', 'two');
    const position = await readOnce(2);
    writeFileSync(scene.log, 'other\nfile\nhere\n'); // the same inode, longer than the offset
    const sink = recordedSink();
    await scene.follow(sink, { positions: [position] });
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['other', 'file', 'here']);
  });

  test('late lines in a rotated file do not make the new one be read twice', async () => {
    const first = recordedSink();
    write(scene.log, 'one');
    const source = await scene.follow(first);
    await first.until(count(1));
    renameSync(scene.log, `${scene.log}.1`);
    write(scene.log, 'two');
    await first.until(count(2));
    write(`${scene.log}.1`, 'late');
    await first.until(count(3));
    await source.stop();
    // As the store keeps them: the last of each path.
    const positions = [...new Map(first.records.map((record) => [positionOf(record).path, positionOf(record)])).values()];
    const second = recordedSink();
    await scene.follow(second, { positions });
    write(scene.log, 'three');
    await second.until(count(1));
    assert.deepEqual(second.texts(), ['three']);
    assert.deepEqual(second.losses, []);
  });
});
