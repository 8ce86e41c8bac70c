import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import { parseFileLine } from '../../src/parse/file-line.ts';
import type { LogRecord } from '../../src/model/record.ts';
import type { FileSettings, Source } from '../../src/model/source.ts';
import type { FileDeps } from '../../src/receive/file-deps.ts';
import { openFiles } from '../../src/receive/file-tail.ts';
import type { FilePosition } from '../../src/receive/open-file.ts';
import type { RecordedSink } from './recorded-sink.ts';

/** Never looks by itself, so that what a test sees came through inotify. */
const noPoll = 3_600_000;

/** A directory of its own for each test of a file, with a log in it that may be followed; what was opened is closed at the end of the test. */
export interface LogScene {
  readonly home: string;
  /** `mail.log` in it; it does not exist yet. */
  readonly log: string;
  readonly open: readonly Source[];
  readonly follow: (sink: RecordedSink, deps?: Partial<FileDeps>, settings?: Partial<FileSettings>) => Promise<Source>;
}

/** To be called once, at the top of a test file: the same object stands for each test's own directory. */
export function logScene(): LogScene {
  let home = '';
  const open: Source[] = [];
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'slu-file-'));
  });
  afterEach(async () => {
    for (const source of open.splice(0)) await source.stop();
    rmSync(home, { recursive: true });
  });
  const scene: LogScene = {
    get home() {
      return home;
    },
    get log() {
      return join(home, 'mail.log');
    },
    open,
    follow: async (sink, deps = {}, settings = {}) => {
      const source = await openFiles(
        { kind: 'file', name: 'mail', path: scene.log, timezone: 'UTC', program: 'app', silenceMs: 0, ...settings },
        sink,
        { nowMs: Date.now, parse: parseFileLine, positions: [], startAt: { kind: 'start' }, pollMs: noPoll, ...deps },
      );
      open.push(source);
      return source;
    },
  };
  return scene;
}

export function positionOf(record: LogRecord | undefined): FilePosition {
  assert.equal(record?.origin.kind, 'file');
  return record.origin;
}

export function numbered(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name} ${index}`);
}

export function write(path: string, ...lines: readonly string[]): void {
  appendFileSync(path, lines.map((line) => `${line}\n`).join(''));
}

/** For RecordedSink.until. */
export function count(wanted: number): (sink: RecordedSink) => boolean {
  return (sink) => sink.records.length >= wanted;
}
