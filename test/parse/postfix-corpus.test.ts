import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createFramer } from '../../src/frame/framer.ts';
import type { Message, Parsed } from '../../src/model/record.ts';
import { parseFileLine } from '../../src/parse/file-line.ts';
import { parseSyslog } from '../../src/parse/syslog.ts';
import { corpusFolder, withoutCorpus } from '../support/corpus.ts';

/** The day the corpus was captured, in the evening; that machine ran in UTC. */
const clock = { nowMs: Date.UTC(2026, 10, 22, 20), timezone: 'UTC' };
const skip = withoutCorpus('postfix-real');

interface JournalEntry {
  readonly MESSAGE: string | readonly number[];
  readonly SYSLOG_IDENTIFIER: string;
  readonly SYSLOG_PID?: string;
  readonly SYSLOG_FACILITY: string;
  readonly PRIORITY: string;
  readonly _SOURCE_REALTIME_TIMESTAMP: string;
}

/** Forms that carry the same messages, how each is read, and what each has lost on its way. */
const forms: readonly {
  readonly file: string;
  readonly read: (bytes: Buffer) => Parsed[];
  readonly fraction: boolean;
  readonly rfc5424: boolean;
}[] = [
  { file: 'mail-traditional.log', read: fileLines, fraction: false, rfc5424: false },
  { file: 'mail-fileformat.log', read: fileLines, fraction: true, rfc5424: false },
  { file: 'udp-traditional.dgrams', read: datagrams, fraction: false, rfc5424: false },
  { file: 'udp-forward.dgrams', read: datagrams, fraction: true, rfc5424: false },
  { file: 'tcp-traditional-lf.bin', read: stream, fraction: false, rfc5424: false },
  { file: 'tcp-traditional-octet.bin', read: stream, fraction: false, rfc5424: false },
  { file: 'tcp-forward-lf.bin', read: stream, fraction: true, rfc5424: false },
  { file: 'tcp-forward-octet.bin', read: stream, fraction: true, rfc5424: false },
  { file: 'tcp-5424-lf.bin', read: stream, fraction: true, rfc5424: true },
  { file: 'tcp-5424-octet.bin', read: stream, fraction: true, rfc5424: true },
];

describe('1128 real Postfix messages, sent in every form, come out the same', { skip }, () => {
  const journal = skip === false ? readJournal() : [];

  for (const { file, read, fraction, rfc5424 } of forms) {
    test(file, () => {
      const messages = read(readFileSync(join(corpusFolder('postfix-real') ?? '', file))).map(messageOf);
      assert.equal(messages.length, 1_128);
      for (const [i, message] of messages.entries()) {
        const entry = journal[i];
        assert.ok(entry !== undefined);
        const where = `message ${i + 1}`;
        assert.equal(message.text, entry.text, where);
        assert.equal(message.hostname, 'mx1', where);
        assert.equal(message.appName, rfc5424 ? entry.program.split('/')[0] : entry.program, where);
        assert.equal(message.procId, entry.pid, where);
        assert.equal(message.stamp?.fraction, fraction, where);
        assert.equal(message.stamp?.zoned, fraction, where);
        assertSameTime(message, entry.sentMs, where);
        if (file.startsWith('mail-')) continue; // files name neither facility nor severity
        assert.deepEqual([message.facility, message.severity], [entry.facility, entry.severity], where);
      }
    });
  }

  test('mail-postlogd.log: another run, written by Postfix itself', () => {
    const messages = fileLines(readFileSync(join(corpusFolder('postfix-real') ?? '', 'mail-postlogd.log'))).map(messageOf);
    assert.ok(messages.length > 1_000);
    for (const { appName, procId, hostname, stamp, text } of messages) {
      assert.match(appName ?? '', /^postfix[a-z-]*\/[a-z-]+(?:\/[a-z]+)?$/);
      assert.match(procId ?? '', /^\d+$/);
      assert.equal(hostname, 'mx1');
      assert.ok(stamp !== undefined && Math.abs(stamp.ms - clock.nowMs) < 24 * 3_600_000);
      assert.doesNotMatch(text, /^\s/);
    }
  });
});

/** A time in whole seconds is that second; one with microseconds is what rsyslog read, at most a second after the sender. */
function assertSameTime({ stamp }: Message, sentMs: number, where: string): void {
  assert.ok(stamp !== undefined, where);
  const late = stamp.ms - (stamp.fraction ? sentMs : Math.floor(sentMs / 1_000) * 1_000);
  assert.ok(late >= -5 && late <= 1_000, `${where}: ${late} ms`);
}

function readJournal(): { text: string; program: string; pid: string | undefined; facility: number; severity: number; sentMs: number }[] {
  const lines = readFileSync(join(corpusFolder('postfix-real') ?? '', 'journal.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  return lines.map((line) => {
    const entry: JournalEntry = JSON.parse(line);
    return {
      text: typeof entry.MESSAGE === 'string' ? entry.MESSAGE : Buffer.from(entry.MESSAGE).toString('utf8'),
      program: entry.SYSLOG_IDENTIFIER,
      pid: entry.SYSLOG_PID,
      facility: Number(entry.SYSLOG_FACILITY),
      severity: Number(entry.PRIORITY),
      sentMs: Number(entry['_SOURCE_REALTIME_TIMESTAMP']) / 1_000,
    };
  });
}

function messageOf(parsed: Parsed): Message {
  assert.ok(parsed.kind === 'message');
  return parsed.message;
}

function fileLines(bytes: Buffer): Parsed[] {
  return bytes
    .toString('utf8')
    .trimEnd()
    .split('\n')
    .map((line) => parseFileLine(line, { ...clock, program: undefined }));
}

function datagrams(bytes: Buffer): Parsed[] {
  const found: Parsed[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    found.push(parseSyslog(bytes.toString('utf8', at + 4, at + 4 + length), clock));
    at += 4 + length;
  }
  return found;
}

/** In chunks of an odd size, so that most frames are split somewhere. */
function stream(bytes: Buffer): Parsed[] {
  const framer = createFramer({ maxFrameBytes: 65_536 });
  const found: Parsed[] = [];
  for (let at = 0; at < bytes.length; at += 1_009) {
    const framed = framer.push(bytes.subarray(at, at + 1_009));
    assert.equal(framed.violation, undefined);
    for (const batch of framed.batches) {
      for (let i = 0; i < batch.spans.length; i += 2)
        found.push(parseSyslog(batch.bytes.toString('utf8', batch.spans[i], batch.spans[i + 1]), clock));
    }
  }
  return found;
}
