import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type FileDeps, openFiles } from '../../src/receive/file-tail.ts';
import type { FilePosition } from '../../src/receive/open-file.ts';
import { parseFileLine } from '../../src/parse/file-line.ts';
import type { LogRecord } from '../../src/model/record.ts';
import type { FileSettings, Source } from '../../src/model/source.ts';
import { without } from '../environment.ts';
import { type RecordedSink, recordedSink } from '../support/recorded-sink.ts';

let home: string;
let log: string;
const open: Source[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'slu-file-'));
  log = join(home, 'mail.log');
});
afterEach(async () => {
  for (const source of open.splice(0)) await source.stop();
  rmSync(home, { recursive: true });
});

/** Never looks by itself, so that what a test sees came through inotify. */
const noPoll = 3_600_000;

async function follow(sink: RecordedSink, deps: Partial<FileDeps> = {}, settings: Partial<FileSettings> = {}): Promise<Source> {
  const source = await openFiles(
    { kind: 'file', name: 'mail', path: log, timezone: 'UTC', program: 'app', silenceMs: 0, ...settings },
    sink,
    {
      nowMs: Date.now,
      parse: parseFileLine,
      positions: [],
      startAt: { kind: 'start' },
      pollMs: noPoll,
      ...deps,
    },
  );
  open.push(source);
  return source;
}

function positionOf(record: LogRecord | undefined): FilePosition {
  assert.equal(record?.origin.kind, 'file');
  return record.origin;
}

