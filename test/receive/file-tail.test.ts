import assert from 'node:assert/strict';
import { appendFileSync, chmodSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { without } from '../environment.ts';
import { count, logScene, numbered, positionOf, write } from '../support/log-scene.ts';
import { recordedSink } from '../support/recorded-sink.ts';

const scene = logScene();

describe('a file', () => {
  test('is read line by line as it is written', async () => {
    write(scene.log, 'one');
    const sink = recordedSink();
    await scene.follow(sink);
    await sink.until(count(1));
    write(scene.log, 'two', 'three');
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['one', 'two', 'three']);
    assert.deepEqual(
      sink.records.map(({ origin }) => origin.kind === 'file' && origin.offsetBytes),
      [4, 8, 14],
    );
    assert.deepEqual([sink.records[0]?.appName, sink.records[0]?.source, sink.records[0]?.trust], ['app', 'mail', 'full']);
    assert.deepEqual(sink.total(), { records: 3, bytes: 14 });
    assert.deepEqual(sink.ups, [{ up: true, detail: '' }]);
  });

  test('is catching up until its end was reached for the first time', async () => {
    write(scene.log, ...numbered('old', 20_000));
    const sink = recordedSink();
    await scene.follow(sink);
    await sink.until(count(20_000));
    write(scene.log, 'new');
    await sink.until(count(20_001));
    assert.ok(sink.records.slice(0, -1).every(({ catchingUp }) => catchingUp));
    assert.equal(sink.records.at(-1)?.catchingUp, false);
  });

  test('may be split between any two bytes: a line comes once its LF is there', async () => {
    writeFileSync(scene.log, '');
    const sink = recordedSink();
    await scene.follow(sink);
    const text = 'eins\nzwei é 😀\n\ndrei\r\n';
    const bytes = Buffer.from(text);
    for (const [index, byte] of bytes.entries()) {
      appendFileSync(scene.log, Buffer.from([byte]));
      await sink.until((heard) => heard.total().bytes >= bytes.subarray(0, index + 1).lastIndexOf('\n') + 1);
    }
    assert.deepEqual(sink.texts(), ['eins', 'zwei é 😀', 'drei']);
    assert.equal(sink.total().records, 4, 'the empty line was read, too');
    assert.deepEqual(sink.errors, []);
  });

  test('may hold any bytes', async () => {
    writeFileSync(scene.log, Buffer.from('a\x00b\xff\x1b[31m\u0085\ndone\n', 'latin1'));
    const sink = recordedSink();
    await scene.follow(sink);
    await sink.until(count(2));
    assert.deepEqual(sink.texts(), ['a\0b\ufffd\x1b[31m\ufffd', 'done']);
  });

  test('that is not there yet is read whole once it appears', async () => {
    const sink = recordedSink();
    await scene.follow(sink, { startAt: { kind: 'end' } });
    assert.deepEqual(sink.ups, [{ up: false, detail: `${scene.log} does not exist yet; it is read as soon as it appears` }]);
    write(scene.log, 'one', 'two');
    await sink.until(count(2));
    assert.deepEqual(sink.texts(), ['one', 'two']);
    assert.equal(sink.ups.at(-1)?.up, true);
  });

  test('in a directory that is not there yet is found by looking', async () => {
    const sink = recordedSink();
    const path = join(scene.home, 'sub', 'app.log');
    await scene.follow(sink, { pollMs: 20 }, { path });
    assert.equal(sink.ups[0]?.up, false);
    mkdirSync(join(scene.home, 'sub'));
    write(path, 'one');
    await sink.until(count(1));
    write(path, 'two');
    await sink.until(count(2));
    assert.deepEqual(sink.texts(), ['one', 'two']);
  });

  test('reached through a symbolic link is watched itself', async () => {
    const real = join(scene.home, 'real');
    writeFileSync(real, '');
    mkdirSync(join(scene.home, 'links'));
    const link = join(scene.home, 'links', 'mail.log');
    symlinkSync(real, link);
    const sink = recordedSink();
    await scene.follow(sink, {}, { path: link });
    write(real, 'one');
    await sink.until(count(1));
    assert.deepEqual(sink.texts(), ['one']);
  });

  test('that may not be read is said, with what mends it, and read once it may', { skip: without('root') }, async () => {
    write(scene.log, 'one');
    chmodSync(scene.log, 0o640);
    chmodSync(scene.home, 0o755);
    const sink = recordedSink();
    asNobody();
    try {
      await scene.follow(sink, { pollMs: 20 });
      assert.equal(sink.ups[0]?.up, false);
      assert.match(sink.ups[0].detail, /^the user nobody may not read .*mail\.log: usermod -aG root nobody, then start again$/);
    } finally {
      asRoot();
    }
    await sink.until(count(1));
    assert.equal(sink.ups.at(-1)?.up, true);
  });

  test('that is a directory is an error of that source alone', async () => {
    mkdirSync(scene.log);
    const sink = recordedSink();
    await scene.follow(sink);
    assert.equal(sink.ups[0]?.up, false);
    assert.match(sink.ups[0].detail, /not a regular file/);
  });

  test('says in every record where to go on', async () => {
    const lines = numbered('line', 50);
    write(scene.log, ...lines);
    const whole = recordedSink();
    const source = await scene.follow(whole);
    await whole.until(count(50));
    await source.stop();
    for (const cut of [0, 1, 24, 48, 49]) {
      const rest = recordedSink();
      const again = await scene.follow(rest, { positions: [positionOf(whole.records[cut])] });
      write(scene.log, 'next');
      await rest.until((heard) => heard.texts().includes('next'));
      await again.stop();
      truncateSync(scene.log, Buffer.byteLength(`${lines.join('\n')}\n`));
      assert.deepEqual(rest.texts(), [...lines.slice(cut + 1), 'next']);
    }
  });

  test('hands over nothing while paused, from within a record on', async () => {
    const lines = numbered('line', 1000);
    write(scene.log, ...lines);
    const sink = recordedSink((record) => {
      if (record.text === 'line 9') for (const source of scene.open) source.pause();
    });
    const source = await scene.follow(sink);
    await sink.until((heard) => heard.total().records >= 10);
    write(scene.log, 'more');
    assert.equal(sink.records.length, 10);
    source.resume();
    await sink.until(count(1001));
    assert.deepEqual(sink.texts(), [...lines, 'more']);
  });

  test('unwraps "message repeated" as it refers to the line before', async () => {
    const header = '2026-11-22T17:30:37.810392+00:00 mx sshd[7]: ';
    write(scene.log, `${header}Failed password for x from 192.0.2.4 port 5 ssh2`, `${header}message repeated 3 times: [ Failed again]`);
    const sink = recordedSink();
    await scene.follow(sink, {}, { program: undefined });
    await sink.until(count(2));
    write(scene.log, `${header}message repeated 2 times: [ and again]`);
    await sink.until(count(3));
    assert.deepEqual(
      sink.records.map(({ text, repeats }) => [text, repeats]),
      [
        ['Failed password for x from 192.0.2.4 port 5 ssh2', 1],
        ['Failed again', 3],
        ['and again', 2],
      ],
    );
  });

  test('a line without a header is counted, and told from an empty one', async () => {
    write(scene.log, 'Traceback', '', '2026-11-22T17:30:37.810392+00:00 mx sshd[7]: ok');
    const sink = recordedSink();
    await scene.follow(sink, {}, { program: undefined });
    await sink.until(count(1));
    assert.deepEqual(
      sink.errors.map(({ reason }) => reason),
      ['decode'],
    );
    assert.equal(sink.total().records, 3);
  });
});

function asNobody(): void {
  process.setgroups?.([]);
  process.setegid?.(65534);
  process.seteuid?.(65534);
}

function asRoot(): void {
  process.seteuid?.(0);
  process.setegid?.(0);
  process.setgroups?.([0]);
}
