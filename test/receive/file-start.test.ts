import assert from 'node:assert/strict';
import { appendFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { count, logScene, numbered, write } from '../support/log-scene.ts';
import { recordedSink } from '../support/recorded-sink.ts';

const scene = logScene();

describe('a file that was never read', () => {
  const lines = Array.from({ length: 30_000 }, (_, index) => `${stamp(index)} mx app[1]: line ${index}`);

  const starts: readonly [index: number, because: string][] = [
    [0, 'all of it'],
    [1, 'all but one line'],
    [14_321, 'the middle'],
    [29_999, 'the last line'],
    [30_000, 'nothing'],
  ];
  for (const [index, because] of starts) {
    test(`is read from the first line of the time on: ${because}`, async () => {
      write(scene.log, ...lines);
      const sink = recordedSink();
      await scene.follow(sink, { startAt: { kind: 'since', sinceMs: Date.parse(stamp(index)) } }, { program: undefined });
      write(scene.log, `${stamp(40_000)} mx app[1]: end`);
      await sink.until((heard) => heard.records.at(-1)?.text === 'end');
      assert.equal(sink.texts()[0], index === 30_000 ? 'end' : `line ${index}`);
      assert.equal(sink.records.length, 30_001 - index);
    });
  }

  test('without times in it is read from its end', async () => {
    write(scene.log, ...numbered('no time', 20_000));
    const sink = recordedSink();
    await scene.follow(sink, { startAt: { kind: 'since', sinceMs: 0 } });
    write(scene.log, 'new');
    await sink.until(count(1));
    assert.deepEqual(sink.texts(), ['new']);
  });

  test('is read behind its last LF, if from its end: the half line there comes whole', async () => {
    writeFileSync(scene.log, 'old\nhalf');
    const sink = recordedSink();
    await scene.follow(sink, { startAt: { kind: 'end' } });
    appendFileSync(scene.log, ' line\n');
    await sink.until(count(1));
    assert.deepEqual(sink.texts(), ['half line']);
  });
});

function stamp(second: number): string {
  return new Date(Date.UTC(2026, 10, 22) + second * 1000).toISOString();
}