function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name} ${index}`);
}

function write(path: string, ...lines: readonly string[]): void {
  appendFileSync(path, lines.map((line) => `${line}\n`).join(''));
}

function stamp(second: number): string {
  return new Date(Date.UTC(2026, 10, 22) + second * 1000).toISOString();
}

function count(wanted: number): (sink: RecordedSink) => boolean {
  return (sink) => sink.records.length >= wanted;
}

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

describe('a file', () => {
  test('is read line by line as it is written', async () => {
    write(log, 'one');
    const sink = recordedSink();
    await follow(sink);
    await sink.until(count(1));
    write(log, 'two', 'three');
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
    write(log, ...numbered('old', 20_000));
    const sink = recordedSink();
    await follow(sink);
    await sink.until(count(20_000));
    write(log, 'new');
    await sink.until(count(20_001));
    assert.ok(sink.records.slice(0, -1).every(({ catchingUp }) => catchingUp));
    assert.equal(sink.records.at(-1)?.catchingUp, false);
  });

  test('may be split between any two bytes: a line comes once its LF is there', async () => {
    writeFileSync(log, '');
    const sink = recordedSink();
    await follow(sink);
    const text = 'eins\nzwei é 😀\n\ndrei\r\n';
    const bytes = Buffer.from(text);
    for (const [index, byte] of bytes.entries()) {
      appendFileSync(log, Buffer.from([byte]));
      await sink.until((heard) => heard.total().bytes >= bytes.subarray(0, index + 1).lastIndexOf('\n') + 1);
    }
    assert.deepEqual(sink.texts(), ['eins', 'zwei é 😀', 'drei']);
    assert.equal(sink.total().records, 4, 'the empty line was read, too');
    assert.deepEqual(sink.errors, []);
  });

  test('may hold any bytes', async () => {
    writeFileSync(log, Buffer.from('a\x00b\xff\x1b[31m\u0085\ndone\n', 'latin1'));
    const sink = recordedSink();
    await follow(sink);
    await sink.until(count(2));
    assert.deepEqual(sink.texts(), ['a\0b\ufffd\x1b[31m\ufffd', 'done']);
  });

  test('that is not there yet is read whole once it appears', async () => {
    const sink = recordedSink();
    await follow(sink, { startAt: { kind: 'end' } });
    assert.deepEqual(sink.ups, [{ up: false, detail: `${log} does not exist yet; it is read as soon as it appears` }]);
    write(log, 'one', 'two');
    await sink.until(count(2));
    assert.deepEqual(sink.texts(), ['one', 'two']);
    assert.equal(sink.ups.at(-1)?.up, true);
  });

  test('in a directory that is not there yet is found by looking', async () => {
    const sink = recordedSink();
    const path = join(home, 'sub', 'app.log');
    await follow(sink, { pollMs: 20 }, { path });
    assert.equal(sink.ups[0]?.up, false);
    mkdirSync(join(home, 'sub'));
    write(path, 'one');
    await sink.until(count(1));
    write(path, 'two');
    await sink.until(count(2));
    assert.deepEqual(sink.texts(), ['one', 'two']);
  });

  test('reached through a symbolic link is watched itself', async () => {
    const real = join(home, 'real');
    writeFileSync(real, '');
    mkdirSync(join(home, 'links'));
    const link = join(home, 'links', 'mail.log');
    symlinkSync(real, link);
    const sink = recordedSink();
    await follow(sink, {}, { path: link });
    write(real, 'one');
    await sink.until(count(1));
    assert.deepEqual(sink.texts(), ['one']);
  });

  test('that may not be read is said, with what mends it, and read once it may', { skip: without('root') }, async () => {
    write(log, 'one');
    chmodSync(log, 0o640);
    chmodSync(home, 0o755);
    const sink = recordedSink();
    asNobody();
    try {
      await follow(sink, { pollMs: 20 });
      assert.equal(sink.ups[0]?.up, false);
      assert.match(sink.ups[0].detail, /^the user nobody may not read .*mail\.log: usermod -aG root nobody, then start again$/);
    } finally {
      asRoot();
    }
    await sink.until(count(1));
    assert.equal(sink.ups.at(-1)?.up, true);
  });

  test('that is a directory is an error of that source alone', async () => {
    mkdirSync(log);
    const sink = recordedSink();
    await follow(sink);
    assert.equal(sink.ups[0]?.up, false);
    assert.match(sink.ups[0].detail, /not a regular file/);
  });

  test('says in every record where to go on', async () => {
    const lines = numbered('line', 50);
    write(log, ...lines);
    const whole = recordedSink();
    const source = await follow(whole);
    await whole.until(count(50));
    await source.stop();
    for (const cut of [0, 1, 24, 48, 49]) {
      const rest = recordedSink();
      const again = await follow(rest, { positions: [positionOf(whole.records[cut])] });
      write(log, 'next');
      await rest.until((heard) => heard.texts().includes('next'));
      await again.stop();
      truncateSync(log, Buffer.byteLength(`${lines.join('\n')}\n`));
      assert.deepEqual(rest.texts(), [...lines.slice(cut + 1), 'next']);
    }
  });

  test('hands over nothing while paused, from within a record on', async () => {
    const lines = numbered('line', 1000);
    write(log, ...lines);
    const sink = recordedSink((record) => {
      if (record.text === 'line 9') for (const source of open) source.pause();
    });
    const source = await follow(sink);
    await sink.until((heard) => heard.total().records >= 10);
    write(log, 'more');
    assert.equal(sink.records.length, 10);
    source.resume();
    await sink.until(count(1001));
    assert.deepEqual(sink.texts(), [...lines, 'more']);
  });

  test('unwraps "message repeated" as it refers to the line before', async () => {
    const header = '2026-11-22T17:30:37.810392+00:00 mx sshd[7]: ';
    write(log, `${header}Failed password for x from 192.0.2.4 port 5 ssh2`, `${header}message repeated 3 times: [ Failed again]`);
    const sink = recordedSink();
    await follow(sink, {}, { program: undefined });
    await sink.until(count(2));
    write(log, `${header}message repeated 2 times: [ and again]`);
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
    write(log, 'Traceback', '', '2026-11-22T17:30:37.810392+00:00 mx sshd[7]: ok');
    const sink = recordedSink();
    await follow(sink, {}, { program: undefined });
    await sink.until(count(1));
    assert.deepEqual(
      sink.errors.map(({ reason }) => reason),
      ['decode'],
    );
    assert.equal(sink.total().records, 3);
  });
});

describe('a line that is too long', () => {
  const limit = 64 * 1024;
  for (const length of [limit, limit + 1, 3 * limit, 1_000_000]) {
    test(`of ${length} bytes is ${length > limit ? 'cut and counted' : 'whole'}, and the next one comes whole`, async () => {
      const long = 'x'.repeat(length);
      writeFileSync(log, `before\n${long}`);
      const sink = recordedSink();
      await follow(sink);
      await sink.until(count(1));
      appendFileSync(log, 'tail\nafter\n');
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
    write(log, 'one');
    await follow(sink);
    await sink.until(count(1));
    writeFileSync(log, Buffer.concat([Buffer.alloc(700_000), Buffer.from('two\nthree\n')]));
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['one', 'two', 'three']);
    assert.deepEqual(sink.errors, []);
  });
});

describe('rotation', () => {
  test('by rename: the old file is read to its end, then the new one', async () => {
    const sink = recordedSink();
    write(log, 'a 0');
    await follow(sink);
    await sink.until(count(1));
    write(log, ...numbered('b', 1000));
    renameSync(log, `${log}.1`);
    write(`${log}.1`, ...numbered('c', 1000)); // the writer has not reopened yet
    write(log, ...numbered('d', 1000));
    await sink.until(count(3001));
    assert.deepEqual(sink.texts(), ['a 0', ...numbered('b', 1000), ...numbered('c', 1000), ...numbered('d', 1000)]);
  });

  test('what is still written to the old file comes, too, with a position of its own', async () => {
    const sink = recordedSink();
    write(log, 'one');
    await follow(sink);
    await sink.until(count(1));
    renameSync(log, `${log}.1`);
    write(log, 'new');
    await sink.until(count(2));
    write(`${log}.1`, 'late');
    await sink.until(count(3));
    assert.deepEqual(
      sink.records.map(({ text, origin }) => [text, origin.kind === 'file' && origin.path]),
      [
        ['one', log],
        ['new', log],
        ['late', `${log}.1`],
      ],
    );
  });

  test('a half-written last line is handed over once the next file is written', async () => {
    const sink = recordedSink();
    write(log, 'one');
    await follow(sink);
    await sink.until(count(1));
    appendFileSync(log, 'half');
    renameSync(log, `${log}.1`);
    writeFileSync(log, '');
    appendFileSync(`${log}.1`, ' and more');
    write(log, 'two');
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['one', 'half and more', 'two']);
    assert.equal(positionOf(sink.records[1]).offsetBytes, 'one\nhalf and more'.length);
  });

  test('by copytruncate loses nothing: what was not read yet stands in the copy', async () => {
    const sink = recordedSink();
    write(log, 'one of the first generation');
    await follow(sink);
    await sink.until(count(1));
    write(log, ...numbered('b', 1000));
    copyFileSync(log, `${log}.1`);
    truncateSync(log);
    write(log, ...numbered('c', 3000));
    await sink.until(count(4001));
    assert.deepEqual(sink.texts(), ['one of the first generation', ...numbered('b', 1000), ...numbered('c', 3000)]);
  });

  test('by truncation alone: the file is read from its beginning, also if it is longer by then', async () => {
    const sink = recordedSink();
    write(log, 'one', 'two');
    await follow(sink);
    await sink.until(count(2));
    writeFileSync(log, 'three\nfour\nfive\n');
    await sink.until(count(5));
    writeFileSync(log, 'x\n');
    await sink.until(count(6));
    assert.deepEqual(sink.texts(), ['one', 'two', 'three', 'four', 'five', 'x']);
  });

  test('by deletion and creation', async () => {
    const sink = recordedSink();
    write(log, 'one');
    await follow(sink);
    await sink.until(count(1));
    write(log, 'two');
    unlinkSync(log);
    write(log, 'three');
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['one', 'two', 'three']);
  });

  test('many times, while somebody writes: every line once, in order', async () => {
    const sink = recordedSink();
    write(log, 'start');
    await follow(sink);
    await sink.until(count(1));
    const expected = ['start'];
    for (let round = 0; round < 60; round++) {
      const lines = numbered(`round ${round} line`, 200);
      const half = Math.floor(lines.length / 2);
      write(log, ...lines.slice(0, half));
      if (round % 3 === 0) {
        renameSync(log, `${log}.1`);
      } else if (round % 3 === 1) {
        copyFileSync(log, `${log}.1`);
        truncateSync(log);
      } else {
        unlinkSync(log);
      }
      write(log, ...lines.slice(half));
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
  const source = await follow(sink);
  await sink.until(count(lines));
  await source.stop();
  return positionOf(sink.records[lines - 1]);
}

describe('after a restart', () => {
  test('a file that was renamed meanwhile is finished, with those rotated after it', async () => {
    write(log, 'one', 'two');
    const position = await readOnce(2);
    write(log, 'three');
    renameSync(log, `${log}.2`);
    write(`${log}.1`, 'four');
    write(log, 'five');
    write(join(home, 'mail.logfile'), 'not ours');
    const sink = recordedSink();
    await follow(sink, { positions: [position], startAt: { kind: 'end' } });
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['three', 'four', 'five']);
    assert.deepEqual(sink.losses, []);
  });

  test('a file that was copied and truncated meanwhile is finished in the copy', async () => {
    write(log, 'one', 'two');
    const position = await readOnce(2);
    write(log, 'three');
    copyFileSync(log, `${log}.1`);
    truncateSync(log);
    write(log, 'four', 'five', 'six');
    const sink = recordedSink();
    await follow(sink, { positions: [position] });
    await sink.until(count(4));
    assert.deepEqual(sink.texts(), ['three', 'four', 'five', 'six']);
    assert.deepEqual(sink.losses, []);
  });

  test('a file whose old part is gone is a gap, and the new one is read whole', async () => {
    write(log, 'one', 'two');
    const position = await readOnce(2);
    unlinkSync(log);
    writeFileSync(`${log}.1.gz`, 'compressed');
    write(log, 'three of another file', 'four');
    const sink = recordedSink();
    await follow(sink, { positions: [position] });
    await sink.until(count(2));
    assert.deepEqual(sink.texts(), ['three of another file', 'four']);
    assert.deepEqual(
      sink.losses.map(({ reason, count: lost }) => [reason, lost]),
      [['cursor_gap', 1]],
    );
  });

  test('an inode number that is used again is not the same file', async () => {
    write(log, 'one', 'two');
    const position = await readOnce(2);
    writeFileSync(log, 'other\nfile\nhere\n'); // the same inode, longer than the offset
    const sink = recordedSink();
    await follow(sink, { positions: [position] });
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['other', 'file', 'here']);
  });

  test('late lines in a rotated file do not make the new one be read twice', async () => {
    const first = recordedSink();
    write(log, 'one');
    const source = await follow(first);
    await first.until(count(1));
    renameSync(log, `${log}.1`);
    write(log, 'two');
    await first.until(count(2));
    write(`${log}.1`, 'late');
    await first.until(count(3));
    await source.stop();
    // As the store keeps them: the last of each path.
    const positions = [...new Map(first.records.map((record) => [positionOf(record).path, positionOf(record)])).values()];
    const second = recordedSink();
    await follow(second, { positions });
    write(log, 'three');
    await second.until(count(1));
    assert.deepEqual(second.texts(), ['three']);
    assert.deepEqual(second.losses, []);
  });
});

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
      write(log, ...lines);
      const sink = recordedSink();
      await follow(sink, { startAt: { kind: 'since', sinceMs: Date.parse(stamp(index)) } }, { program: undefined });
      write(log, `${stamp(40_000)} mx app[1]: end`);
      await sink.until((heard) => heard.records.at(-1)?.text === 'end');
      assert.equal(sink.texts()[0], index === 30_000 ? 'end' : `line ${index}`);
      assert.equal(sink.records.length, 30_001 - index);
    });
  }

  test('without times in it is read from its end', async () => {
    write(log, ...numbered('no time', 20_000));
    const sink = recordedSink();
    await follow(sink, { startAt: { kind: 'since', sinceMs: 0 } });
    write(log, 'new');
    await sink.until(count(1));
    assert.deepEqual(sink.texts(), ['new']);
  });

  test('is read behind its last LF, if from its end: the half line there comes whole', async () => {
    writeFileSync(log, 'old\nhalf');
    const sink = recordedSink();
    await follow(sink, { startAt: { kind: 'end' } });
    appendFileSync(log, ' line\n');
    await sink.until(count(1));
    assert.deepEqual(sink.texts(), ['half line']);
  });
});

describe('a pattern', () => {
  test('stands for the files there are, and for those that appear', async () => {
    const sink = recordedSink();
    await follow(sink, {}, { path: join(home, '*.log') });
    assert.match(sink.ups[0]?.detail ?? '', /no file fits .*\*\.log yet/);
    write(join(home, 'a.log'), 'a');
    await sink.until(count(1));
    write(join(home, 'b.log'), 'b');
    write(join(home, 'c.txt'), 'c');
    await sink.until(count(2));
    write(join(home, 'a.log'), 'a again');
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['a', 'b', 'a again']);
    assert.equal(sink.ups.at(-1)?.up, true);
  });

  test('does not read again what was rotated away under it', async () => {
    const sink = recordedSink();
    write(log, 'one');
    write(`${log}.2.gz`, 'never');
    await follow(sink, {}, { path: join(home, 'mail.log*') });
    await sink.until(count(1));
    renameSync(log, `${log}.1`);
    write(log, 'two');
    await sink.until(count(2));
    write(log, 'three');
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['one', 'two', 'three']);
  });

  test('a file that is renamed within it is read on, not again', async () => {
    const sink = recordedSink();
    write(join(home, 'a.log'), 'one');
    await follow(sink, {}, { path: join(home, '*.log') });
    await sink.until(count(1));
    renameSync(join(home, 'a.log'), join(home, 'b.log'));
    write(join(home, 'b.log'), 'two');
    await sink.until(count(2));
    write(join(home, 'a.log'), 'three');
    await sink.until(count(3));
    assert.deepEqual(sink.texts(), ['one', 'two', 'three']);
  });
});
